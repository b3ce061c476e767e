// How the parts of a key's record are shown.

import { h } from './element.js';
import { href } from './route.js';


const STATUSES = {
    active: 'Active',
    disabled: 'Disabled',
    revoked: 'Revoked',
    expired: 'Expired',
    early: 'Not yet valid',
    unreadable: 'Unreadable',
};


const REST = 4;      // letters of "+12"


export function statuses() {
    return Object.entries(STATUSES);
}


export function status(value) {
    return h('span', { class: `badge ${value}` }, STATUSES[value] || value);
}


export function none(text) {
    return h('span', { class: 'faint' }, text || '–');
}


// Of whatever script, it doesn't turn around what stands beside it.

export function named(key) {
    return h('bdi', {}, key.name || key.id);
}


// Cut off where there is no room for it.

export function label(text) {
    return text ? h('span', { title: text }, text) : none();
}


export function keyLink(id, name) {
    return h('a', { href: href('keys', id) }, named({ id, name }));
}


// As many as have room, in letters; the rest stands in the title and is read
// out.

export function scopes(list, room, otherwise) {
    if (!list.length) {
        return none(otherwise || 'none');
    }

    const shown = list.slice(0, fitting(list, room || Infinity));
    const rest = list.slice(shown.length);

    return h('span', { class: 'scopes',
                       title: rest.length ? list.join('\n') : null },
        shown.map((scope) => [h('code', {}, scope), ' ']),
        rest.length > 0 && [
            h('span', { class: 'faint', 'aria-hidden': 'true' },
              `+${rest.length}`),
            h('span', { class: 'unseen' }, rest.join(' ')),
        ]);
}


function fitting(list, room) {
    const long = (n) => list.slice(0, n).join('  ').length + 2;
    let n = list.length;

    while (n > 1 && long(n) > (n < list.length ? room - REST : room)) {
        n--;
    }

    return n;
}


// Is there still something that may be done with it?

export function alive(key) {
    return key.status !== 'revoked' && key.status !== 'unreadable';
}
