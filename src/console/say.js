// What a screen reader is told about what has just happened.


// While a dialog is open, nothing outside of it is heard.

export function say(text) {
    const places = document.querySelectorAll('dialog[open] > .live');
    const live = places[places.length - 1] || document.getElementById('live');

    // The same sentence twice is news, too.
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
