// Fields of forms: a label, a control, a hint, and what is wrong with it.

import { fill, h, newId } from './element.js';


// text({ name, label, hint, required, suggest: [...], list: id of a datalist,
//        ...attributes })
//
// A field has: element, name, control, value(), set(value), fail(message),
// which undefined takes back, and told(text), which replaces the hint.

export function text(given) {
    const { name, label, hint, suggest, tall, ...attributes } = given;
    const list = suggest?.length ? newId('list') : null;

    const control = h(tall ? 'textarea' : 'input', {
        type: tall ? null : 'text', name, list, autocomplete: 'off',
        spellcheck: 'false', autocapitalize: 'off', ...attributes });

    return framed({ name, label, hint, control }, list
        && h('datalist', { id: list },
             suggest.map((value) => h('option', { value }))));
}


export function choice({ name, label, hint, options, value }) {
    const control = h('select', { name }, options.map(([key, said]) =>
        h('option', { value: key, selected: key === value }, said)));

    return framed({ name, label, hint, control });
}


function framed({ name, label, hint, control }, more) {
    const ids = { control: newId(name), hint: newId('hint'),
                  wrong: newId('wrong') };
    const hinted = h('p', { class: 'hint', id: ids.hint }, hint);
    const wrong = h('p', { class: 'wrong', id: ids.wrong });

    control.id = ids.control;
    control.setAttribute('aria-describedby', `${ids.hint} ${ids.wrong}`);

    const field = {
        name,
        control,
        element: h('div', { class: 'field' },
            h('label', { for: ids.control }, label), control, more, hinted,
            wrong),
        value: () => control.value.trim(),
        set: (value) => { control.value = value ?? ''; },
        told: (said) => fill(hinted, said),
        fail: (message) => {
            wrong.textContent = message || '';
            control.setAttribute('aria-invalid', String(Boolean(message)));
        },
    };

    control.addEventListener('input', () => field.fail());

    return field;
}


// radios({ name, legend, options: [[value, label, note], ...], value })

export function radios({ name, legend, options, value, onchange, className }) {
    const element = h('fieldset', { class: className || 'radios' },
        h('legend', {}, legend));

    for (const [key, label, note] of options) {
        const input = h('input', { type: 'radio', name, value: key,
                                   checked: key === value });

        element.append(h('label', { class: 'option' }, input,
            h('span', { class: 'what' }, label),
            note && h('span', { class: 'note' }, note)));
    }

    element.addEventListener('change', (event) => {
        if (event.target.name === name) {
            onchange?.(event.target.value);
        }
    });

    return { element, name,
             value: () => element.querySelector(`input[name="${name}"]:checked`)
                          ?.value };
}


// Marks the field the server has refused, if it is one of these; says the rest
// in a place of its own, which "fields" of a form has at its end.

export function refused(error, fields, place) {
    const field = fields.find((one) => one.name === error.field);

    field?.control.closest('details')?.setAttribute('open', '');

    if (field?.control.checkVisibility()) {
        field.fail(error.message);
        field.control.focus();
        fill(place);
    } else {
        fill(place, h('p', { class: 'wrong', role: 'alert' }, error.message));
    }
}


// True if all that is required is there; the first that isn't gets the focus.

export function complete(fields) {
    const empty = fields.filter((field) =>
        field.control.required && field.value() === '');

    for (const field of empty) {
        field.fail('This is needed.');
    }

    empty[0]?.control.focus();

    return empty.length === 0;
}


// A text of one or several words, as an array.

export function words(value) {
    return value.split(/[\s,]+/).filter(Boolean);
}
