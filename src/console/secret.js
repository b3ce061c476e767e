// A new key, shown this once.  Its text is in this dialog and nowhere else: not
// in the address, not in any storage, and gone from the page when it closes.

import { copyButton } from './copy.js';
import { dialog } from './dialog.js';
import { fill, h } from './element.js';
import { confirmed } from './workers.js';


// "made": what the server has answered, { id, name, key, workers, ... }.

export function showOnce({ title, made, about }) {
    const text = made.key;
    let kept = false;
    let warned = false;

    const stay = (event) => {
        if (!kept) {
            event.preventDefault();
        }
    };

    const keep = () => { kept = true; };
    const shown = h('code', { class: 'secret', tabindex: '0' }, text);
    const line = h('code', { class: 'secret' }, curl(text));

    delete made.key;

    function content(close) {
        const finish = h('button', { type: 'button', class: 'primary',
            onclick: () => {
                if (kept || warned) {
                    close();
                    return;
                }

                warned = true;
                finish.textContent = 'Close without copying';
                fill(last, 'The key hasn\'t been copied, and can\'t be shown '
                           + 'again.');
            } }, 'Done');

        const last = h('p', { class: 'wrong', role: 'alert' });

        return h('div', { class: 'stack' },
            part('Key', 'the key', shown, text, keep),
            part('Try it', 'the curl line', line, curl(text), keep),
            made.workers && h('p', { class: 'hint' },
                              confirmed(made.workers)),
            last,
            h('div', { class: 'buttons' }, finish));
    }

    // Selecting and copying by hand is copying, too.
    document.addEventListener('copy', keep);
    window.addEventListener('beforeunload', stay);

    const intro = [h('p', {}, about), h('p', { class: 'notice warn' },
        h('strong', {}, 'Copy it now.'), ' It is stored nowhere, and nobody '
        + 'can show it again. Who has it has its rights.')];

    return dialog({ title, intro, content, locked: () => true,
                    wide: true })
           .finally(() => {
        document.removeEventListener('copy', keep);
        window.removeEventListener('beforeunload', stay);
        fill(shown);
        fill(line);
    });
}


function part(name, what, element, text, keep) {
    return h('div', { class: 'once' },
        h('div', { class: 'over' }, h('h3', {}, name),
          copyButton(what, () => text, keep)),
        element);
}


function curl(text) {
    return `curl -i -H 'X-API-Key: ${text}' https://api.example.com/`;
}
