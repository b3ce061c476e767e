// The workers that are there, and what is wrong with the set-up.

import { get } from './api.js';
import { busy, isBusy } from './dialog.js';
import { fill, h } from './element.js';
import { ago, count, time } from './format.js';
import { body, headings, labelled, rows, skeleton } from './table.js';
import { patiently } from './trouble.js';
import { watch } from './watch.js';


const PERIOD = 3000;      // milliseconds

const COLUMNS = [
    { name: 'Worker', className: 'id' }, { name: 'Gateway' },
    { name: 'Version' }, { name: 'Since' }, { name: 'Last seen' },
];


export function gateways({ main, signal, title, admin }) {
    const total = h('span', { class: 'total' });
    const table = h('table', { role: 'table', 'aria-label': 'Workers' },
                    headings(COLUMNS), skeleton(COLUMNS.length, 4));

    async function load(unasked) {
        try {
            draw(await patiently(
                () => get('gateways', {}, signal, unasked), signal));

        } catch (error) {
            if (!signal.aborted) {
                fill(table, headings(COLUMNS),
                     labelled(COLUMNS.length, error.message));
            }
        }
    }

    function draw(workers) {
        const hosts = new Set(workers.map((one) => host(one.name)));

        total.textContent = workers.length
            ? `${count(workers.length, 'worker')} on ${count(hosts.size,
                                                             'gateway')}`
            : '';

        fill(table, headings(COLUMNS), workers.length
            ? rows(workers.map(row)) : labelled(COLUMNS.length, [
                h('strong', {}, 'No gateway is registered.'),
                h('p', {}, 'A worker of nginx with ', h('code', {}, 'apikey'),
                  ' switched on registers itself once a second.')]));
    }

    title('Gateways');
    fill(main, h('div', { class: 'head' }, h('h1', {}, 'Gateways'), total),
        h('div', { class: 'sheet' }, table),
        h('p', { class: 'hint' }, 'A worker that is silent for five seconds '
          + 'is forgotten. A change to a key waits for each of them.'),
        admin && doctor(signal));
    watch(PERIOD, load, signal);
}


function host(name) {
    return name.replace(/(:\w{6})?:\d+$/, '');
}


function row(one) {
    return body(COLUMNS, [h('code', {}, one.name), host(one.name),
        one.version, time(one.since), ago(one.last_seen)]);
}


// What "apikey doctor" says.

const RESULTS = { ok: ['OK', 'active'], warning: ['Warning', 'early'],
                  wrong: ['Wrong', 'revoked'] };


function doctor(signal) {
    const content = h('div');
    const button = h('button', { type: 'button', onclick: check },
                     'Check the set-up');

    async function check() {
        if (isBusy(button)) {
            return;
        }

        busy(button, true);
        fill(content, h('p', { class: 'faint', role: 'status' },
                        'Checking…'));

        try {
            const found = await patiently(() => get('doctor', {}, signal),
                                          signal);

            fill(content, h('ul', { class: 'checks' },
                            found.checks.map(checked)));

        } catch (error) {
            if (!signal.aborted) {
                fill(content, h('p', { class: 'wrong', role: 'alert' },
                                error.message));
            }

        } finally {
            busy(button, false);
        }
    }

    return h('section', { class: 'panel doctor' },
        h('div', { class: 'over' }, h('h2', {}, 'Set-up'), button),
        h('p', { class: 'hint' }, 'Redis, rights, eviction, clock, and the '
          + 'record of every key.'),
        content);
}


function checked(one) {
    const [text, look] = RESULTS[one.result] || [one.result, ''];

    return h('li', {}, h('span', { class: `badge ${look}` }, text),
        h('div', {}, h('strong', {}, one.check), ' ',
          one.text,
          one.mend && h('p', { class: 'hint' }, one.mend)));
}
