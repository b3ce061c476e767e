// What a key may do: a template, or scopes chosen one by one.

import { fill, h, newId } from './element.js';
import { radios, text, words } from './field.js';
import { scopes as shown } from './record.js';


const ACTIONS = ['read', 'write', 'delete', '*'];

const ROOM = 40;      // letters of a template's scopes

const SCOPE = /^(\*|[A-Za-z0-9_.-]+):(\*|[A-Za-z0-9_.-]+)$/;


// { element, template(), scopes(), binds(), check() }; calls changed().
// "scopes()" is what is granted, by whichever way.

export function permissions(templates, changed) {
    const grid = scopeGrid(resourcesOf(templates), [], changed);
    const options = templates.map((one) => [one.name,
        one.title || one.name,
        [shown(one.scopes, ROOM), one.binds && h('span', { class: 'binds' },
                                              `bound to a ${one.binds}`)]]);

    options.push(['', 'Granular', 'Each resource and action by itself']);

    const choice = radios({ name: 'template', legend: 'Template',
        className: 'cards', options, value: options[0][0],
        onchange: () => {
            grid.element.hidden = choice.value() !== '';
            changed();
        } });

    const chosen = () => templates.find((one) => one.name === choice.value());

    grid.element.hidden = choice.value() !== '';

    return {
        element: h('div', { class: 'stack' }, choice.element, grid.element),
        template: () => chosen()?.name || null,
        binds: () => chosen()?.binds || null,
        scopes: () => chosen()?.scopes || grid.scopes(),
        check: () => chosen() !== undefined || grid.check(),
        fields: [grid.field],
    };
}


// The resources that the templates know.

export function resourcesOf(templates) {
    const names = templates.flatMap((one) => one.scopes)
        .map((scope) => scope.split(':')[0]).filter((name) => name !== '*');

    return [...new Set(names)].sort();
}


// A grid of resource and action, and a line for whatever doesn't fit in it.

export function scopeGrid(resources, given, changed) {
    const granted = new Set(given.filter(fits));
    const names = [...new Set(['*', ...resources,
        ...[...granted].map((scope) => scope.split(':')[0])])];
    const other = text({ name: 'scopes', label: 'Other scopes',
        hint: 'RESOURCE:ACTION, separated by spaces',
        placeholder: 'reports:export users:invite', oninput: changed,
        value: given.filter((scope) => !fits(scope)).join(' ') });
    const tbody = h('tbody');

    function box(name, action) {
        const scope = `${name}:${action}`;
        const all = action !== '*' && granted.has(`${name}:*`);

        return h('td', {}, h('label', { class: 'cell' },
            h('input', { type: 'checkbox', checked: all || granted.has(scope),
                disabled: all, 'aria-label': scope,
                onchange: (event) => {
                    if (event.target.checked) {
                        granted.add(scope);
                    } else {
                        granted.delete(scope);
                    }

                    if (action === '*') {
                        draw();
                        tbody.querySelector(`[aria-label="${CSS.escape(scope)
                            }"]`).focus();
                    }

                    changed();
                } })));
    }

    function draw() {
        fill(tbody, names.map((name) => h('tr', {},
            h('th', { scope: 'row' },
              name === '*' ? 'All resources' : h('code', {}, name)),
            ACTIONS.map((action) => box(name, action)))));
    }

    draw();

    // "invoices:*" leaves nothing for "invoices:read" to add
    const scopes = () => {
        const list = [...granted].filter((scope) => {
            const [name, action] = scope.split(':');
            return action === '*' || !granted.has(`${name}:*`);
        });

        return [...new Set([...list, ...words(other.value())])];
    };

    const element = h('div', { class: 'granular' },
        h('table', { class: 'grid' },
          h('caption', { class: 'unseen' }, 'Permissions'),
          h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Resource'),
            ['Read', 'Write', 'Delete', 'All'].map((name) =>
                h('th', { scope: 'col' }, name)))), tbody),
        adder((name) => {
            if (!names.includes(name)) {
                names.push(name);
                draw();
            }

            tbody.querySelector(`[aria-label="${CSS.escape(name)}:read"]`)
                 ?.focus();
        }),
        other.element);

    return {
        element, scopes, field: other,
        check: () => {
            const bad = words(other.value()).find((w) => !SCOPE.test(w));

            other.fail(bad && `"${bad}" isn't like reports:export.`);

            if (bad) {
                other.control.focus();
            }

            return !bad;
        },
    };
}


function fits(scope) {
    return ACTIONS.includes(scope.split(':')[1]);
}


function adder(add) {
    const id = newId('resource');
    const input = h('input', { id, type: 'text', autocomplete: 'off',
        spellcheck: 'false', autocapitalize: 'off', placeholder: 'reports',
        onkeydown: (event) => {
            if (event.key === 'Enter') {
                event.preventDefault();
                take();
            }
        } });

    function take() {
        const name = input.value.trim();

        if (/^[A-Za-z0-9_.-]+$/.test(name)) {
            input.value = '';
            add(name);
        } else {
            input.focus();
        }
    }

    return h('div', { class: 'field inline' },
        h('label', { for: id }, 'Another resource'), input,
        h('button', { type: 'button', onclick: take }, 'Add'));
}
