// The list of keys: searched, filtered, sorted and paged by the server.

import { get } from './api.js';
import { deleteTogether } from './actions.js';
import { fill, h, newId } from './element.js';
import { facets, filters } from './filters.js';
import { ago, ahead, count, now, number, time } from './format.js';
import { pager } from './pager.js';
import { keyLink, label, none, scopes, status } from './record.js';
import { href, note } from './route.js';
import { say } from './say.js';
import { body, headings, labelled, rows, skeleton } from './table.js';
import { patiently } from './trouble.js';


const SIZE = 50;
const ROOM = 32;      // letters of scopes in a row
const SOON = 7 * 86400;

const COLUMNS = [
    { name: 'Name', sort: 'name' },
    { name: 'ID', className: 'id' },
    { name: 'Status', sort: 'status' },
    { name: 'Scopes' },
    { name: 'Organization', sort: 'org', className: 'label' },
    { name: 'Project', sort: 'project', className: 'label' },
    { name: 'Created', sort: 'created', first: 'desc' },
    { name: 'Last used', sort: 'last_used', first: 'desc' },
];


export function keys({ main, route, signal, title, admin }) {
    const state = { sort: 'created', order: 'desc', ...route.query };
    const total = h('span', { class: 'total' });
    const together = h('span', { class: 'together' });
    const heads = headings(COLUMNS, order);
    const table = h('table', { class: 'keys', role: 'table',
        'aria-label': 'Keys' }, heads, skeleton(COLUMNS.length, 12));
    const pages = pager(turn, resize);
    let asked = null;

    const filter = filters(state, () => {
        delete state.page;
        load(true);
    }, signal);

    function order(column) {
        const same = state.sort === column.sort;
        const first = column.first || 'asc';
        const other = first === 'asc' ? 'desc' : 'asc';

        state.order = same && state.order === first ? other : first;
        state.sort = column.sort;
        delete state.page;
        load();
    }

    function turn(page) {
        state.page = page;
        load();
    }

    function resize(size) {
        state.size = size;
        delete state.page;
        load();
    }

    function put(tbody) {
        table.removeAttribute('aria-busy');
        table.querySelector('tbody').replaceWith(tbody);
    }

    async function load(speak) {
        const size = Number(state.size) || SIZE;
        const { page, size: _, ...query } = state;

        note('keys', known(state));

        asked?.abort();
        asked = new AbortController();
        const mine = AbortSignal.any([signal, asked.signal]);

        table.setAttribute('aria-busy', 'true');
        heads.sorted(state);

        try {
            const found = await patiently(() => get('keys', { ...query,
                limit: size, offset: ((Number(page) || 1) - 1) * size },
                mine), mine);

            if (found.total > 0 && found.keys.length === 0) {
                turn(Math.ceil(found.total / size));
                return;
            }

            draw(found, size);

            if (speak) {
                say(`${count(found.total, 'key')} found.`);
            }

        } catch (error) {
            if (!mine.aborted) {
                put(labelled(COLUMNS.length, error.message));
            }
        }
    }

    function draw(found, size) {
        put(found.keys.length ? rows(found.keys.map(row))
                              : labelled(COLUMNS.length, empty()));

        total.textContent = number(found.total);
        pages.show({ total: found.total, shown: found.keys.length, size,
                     page: Number(state.page) || 1 });
        fill(together, admin && found.total > 0 && filter.used()
                       && deletions(found));
    }

    function empty() {
        if (!filter.used()) {
            return [h('strong', {}, 'There are no keys yet.'),
                    admin && h('p', {}, h('a', { class: 'button primary',
                        href: href('create') }, 'Create the first key'))];
        }

        return [h('strong', {}, 'No key is like that.'),
                h('p', {}, h('button', { type: 'button',
                    onclick: () => filter.clear() }, 'Clear the filters'))];
    }

    // Only within what is shown, and not where it is clicked by chance.
    function deletions(found) {
        const { sort, order: _, page, size, ...within } = state;

        const items = h('div', { class: 'menu-items', hidden: true,
                                 id: newId('menu') },
            h('button', { type: 'button', class: 'danger outline',
                onclick: async () => {
                    toggle.click();

                    // What went wrong the list says, too.
                    const done = await deleteTogether(within, found.total,
                        signal).catch(() => true);

                    if (done && !signal.aborted) {
                        load();
                    }
                } }, `Delete ${count(found.total, 'key')}…`));

        const toggle = h('button', { type: 'button', 'aria-expanded': 'false',
            'aria-controls': items.id, onclick: () => {
                items.hidden = !items.hidden;
                toggle.setAttribute('aria-expanded', String(!items.hidden));
            } }, 'More');

        return h('div', { class: 'menu' }, toggle, items);
    }

    title('Keys');
    fill(main,
        h('div', { class: 'head' },
          h('h1', {}, 'Keys'), total,
          admin && h('div', { class: 'actions' }, together,
            h('a', { class: 'button primary', href: href('create') },
              'Create key'))),
        filter.element,
        h('div', { class: 'sheet' }, table), pages.element);
    load();
    facets(signal).then(filter.suggest);

    if (route.pasted) {
        filter.find(route.pasted);
    }
}


// What needn't be said in the address isn't.

function known(state) {
    const given = { ...state };

    if (given.sort === 'created' && given.order === 'desc') {
        delete given.sort;
        delete given.order;
    }

    if (Number(given.page) === 1) {
        delete given.page;
    }

    return given;
}


function row(key) {
    return body(COLUMNS, [
        keyLink(key.id, key.name),
        [h('code', { class: 'id' }, key.id), hint(key)],
        [status(key.status), ending(key)],
        scopes(key.scopes, ROOM),
        label(key.org),
        label(key.project),
        time(key.created, 'date'),
        key.last_used ? ago(key.last_used) : none('never'),
    ]);
}


// How the key's own text ends, by which those who have it know it.

function hint(key) {
    return key.hint && h('span', { class: 'hinted',
                                   title: `The key ends with ${key.hint}` },
                         `…${key.hint}`);
}


// What happens soon is worth a word.

function ending(key) {
    return key.status === 'active' && key.expires
           && key.expires - now() < SOON
           && h('span', { class: 'ending' }, `ends ${ahead(key.expires)}`);
}
