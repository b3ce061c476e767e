// What may change during a key's life.

import { change } from './api.js';
import { limitsField, networksField } from './create.js';
import { ask } from './dialog.js';
import { h } from './element.js';
import { text, words } from './field.js';
import { planField } from './plan.js';
import { expiry, moment } from './validity.js';


// Sends only what has been changed.

export function edit(key, signal) {
    const name = text({ name: 'name', label: 'Name', required: true,
                        maxlength: 256, value: key.name, dir: 'auto' });
    const plan = planField(key.plan, signal);
    const limits = limitsField(key.limits);
    const until = expiry({ given: key.expires });
    const from = moment({ name: 'not_before', label: 'Not before',
                          value: key.not_before });
    const allow = networksField(key.allow.join('\n'));

    function changes() {
        const now = { name: name.value(), plan: plan.value() || null,
                      limits: limits.value() || null,
                      expires: until.value(), not_before: from.value(),
                      allow: words(allow.value()) };
        const was = { ...key, expires: whole(key.expires),
                      not_before: whole(key.not_before) };

        return Object.fromEntries(Object.entries(now).filter(([field, value]) =>
            String(value ?? '') !== String(was[field] ?? '')));
    }

    return ask({
        title: 'Edit key',
        wide: true,
        intro: h('p', { class: 'hint' }, 'Scopes and bindings never change: '
                 + 'make a new key.'),
        fields: [name, plan, limits, until.field, from, allow],
        body: [name.element,
               h('div', { class: 'two' }, plan.element, limits.element),
               until.element, from.element, allow.element],
        action: 'Save',
        send: async () => {
            const changed = changes();

            if (!until.check() || Object.keys(changed).length === 0) {
                return undefined;
            }

            return change('PATCH', `keys/${encodeURIComponent(key.id)}`,
                          { ...changed, ...plan.forced() }, key);
        },
    });
}


// The field has minutes only.

function whole(s) {
    return s ? s - s % 60 : s;
}
