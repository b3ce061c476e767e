// All events, as they come.

import { get, withQuery } from './api.js';
import { fill, h, newId } from './element.js';
import { line, types, typeOf } from './event.js';
import { count } from './format.js';
import { keyLink } from './record.js';
import { note } from './route.js';
import { say } from './say.js';
import { patiently } from './trouble.js';


const PAGE = 100;
const MOST = 500;          // lines that are kept
const QUIET = 5000;        // milliseconds between two announcements
const PAUSE = 3000;        // before a stream that was refused is tried again


export function events({ main, route, signal, title }) {
    const state = { ...route.query };
    const list = h('ol', { class: 'events' });
    const live = h('span', { class: 'live' }, 'Connecting…');
    const foot = h('div', { class: 'foot' });
    const announce = announcer(signal);
    const id = newId('type');
    let asked = null;

    const filter = h('select', { id, onchange: () => {
        state.type = filter.value;
        load();
    } }, h('option', { value: '' }, 'All types'),
        types().map(([value, text]) =>
            h('option', { value, selected: value === state.type }, text)));

    async function load() {
        const { type, key } = state;

        note('events', { type, key });
        asked?.abort();
        asked = new AbortController();

        const mine = AbortSignal.any([signal, asked.signal]);

        list.setAttribute('aria-busy', 'true');

        try {
            const found = await patiently(() => get('events',
                { type, key, limit: PAGE }, mine), mine);

            list.removeAttribute('aria-busy');
            fill(list, found.events.map((event) => line(event)));
            older(found.events, mine);
            stream(withQuery('events/stream', { type, key }), mine,
                   { state: (on) => connected(on, mine), take,
                     refused: load });

        } catch (error) {
            failed(error, mine);
        }
    }

    // What has happened between the list and the stream, or in a break of it.
    async function connected(on, mine) {
        const { type, key } = state;

        live.textContent = on ? 'Live' : 'Connecting…';
        live.classList.toggle('on', on);

        if (on) {
            const { events } = await patiently(() => get('events',
                { type, key, limit: PAGE }, mine), mine).catch(() =>
                ({ events: [] }));

            events.reverse().forEach(take);
        }
    }

    function take(event) {
        if (list.querySelector(`[data-id="${CSS.escape(event.id)}"]`)) {
            return;
        }

        const item = line(event);

        list.querySelector('.empty')?.remove();
        item.classList.add('new');
        list.prepend(item);
        announce(event);

        while (list.children.length > MOST) {
            list.lastElementChild.remove();
        }
    }

    function failed(error, mine) {
        if (!mine.aborted) {
            list.removeAttribute('aria-busy');
            fill(foot, h('p', { class: 'wrong', role: 'alert' },
                         error.message));
        }
    }

    function older(shown, mine) {
        if (!list.hasChildNodes()) {
            fill(list, h('li', { class: 'empty' }, 'Nothing has happened yet.'
                         + ' What gateways see and what is done to keys will '
                         + 'stand here.'));
        }

        fill(foot, shown.length === PAGE && h('button', { type: 'button',
            onclick: () => more(shown[PAGE - 1].id, mine) }, 'Older'));
    }

    async function more(last, mine) {
        const { type, key } = state;

        try {
            const found = await patiently(() => get('events',
                { type, key, before: last, limit: PAGE }, mine), mine);

            list.append(...found.events.map((event) => line(event)));
            older(found.events, mine);

        } catch (error) {
            failed(error, mine);
        }
    }

    title('Events');
    fill(main,
        h('div', { class: 'head' }, h('h1', {}, 'Events'), live,
          h('div', { class: 'actions' },
            h('label', { for: id, class: 'unseen' }, 'Type'), filter)),
        state.key && h('p', { class: 'extra' }, 'Of the key ',
            keyLink(state.key), '. ', h('a', { href: '#/events' },
                                        'Show those of all')),
        h('div', { class: 'sheet' }, list), foot);
    load();
}


// The browser reconnects by itself after a break, and says what it has seen
// last; not after a refusal.

function stream(path, signal, { state, take, refused }) {
    const source = new EventSource(`api/${path}`);

    const close = () => {
        source.close();
        state(false);
    };

    source.addEventListener('open', () => state(true));
    source.addEventListener('message', (message) =>
        take(JSON.parse(message.data)));

    source.addEventListener('error', () => {
        state(false);

        if (source.readyState === EventSource.CLOSED && !signal.aborted) {
            signal.removeEventListener('abort', close);
            setTimeout(() => !signal.aborted && refused(), PAUSE);
        }
    });

    if (signal.aborted) {
        close();
    }

    signal.addEventListener('abort', close);
}


// A screen reader isn't told each of a hundred.

function announcer(signal) {
    let waiting = [];
    let timer = null;

    signal.addEventListener('abort', () => clearTimeout(timer));

    return (event) => {
        waiting.push(event);

        timer ||= setTimeout(() => {
            const [text] = typeOf(waiting[0]);

            say(waiting.length === 1
                ? `${text}: ${waiting[0].name || waiting[0].key}`
                : count(waiting.length, 'new event'));

            waiting = [];
            timer = null;
        }, QUIET);
    };
}
