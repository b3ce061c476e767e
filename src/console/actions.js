// What is done to a key: each asks first, and is done once.  They return what
// the server has answered, or undefined if the reader thought better of it.

import { change, get, withQuery } from './api.js';
import { dialog, ask } from './dialog.js';
import { h } from './element.js';
import { choice } from './field.js';
import { count } from './format.js';
import { alive, named } from './record.js';
import { patiently } from './trouble.js';
import { notice } from './workers.js';


const HOUR = 3600;

const GRACES = [
    [0, 'None: the old key stops at once'], [HOUR, '1 hour'],
    [24 * HOUR, '24 hours'], [7 * 24 * HOUR, '7 days'],
    [30 * 24 * HOUR, '30 days'],
];


function path(key, action) {
    return `keys/${encodeURIComponent(key.id)}${action ? `/${action}` : ''}`;
}


function told(key) {
    return [h('strong', {}, named(key)), ' (', h('code', {}, key.id), ')'];
}


export function disable(key) {
    return ask({
        title: 'Disable key',
        intro: h('p', {}, told(key), ' is refused from now on, at every '
                 + 'gateway, until it is enabled again.'),
        action: 'Disable',
        send: () => change('POST', path(key, 'disable')),
    });
}


export function enable(key) {
    return ask({
        title: 'Enable key',
        intro: h('p', {}, told(key), ' may be used again.'),
        action: 'Enable',
        send: () => change('POST', path(key, 'enable')),
    });
}


export function revoke(key) {
    return ask({
        title: 'Revoke key',
        intro: h('p', {}, told(key), ' is refused from now on, at every '
                 + 'gateway. This is final: it can\'t be enabled again.'),
        word: 'revoke',
        action: 'Revoke',
        danger: true,
        send: () => change('POST', path(key, 'revoke')),
    });
}


export function rotate(key) {
    const grace = choice({ name: 'grace', label: 'The old key still works for',
        options: GRACES, value: 24 * HOUR });

    return ask({
        title: 'Rotate key',
        intro: h('p', {}, 'A new key with the same name, scopes, bindings, '
                 + 'plan and limits takes the place of ', told(key), '.'),
        fields: [grace],
        action: 'Rotate',
        send: () => change('POST', path(key, 'rotate'),
                           { grace: Number(grace.value()) }),
    });
}


export function remove(key) {
    return ask({
        title: 'Delete key',
        intro: [
            h('p', {}, told(key), ' is forgotten, with all that is counted '
              + 'for it.'),
            alive(key) && h('p', {}, 'It isn\'t revoked: from now on it is '
                            + 'refused as unknown. A revoked key stays listed '
                            + 'and is told apart in the logs.'),
        ],
        word: 'delete',
        action: 'Delete',
        danger: true,
        send: () => change('DELETE', path(key)),
    });
}


export function resetLimits(key) {
    return ask({
        title: 'Reset limits',
        intro: h('p', {}, 'What ', told(key), ' has used of its limits is '
                 + 'forgotten: all of them start anew.'),
        action: 'Reset',
        send: () => change('POST', path(key, 'limits/reset')),
    });
}


// All keys within these filters, of which the reader has seen so many.

const NAMES = { q: 'Search', status: 'Status', org: 'Organization',
                project: 'Project', service: 'Service', plan: 'Plan' };

export async function deleteTogether(within, total, signal) {
    const found = await patiently(() => get('facets', within, signal), signal);

    const done = await ask({
        title: `Delete ${count(total, 'key')}`,
        intro: [
            h('p', {}, 'All keys that match are deleted, with all that is '
              + 'counted for them, and refused from now on:'),
            h('dl', { class: 'facts' },
              Object.entries(within).map(([name, value]) =>
                  [h('dt', {}, NAMES[name]), h('dd', {}, value)])),
            h('p', {}, h('strong', {}, 'Whose keys they are')),
            h('ul', { class: 'whose' }, whose(found.org, total)),
        ],
        word: `delete ${total}`,
        action: `Delete ${count(total, 'key')}`,
        danger: true,
        send: () => change('DELETE', withQuery('keys', { ...within,
                                                         keys: total })),
    });

    if (done) {
        await tell(`Deleted ${count(done.deleted, 'key')}.`, done.workers);
    }

    return done;
}


// The server names the organizations that have most.

function whose(orgs, total) {
    const rest = total - orgs.reduce((sum, one) => sum + one.keys, 0);

    return [
        ...orgs.map((one) => h('li', {}, h('bdi', {}, one.value),
                               ` – ${count(one.keys, 'key')}`)),
        rest > 0 && h('li', {}, orgs.length < 100 ? 'no organization'
                                                  : 'others, or none',
                      ` – ${count(rest, 'key')}`),
    ];
}


function tell(what, workers) {
    const place = h('div');

    notice(place, what, workers);
    place.querySelector('.close').remove();

    return dialog({ title: 'Done', content: (close) => h('div',
        { class: 'stack' }, place,
        h('div', { class: 'buttons' },
          h('button', { type: 'button', class: 'primary',
                        onclick: () => close() }, 'Close'))) });
}
