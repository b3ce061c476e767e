// A key's own page.

import { get } from './api.js';
import * as actions from './actions.js';
import { copyButton } from './copy.js';
import { edit } from './edit.js';
import { fill, h } from './element.js';
import { eventsOf } from './event.js';
import { ago, ahead, limits as said, now, time } from './format.js';
import { limitsOf } from './limits.js';
import { alive, keyLink, named, none, scopes, status } from './record.js';
import { href } from './route.js';
import { showOnce } from './secret.js';
import { patiently } from './trouble.js';
import { usageOf } from './usage.js';
import { notice } from './workers.js';


export async function key({ main, route, signal, title, admin }) {
    const head = h('div', { class: 'head' });
    const place = h('div', { class: 'place' });
    const facts = h('section', { class: 'panel identity',
                                   'aria-label': 'Identity' });
    const path = `keys/${encodeURIComponent(route.id)}`;

    // Ends with the page, or before it with the key.
    const gone = new AbortController();
    const life = AbortSignal.any([signal, gone.signal]);

    const limits = limitsOf(path, life, admin && (() => done(
        actions.resetLimits(record), () => 'What was used is forgotten.')));
    const usage = usageOf(path, life);
    const events = eventsOf(route.id, life);

    let record = null;

    title('Key');
    fill(head, crumb(), h('h1', {}, 'Key'));
    fill(facts, h('p', { class: 'faint' }, 'Loading…'));
    fill(main, head, place,
        h('div', { class: 'columns' },
          h('div', {}, usage.element),
          h('div', {}, facts, limits.element, events.element)));

    async function load() {
        try {
            record = await patiently(() => get(path, {}, signal), signal);
            draw();

        } catch (error) {
            if (!signal.aborted) {
                fill(main, crumb(), h('h1', { tabindex: '-1' },
                    error.status === 404 ? 'There is no such key'
                                         : 'This key can\'t be shown'),
                    h('p', {}, error.status === 404
                        ? ['Nothing is known of ', h('code', {}, route.id),
                           '. It may have been deleted.']
                        : error.message));
                main.querySelector('h1').focus();
            }
        }
    }

    function draw() {
        title(record.name || record.id);

        const focused = head.contains(document.activeElement)
                        && document.activeElement.textContent;

        fill(head, crumb(),
            h('h1', { tabindex: '-1' }, named(record)),
            status(record.status),
            admin && h('div', { class: 'actions' }, buttons()));
        fill(facts, identity(record));

        // The buttons are new ones: the focus goes to what stands there now.
        if (focused) {
            const same = [...head.querySelectorAll('button, h1')]
                .find((one) => one.textContent === focused);

            (same || head.querySelector('h1')).focus();
        }
    }

    function buttons() {
        const list = [];
        const add = (text, f, danger) => list.push(h('button',
            { type: 'button', class: danger ? 'danger outline' : null,
              onclick: f }, text));

        if (alive(record)) {
            add('Edit', () => done(edit(record, signal), () => 'Saved.'));

            if (!record.rotated_to) {
                add('Rotate', rotate);
            }

            if (record.status === 'disabled') {
                add('Enable', () => done(actions.enable(record),
                                         () => 'Enabled.'));
            } else {
                add('Disable', () => done(actions.disable(record),
                                          () => 'Disabled.'));
            }

            add('Revoke', () => done(actions.revoke(record),
                                     () => 'Revoked.'), true);
        }

        add('Delete', remove, true);

        return list;
    }

    // Says what came of an action, then shows the key as it is now.
    async function done(action, what) {
        const result = await action;

        if (result) {
            notice(place, what(result), result.workers);
            limits.load();
            events.load();
            await load();
        }
    }

    async function rotate() {
        const made = await actions.rotate(record);

        if (made) {
            const workers = made.workers;

            await showOnce({ title: 'Key rotated', made, about: [
                'The new key has the public ID ', h('code', {}, made.id),
                '.'] });

            notice(place, ['The old key is this one; the new one is ',
                           keyLink(made.id), '.'], workers);
            events.load();
            await load();
        }
    }

    async function remove() {
        const result = await actions.remove(record);

        if (result) {
            gone.abort();
            fill(main, crumb(), h('h1', { tabindex: '-1' }, 'Deleted'), place,
                h('p', {}, h('a', { href: href('keys') }, 'All keys')));
            notice(place, `${record.name} is forgotten.`, result.workers);
            main.querySelector('h1').focus();
        }
    }

    await load();
}


function crumb() {
    return h('nav', { class: 'crumb', 'aria-label': 'Up' },
        h('a', { href: href('keys') }, 'Keys'), ' /');
}


function identity(key) {
    const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];

    const ends = key.expires && [time(key.expires), ' ', h('span',
        { class: 'faint' }, key.expires > now() ? ahead(key.expires)
                                                : 'is over')];

    return [
        h('h2', {}, 'Identity'),
        h('dl', { class: 'facts' },
          fact('Public ID', [h('code', {}, key.id), ' ',
                             copyButton('the ID', () => key.id)]),
          fact('Scopes', scopes(key.scopes)),
          fact('Template', key.template || none()),
          fact('Organization', bound('org', key.org)),
          fact('Project', bound('project', key.project)),
          fact('Service', bound('service', key.service)),
          fact('Plan', bound('plan', key.plan, 'the gateway\'s default')),
          fact('Own limits', key.limits ? said(key.limits) || key.limits
                                        : none()),
          fact('Prefix', key.prefix ? h('code', {}, key.prefix) : none()),
          key.hint && fact('Ends with', h('code', {}, key.hint)),
          fact('Networks', key.allow.length ? scopes(key.allow)
                                            : none('anywhere')),
          fact('Created', key.created ? time(key.created) : none()),
          key.not_before && fact('Not before', time(key.not_before)),
          fact('Expires', ends || none('never')),
          key.revoked && fact('Revoked', time(key.revoked)),
          key.rotated_from && fact('In place of', keyLink(key.rotated_from)),
          key.rotated_to && fact('Replaced by', keyLink(key.rotated_to)),
          fact('Last used', key.last_used
              ? [ago(key.last_used),
                 key.last_address && [' from ',
                                      h('code', {}, key.last_address)]]
              : none('never'))),
    ];
}


// A link to all that have the same.

function bound(field, value, otherwise) {
    return value ? h('a', { href: href('keys', null, { [field]: value }) },
                     value)
                 : none(otherwise);
}
