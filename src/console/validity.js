// When a key is valid: until when, and from when.

import { fill, h, newId } from './element.js';
import { radios } from './field.js';
import { datable, now, time } from './format.js';


const DAY = 86400;

const PRESETS = [
    ['30', '30 days'], ['90', '90 days'], ['365', '1 year'],
    ['date', 'On a date'], ['', 'Never'],
];


// { element, value(): Unix seconds or null, words(): for the command line,
// fields }; calls changed().  "given" is what it was, when it is edited.

export function expiry({ given, changed }) {
    const date = moment({ name: 'expires', label: 'Expires on', value: given });
    const said = h('p', { class: 'hint', 'aria-live': 'polite' });

    const preset = radios({ name: 'expiry', legend: 'Expires',
        className: 'segments', options: PRESETS, value: given ? 'date' : '',
        onchange: retell });

    date.control.addEventListener('input', retell);

    function value() {
        const chosen = preset.value();

        if (chosen === 'date') {
            return date.value();
        }

        return chosen ? now() + Number(chosen) * DAY : null;
    }

    function tell() {
        const until = value();

        date.element.hidden = preset.value() !== 'date';
        fill(said, until ? ['Refused from ', time(until), ' on.']
                         : preset.value() === '' && 'Valid until it is '
                                                    + 'revoked.');
    }

    function retell() {
        tell();
        changed?.();
    }

    tell();

    return {
        element: h('div', { class: 'stack' }, preset.element, date.element,
                   said),
        field: date,
        value,
        // undefined unless the reader has chosen a date without giving one
        check: () => {
            const missing = preset.value() === 'date' && !date.value();

            date.fail(missing && 'Which one?');

            if (missing) {
                date.control.focus();
            }

            return !missing;
        },
        words: () => {
            const chosen = preset.value();

            return chosen === 'date' ? iso(date.value())
                                     : chosen && `${chosen}d`;
        },
    };
}


// A moment in the reader's zone; value() is Unix seconds or null.

export function moment({ name, label, hint, value }) {
    const ids = { control: newId(name), hint: newId('hint'),
                  wrong: newId('wrong') };
    const control = h('input', { type: 'datetime-local', id: ids.control, name,
        value: value && datable(value) ? local(value) : null,
        'aria-describedby': `${ids.hint} ${ids.wrong}` });
    const wrong = h('p', { class: 'wrong', id: ids.wrong });

    return {
        name, control,
        value: () => {
            const ms = new Date(control.value).getTime();
            return Number.isNaN(ms) ? null : Math.floor(ms / 1000);
        },
        fail: (message) => {
            wrong.textContent = message || '';
            control.setAttribute('aria-invalid', String(Boolean(message)));
        },
        element: h('div', { class: 'field' },
            h('label', { for: ids.control }, label), control,
            h('p', { class: 'hint', id: ids.hint }, hint || 'Your local time'),
            wrong),
    };
}


function local(s) {
    const offset = new Date(s * 1000).getTimezoneOffset() * 60;

    return new Date((s - offset) * 1000).toISOString().slice(0, 16);
}


export function iso(s) {
    return s && datable(s)
           && new Date(s * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
