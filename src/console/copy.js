// Copying to the clipboard.

import { h } from './element.js';
import { say } from './say.js';


// Shows in the button that it is done, for a moment.

export function copyButton(name, text, done) {
    const button = h('button', { type: 'button', class: 'small' }, 'Copy');

    button.setAttribute('aria-label', `Copy ${name}`);

    button.addEventListener('click', async () => {
        const copied = await copy(text());

        button.textContent = copied ? 'Copied' : 'Press Ctrl+C';
        say(copied ? `Copied ${name}.` : `Select ${name} and press Ctrl+C.`);

        if (copied && done) {
            done();
        }

        setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });

    return button;
}


// Where the page isn't on a loopback address or https, there is no
// navigator.clipboard.

async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;

    } catch {
        return copySelected(text);
    }
}


function copySelected(text) {
    const open = document.querySelectorAll('dialog[open]');
    const parent = open[open.length - 1] || document.body;
    const area = h('textarea', { class: 'unseen', 'aria-hidden': 'true' });
    const focused = document.activeElement;

    area.value = text;
    parent.append(area);
    area.select();

    const copied = document.execCommand('copy');

    area.value = '';
    area.remove();
    focused?.focus();

    return copied;
}
