// Events: what they are called, and a list of those of one key.

import { get } from './api.js';
import { fill, h } from './element.js';
import { country, each, number, time } from './format.js';
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
    imported: ['Imported', 'done'],
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
    const more = details(event);

    return h('li', { class: `event ${weight}`, 'data-id': event.id },
        time(event.time, 'second'),
        h('span', { class: 'type' }, text),
        h('span', { class: 'of' },
          !own && event.key && keyLink(event.key, event.name),
          more && h('span', {}, more),
          event.actor && h('span', { class: 'faint' }, `by ${event.actor}`)));
}


// What is behind them, in words.  Numbers come as texts.

const DETAILS = {
    near_limit: (d) => `${amount(d.used)} of ${amount(d.limit)} `
                       + each(Number(d.window)),
    limit_reached: (d) => [`${amount(d.limit)} ${each(Number(d.window))}`,
                           d.reset && [', until ',
                                       time(Number(d.reset), 'second')]],
    expiring: (d) => d.expires && ['on ', time(Number(d.expires))],
    expired_used: (d) => d.address && ['from ', h('code', {}, d.address)],
    revoked_used: (d) => [d.status, d.address && [', from ',
                                                  h('code', {}, d.address)]],
    high_error_rate: (d) => `${amount(d.errors)} errors in `
                            + `${amount(d.requests)} requests`,
    unusual_use: (d) => `${amount(d.requests)} requests today, `
                        + `${amount(d.average)} on average`,
    new_country: (d) => [country(d.country), d.address && [' from ',
                                                h('code', {}, d.address)]],
    edited: (d) => d.changed,
    rotated: (d) => [d.rotated_to && ['to ', keyLink(d.rotated_to)],
                     d.expires && [', ends ', time(Number(d.expires))]],
    imported: (d) => `${amount(d.imported ?? d.keys)} keys`,
};


function details(event) {
    const detail = event.detail || {};
    const said = Object.keys(detail).length && DETAILS[event.type]?.(detail);

    return said || null;
}


function amount(text) {
    return number(Number(text));
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
