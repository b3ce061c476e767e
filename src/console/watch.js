// Looking again and again, as long as somebody looks at the page and has no
// dialog before it; until look() is false.  look(true) is one of those that the
// reader hasn't asked for.


export async function watch(period, look, signal) {
    let timer = null;
    let unasked = false;

    signal.addEventListener('abort', () => clearTimeout(timer));

    async function again() {
        const seen = !document.hidden
                     && !document.querySelector('dialog[open]');
        const more = !seen || await look(unasked);

        unasked = true;

        if (more !== false && !signal.aborted) {
            timer = setTimeout(again, period);
        }
    }

    await again();
}
