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
            further(found.events, mine);
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
                { type, key, limit: PAGE }, mine, true), mine).catch(() =>
                ({ events: [] }));

            // More of it than one page: the list begins anew.
            if (events.length === PAGE && !events.some(shown)) {
                load();
            } else {
                events.forEach(take);
            }
        }
    }

    function shown(event) {
        return list.querySelector(`[data-id="${CSS.escape(event.id)}"]`);
    }

    // Where it belongs: a stream may be faster than what fills its gap.
    function take(event) {
        if (shown(event)) {
            return;
        }

        const item = line(event);

        list.querySelector('.empty')?.remove();
        item.classList.add('new');
        list.insertBefore(item, [...list.children].find((one) =>
            older(one.dataset.id, event.id)) || null);
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

    function further(page, mine) {
        if (!list.hasChildNodes()) {
            fill(list, h('li', { class: 'empty' }, 'Nothing has happened yet.'
                         + ' What gateways see and what is done to keys will '
                         + 'stand here.'));
        }

        fill(foot, page.length === PAGE && h('button', { type: 'button',
            onclick: () => more(page[PAGE - 1].id, mine) }, 'Older'));
    }

    async function more(last, mine) {
        const { type, key } = state;

        try {
            const found = await patiently(() => get('events',
                { type, key, before: last, limit: PAGE }, mine), mine);

            list.append(...found.events.map((event) => line(event)));
            further(found.events, mine);

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


// Ids are like 1767225600000-0.

function older(one, other) {
    const [ms, n] = one.split('-').map(Number);
    const [otherMs, otherN] = other.split('-').map(Number);

    return ms < otherMs || (ms === otherMs && n < otherN);
}


// The browser reconnects by itself after a break, and says what it has seen
// last; not after a refusal.  A tab that nobody sees has no stream: of a few a
// browser would have no connection left for anything else.

function stream(path, signal, { state, take, refused }) {
    let source = null;

    function open() {
        source = new EventSource(`api/${path}`);

        source.addEventListener('open', () => state(true));
        source.addEventListener('message', (message) =>
            take(JSON.parse(message.data)));
        source.addEventListener('error', () => {
            state(false);

            if (source?.readyState === EventSource.CLOSED) {
                stop();
                setTimeout(() => !signal.aborted && refused(), PAUSE);
            }
        });
    }

    function close() {
        source?.close();
        source = null;
        state(false);
    }

    function look() {
        if (document.hidden) {
            close();
        } else if (source === null) {
            open();
        }
    }

    function stop() {
        document.removeEventListener('visibilitychange', look);
        signal.removeEventListener('abort', stop);
        close();
    }

    if (!signal.aborted) {
        document.addEventListener('visibilitychange', look);
        signal.addEventListener('abort', stop);
        look();
    }
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
