// The filters of the list of keys.

import { get } from './api.js';
import { fill, h, newId } from './element.js';
import { keyIn, recordOf } from './keytext.js';
import { statuses } from './record.js';
import { go } from './route.js';


const PAUSE = 250;      // milliseconds after the last letter

const APPLE = /Mac|iP/.test(navigator.platform);

const WORDS = [
    ['org', 'Organization'], ['project', 'Project'], ['service', 'Service'],
    ['plan', 'Plan'],
];


// Writes what is chosen into "state" and calls changed().  A key among it is
// taken out and looked for.

export function filters(state, changed, signal) {
    const controls = {};
    const lists = {};
    const said = h('p', { class: 'said', role: 'status' });
    let timer;

    function take(name, value) {
        clearTimeout(timer);

        const pasted = keyIn(value);

        if (pasted) {
            controls[name].value = state[name] || '';
            find(pasted);
            return;
        }

        fill(said);

        if ((state[name] || '') === value) {
            return;
        }

        if (value) {
            state[name] = value;
        } else {
            delete state[name];
        }

        show();
        changed();
    }

    async function find(pasted) {
        fill(said, 'This is a key: looking for its record…');

        try {
            const record = await recordOf(pasted);

            if (signal.aborted) {
                return;
            }

            if (record) {
                go('keys', record.id);
            } else {
                fill(said, 'No record belongs to this key.');
            }

        } catch (error) {
            fill(said, error.message);
        }
    }

    function searchField() {
        const id = newId('search');

        controls.q = h('input', { id, type: 'search',
            value: state.q, autocomplete: 'off', spellcheck: 'false',
            placeholder: 'Name, ID, organization, project, service or key',
            'aria-keyshortcuts': 'Control+K',
            oninput: () => {
                clearTimeout(timer);
                timer = setTimeout(() => take('q', controls.q.value.trim()),
                                   PAUSE);
            } });

        return h('div', { class: 'searching' },
            h('label', { for: id, class: 'unseen' }, 'Search keys'),
            controls.q, h('kbd', { 'aria-hidden': 'true' },
                          APPLE ? '⌘ K' : 'Ctrl K'));
    }

    function statusField() {
        const id = newId('status');

        controls.status = h('select', { id,
            onchange: () => take('status', controls.status.value) },
            h('option', { value: '' }, 'Any status'),
            statuses().map(([value, text]) =>
                h('option', { value, selected: state.status === value },
                  text)));

        return [h('label', { for: id, class: 'unseen' }, 'Status'),
                controls.status];
    }

    // Taken when it is left, or at once when it is one that is known.
    function wordField([name, label]) {
        const id = newId(name);

        lists[name] = h('datalist', { id: `${id}-list` });
        controls[name] = h('input', { id, type: 'text', placeholder: label,
            value: state[name], list: `${id}-list`, autocomplete: 'off',
            spellcheck: 'false',
            oninput: () => {
                const value = controls[name].value.trim();

                if ([...lists[name].options].some((o) => o.value === value)) {
                    take(name, value);
                }
            },
            onchange: () => take(name, controls[name].value.trim()) });

        return [h('label', { for: id, class: 'unseen' }, label),
                controls[name], lists[name]];
    }

    const clearButton = h('button', { type: 'button', class: 'plain',
                                      onclick: clear }, 'Clear');

    const more = h('div', { class: 'more', id: newId('more') },
        statusField(), WORDS.map(wordField), clearButton);

    const toggle = h('button', { type: 'button', class: 'toggle',
        'aria-expanded': 'false', 'aria-controls': more.id,
        onclick: () => {
            const open = more.classList.toggle('open');
            toggle.setAttribute('aria-expanded', String(open));
        } });

    function used() {
        return Object.keys(controls).some((name) => state[name]);
    }

    function clear() {
        for (const [name, control] of Object.entries(controls)) {
            delete state[name];
            control.value = '';
        }

        show();
        controls.q.focus();
        changed();
    }

    function show() {
        const n = Object.keys(controls).filter((name) =>
            name !== 'q' && state[name]).length;

        clearButton.hidden = !used();
        toggle.textContent = n ? `Filters (${n})` : 'Filters';

        for (const [name, control] of Object.entries(controls)) {
            control.classList.toggle('used', Boolean(state[name]));
        }
    }

    const element = h('form', { class: 'filters', role: 'search',
        onsubmit: (event) => {
            event.preventDefault();
            take('q', controls.q.value.trim());
        } }, searchField(), toggle, more, said);

    show();

    return {
        element,
        clear,
        find,
        used,
        suggest: (known) => {
            for (const [name, list] of Object.entries(lists)) {
                fill(list, known[name].map((value) => h('option', { value })));
            }
        },
    };
}


// The organizations, projects, services and plans that there are.  They are
// only suggested, so the page does without them.

export async function facets(signal) {
    const found = await get('facets', {}, signal).catch(() => ({}));

    return Object.fromEntries(WORDS.map(([name]) =>
        [name, (found[name] || []).map((one) => one.value)]));
}
