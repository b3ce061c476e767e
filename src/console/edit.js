// What may change during a key's life.

import { change } from './api.js';
import { limitsField, networksField } from './create.js';
import { ask } from './dialog.js';
import { h } from './element.js';
import { text, words } from './field.js';
import { expiry } from './validity.js';


// Sends only what has been changed.

export function edit(key) {
    const name = text({ name: 'name', label: 'Name', required: true,
                        maxlength: 256, value: key.name, dir: 'auto' });
    const plan = text({ name: 'plan', label: 'Plan', value: key.plan });
    const limits = limitsField(key.limits);
    const until = expiry({ given: key.expires });
    const allow = networksField(key.allow.join('\n'));

    function changes() {
        const now = { name: name.value(), plan: plan.value() || null,
                      limits: limits.value() || null,
                      expires: until.value(), allow: words(allow.value()) };
        const was = { ...key, expires: whole(key.expires) };

        return Object.fromEntries(Object.entries(now).filter(([field, value]) =>
            String(value ?? '') !== String(was[field] ?? '')));
    }

    return ask({
        title: 'Edit key',
        wide: true,
        intro: h('p', { class: 'hint' }, 'Scopes and bindings never change: '
                 + 'make a new key.'),
        fields: [name, plan, limits, until.field, allow],
        body: [name.element,
               h('div', { class: 'two' }, plan.element, limits.element),
               until.element, allow.element],
        action: 'Save',
        send: async () => {
            const changed = changes();

            if (!until.check() || Object.keys(changed).length === 0) {
                return undefined;
            }

            return change('PATCH', `keys/${encodeURIComponent(key.id)}`,
                          changed);
        },
    });
}


// The field has minutes only.

function whole(s) {
    return s ? s - s % 60 : s;
}
