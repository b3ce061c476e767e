// Dialogs: the browser's own <dialog>, which keeps the focus inside, and gives
// it back when it closes.

import { fill, h, newId } from './element.js';
import { complete, refused } from './field.js';


const open = new Set();


// Shows content(close) below a heading and an introduction.  The promise is
// what close() was given, undefined if the reader or a change of the address
// has closed it.

export function dialog({ title, intro, content, locked, wide }) {
    const id = newId('title');
    const box = h('dialog', { 'aria-labelledby': id,
        'aria-describedby': `${id}-intro`, class: wide ? 'wide' : null });
    let result;

    const close = (value) => {
        result = value;
        box.close();
    };

    fill(box, h('h2', { id }, title),
         intro && h('div', { id: `${id}-intro`, class: 'intro' }, intro),
         content(close), h('div', { class: 'live unseen', role: 'status' }));
    document.body.append(box);
    open.add(close);

    // Escape closes what can be opened again.
    if (locked) {
        box.addEventListener('cancel', (event) => event.preventDefault());
        box.addEventListener('keydown', (event) => {
            if (event.key === 'Escape') {
                event.preventDefault();
            }
        });
    }

    const done = new Promise((resolve) => {
        box.addEventListener('close', () => {
            open.delete(close);
            box.remove();
            resolve(result);
        });
    });

    box.showModal();

    return done;
}


export function closeDialogs() {
    for (const close of [...open]) {
        close();
    }
}


// A form in a dialog.  send() is called once everything required is there; what
// it returns closes the dialog, what it throws is said in it.
//
// ask({ title, intro, fields: [...], body, action: 'Revoke', danger, word,
//       send })
//
// "word": what the reader has to type before, where it can't be taken back.

export function ask(given) {
    return dialog({
        title: given.title,
        intro: given.intro,
        wide: given.wide,
        content: (close) => form(given, close),
    });
}


function form(given, close) {
    const fields = given.fields || [];
    const place = h('div', { class: 'place' });
    const typed = given.word && wordField(given.word);
    const submit = h('button', { type: 'submit', disabled: Boolean(given.word),
        class: given.danger ? 'danger' : 'primary' }, given.action);

    typed?.control.addEventListener('input', () => {
        submit.disabled = typed.value() !== given.word;
    });

    return h('form', {
        class: 'stack', novalidate: true,
        onsubmit: async (event) => {
            event.preventDefault();

            if (submit.disabled || isBusy(submit) || !complete(fields)) {
                return;
            }

            busy(submit, true);

            try {
                close(await given.send());
            } catch (error) {
                refused(error, fields, place);
            } finally {
                busy(submit, false);
            }
        },
    },
    given.body || fields.map((field) => field.element),
    typed?.element, place,
    h('div', { class: 'buttons' },
        h('button', { type: 'button', onclick: () => close() }, 'Cancel'),
        submit));
}


function wordField(word) {
    const id = newId('word');
    const control = h('input', { type: 'text', id, autocomplete: 'off',
                                 spellcheck: 'false', autocapitalize: 'off' });

    return {
        control,
        value: () => control.value.trim(),
        element: h('div', { class: 'field' },
            h('label', { for: id }, 'Type ', h('code', {}, word),
              ' to confirm'), control),
    };
}


// A button whose work is under way: it keeps its place and its focus.

export function busy(button, is) {
    button.setAttribute('aria-disabled', String(is));
    button.classList.toggle('busy', is);
}


export function isBusy(button) {
    return button.classList.contains('busy');
}
