// Templates: named lists of scopes.

import { change, get } from './api.js';
import { ask } from './dialog.js';
import { fill, h } from './element.js';
import { choice, text } from './field.js';
import { resourcesOf, scopeGrid } from './permissions.js';
import { none, scopes } from './record.js';
import { say } from './say.js';
import { body, headings, labelled, rows, skeleton } from './table.js';
import { patiently } from './trouble.js';


const COLUMNS = [
    { name: 'Title' }, { name: 'Name', className: 'id' }, { name: 'Bound to' },
    { name: 'Scopes' },
];

const CHANGES = { name: 'Changes' };


export function templates({ main, signal, title, admin }) {
    const columns = admin ? [...COLUMNS, CHANGES] : COLUMNS;
    const table = h('table', { role: 'table', 'aria-label': 'Templates' },
                    headings(columns), skeleton(columns.length, 5));
    let list = [];

    async function load() {
        try {
            list = await patiently(() => get('templates', {}, signal), signal);
            fill(table, headings(columns), rows(list.map(row)));

        } catch (error) {
            if (!signal.aborted) {
                fill(table, headings(columns),
                     labelled(columns.length, error.message));
            }
        }
    }

    function row(one) {
        return body(columns, [
            one.title || one.name,
            h('code', {}, one.name),
            one.binds || none(),
            scopes(one.scopes),
            h('div', { class: 'tools' },
              button('Edit', one, () => done(set(list, one),
                                             `${one.name} is set.`)),
              one.stored && button(one.title ? 'Restore' : 'Remove', one,
                  () => done(remove(one), `${one.name} is removed.`))),
        ].slice(0, columns.length));
    }

    async function done(action, what) {
        if (await action) {
            say(what);
            await load();
        }
    }

    title('Templates');
    fill(main,
        h('div', { class: 'head' }, h('h1', {}, 'Templates'),
          admin && h('button', { type: 'button', class: 'primary',
              onclick: () => done(set(list), 'The template is there.') },
              'New template')),
        h('div', { class: 'sheet' }, table),
        h('p', { class: 'hint' }, 'A key keeps the scopes it was made with: '
          + 'changing a template changes no key.'));
    load();
}


function button(name, one, f) {
    return h('button', { type: 'button', class: 'small', onclick: f,
                         'aria-label': `${name} ${one.name}` }, name);
}


function path(name) {
    return `templates/${encodeURIComponent(name)}`;
}


function set(list, one) {
    const name = text({ name: 'name', label: 'Name', required: true,
        value: one?.name, readonly: Boolean(one), placeholder: 'reporting' });
    const binds = choice({ name: 'binds', label: 'Keys have to be bound to',
        value: one?.binds || '', options: [['', 'nothing'],
            ['project', 'a project'], ['org', 'an organization'],
            ['service', 'a service']] });
    const grid = scopeGrid(resourcesOf(list), one?.scopes || [], () => {});

    return ask({
        title: one ? `Edit ${one.title || one.name}` : 'New template',
        wide: true,
        fields: [name, binds, grid.field],
        body: [h('div', { class: 'two' }, name.element, binds.element),
               grid.element],
        action: 'Save',
        send: () => {
            if (!grid.check()) {
                throw new Error('Scopes are like reports:export.');
            }

            return change('PUT', path(name.value()),
                { scopes: grid.scopes(), binds: binds.value() || null });
        },
    });
}


function remove(one) {
    return ask({
        title: one.title ? 'Restore template' : 'Remove template',
        intro: h('p', {}, h('strong', {}, one.name), one.title
            ? ' is again as it was shipped.'
            : ' is removed. Keys that were made with it stay as they are.'),
        action: one.title ? 'Restore' : 'Remove',
        danger: !one.title,
        send: () => change('DELETE', path(one.name)),
    });
}
