// Events: what they are called, and a list of those of one key.

import { get } from './api.js';
import { fill, h } from './element.js';
import { bytes, each, number, time } from './format.js';
import { keyLink } from './record.js';
import { href } from './route.js';
import { patiently } from './trouble.js';


const MOST = 8;      // on a key's page

// Its words, and how much it matters.
const TYPES = {
    near_limit: ['Near a limit', 'warn'],
    limit_reached: ['Limit reached', 'bad'],
    expiring: ['Expiring soon', 'warn'],
    expired_used: ['Expired key used', 'warn'],
    revoked_used: ['Revoked key used', 'bad'],
    high_error_rate: ['High error rate', 'bad'],
    unusual_use: ['Unusual use', 'warn'],
    new_country: ['New country', 'warn'],
    created: ['Created', 'done'],
    edited: ['Edited', 'done'],
    disabled: ['Disabled', 'done'],
    enabled: ['Enabled', 'done'],
    rotated: ['Rotated', 'done'],
    revoked: ['Revoked', 'done'],
    deleted: ['Deleted', 'done'],
};


export function types() {
    return Object.entries(TYPES).map(([type, [text]]) => [type, text]);
}


export function typeOf(event) {
    return TYPES[event.type] || [event.type, 'done'];
}


// One line; with the key's name unless it is the key's own page.

export function line(event, own) {
    const [text, weight] = typeOf(event);
    const more = details(event.detail || {});

    return h('li', { class: `event ${weight}`, 'data-id': event.id },
        time(event.time, 'second'),
        h('span', { class: 'type' }, text),
        h('span', { class: 'of' },
          !own && event.key && h('span', { class: 'key' },
                                 keyLink(event.key, event.name)),
          more && h('span', { class: 'detail' }, more),
          event.actor && h('span', { class: 'faint' }, `by ${event.actor}`)));
}


const SAID = {
    seconds: (value) => each(Number(value)),
    window: (value) => each(Number(value)),
    expires: (value) => time(Number(value)),
    until: (value) => time(Number(value)),
    bytes: (value) => bytes(Number(value)),
    percent: (value) => `${value} %`,
    rotated_to: (value) => keyLink(value),
    to: (value) => keyLink(value),
};


function details(detail) {
    const parts = Object.entries(detail)
        .filter(([, value]) => value !== null && value !== '')
        .map(([name, value]) => [
            h('span', { class: 'faint' }, `${name.replaceAll('_', ' ')} `),
            SAID[name] ? SAID[name](value)
                       : /^\d+$/.test(value) ? number(Number(value))
                                             : String(value)]);

    return parts.length ? parts.map((part, i) => [i > 0 && ' · ', part])
                        : null;
}


// The last ones of a key.

export function eventsOf(id, signal) {
    const content = h('div', {}, h('p', { class: 'faint' }, 'Loading…'));

    async function load() {
        try {
            const { events } = await patiently(
                () => get('events', { key: id, limit: MOST + 1 }, signal),
                signal);

            fill(content, events.length
                ? h('ol', { class: 'events short' },
                    events.slice(0, MOST).map((event) => line(event, true)))
                : h('p', { class: 'faint' }, 'Nothing has happened to it.'),
                events.length > MOST && h('a', {
                    href: href('events', null, { key: id }) }, 'All events'));

        } catch (error) {
            if (!signal.aborted) {
                fill(content, h('p', { class: 'wrong' }, error.message));
            }
        }
    }

    load();

    return { load, element: h('section', { class: 'panel' },
        h('h2', {}, 'Events'), content) };
}
