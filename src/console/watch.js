// Looking again and again, as long as somebody looks at the page.


export async function watch(period, look, signal) {
    let timer = null;

    signal.addEventListener('abort', () => clearTimeout(timer));

    async function again() {
        if (!document.hidden) {
            await look();
        }

        if (!signal.aborted) {
            timer = setTimeout(again, period);
        }
    }

    await again();
}
