// What a screen reader is told about what has just happened.


export function say(text) {
    const live = document.getElementById('live');

    // The same sentence twice is news, too.
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
