// Dialogs: the browser's own <dialog>, which keeps the focus inside, and gives
// it back when it closes.

import { fill, h, newId } from './element.js';
import { complete, refused } from './field.js';


const open = new Set();


// Shows content(close) below a heading and an introduction.  The promise is
// what close() was given, undefined if the reader or a change of the address
// has closed it; which neither can while locked() is true.

export function dialog({ title, intro, content, locked, wide }) {
    const id = newId('title');
    const box = h('dialog', { 'aria-labelledby': id,
        'aria-describedby': intro ? `${id}-intro` : null,
        class: wide ? 'wide' : null });
    const one = { close, locked: locked || (() => false) };
    let result;

    function close(value) {
        result = value;
        box.close();
    }

    fill(box, h('h2', { id }, title),
         intro && h('div', { id: `${id}-intro`, class: 'intro' }, intro),
         content(close), h('div', { class: 'live unseen', role: 'status' }));
    document.body.append(box);
    open.add(one);

    // The second Escape isn't a "cancel" any more.
    box.addEventListener('cancel', (event) => {
        if (one.locked()) {
            event.preventDefault();
        }
    });

    box.addEventListener('keydown', (event) => {
        if (event.key === 'Escape' && one.locked()) {
            event.preventDefault();
        }
    });

    const done = new Promise((resolve) => {
        box.addEventListener('close', () => {
            open.delete(one);
            box.remove();
            resolve(result);
        });
    });

    box.showModal();

    return done;
}


// All that aren't locked, or even those.

export function closeDialogs(even) {
    for (const one of [...open]) {
        if (even || !one.locked()) {
            one.close();
        }
    }
}


// A form in a dialog.  send() is called once everything required is there; what
// it returns closes the dialog, what it throws is said in it.  Meanwhile the
// dialog stays: its answer may be a key that nobody sees again.
//
// ask({ title, intro, fields: [...], body, action: 'Revoke', danger, word,
//       send })
//
// "word": what the reader has to type before, where it can't be taken back.

export function ask(given) {
    const submit = h('button', { type: 'submit', disabled: Boolean(given.word),
        class: given.danger ? 'danger' : 'primary' }, given.action);

    return dialog({
        title: given.title,
        intro: given.intro,
        wide: given.wide,
        locked: () => isBusy(submit),
        content: (close) => form(given, submit, close),
    });
}


function form(given, submit, close) {
    const fields = given.fields || [];
    const place = h('div', { class: 'place' });
    const typed = given.word && wordField(given.word);

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
        h('button', { type: 'button',
                      onclick: () => isBusy(submit) || close() }, 'Cancel'),
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
