// What a key was used for.

import { get } from './api.js';
import { stacked } from './chart.js';
import { fill, h } from './element.js';
import { bytes, count, country, day, milliseconds, number,
         percent } from './format.js';
import { shares } from './shares.js';
import { patiently } from './trouble.js';


const SPANS = [7, 30, 90];

const SERIES = [
    { name: 'Passed', className: 'ok' },
    { name: 'Denied', className: 'denied' },
    { name: 'Errors', className: 'errors' },
];

const REASONS = {
    limited: 'Over the limit', scope: 'Scope missing', method: 'Method',
    tenant: 'Another tenant', address: 'Address not allowed',
    expired: 'Expired', revoked: 'Revoked', disabled: 'Disabled',
    early: 'Not yet valid',
};


export function usageOf(path, signal) {
    const content = h('div', { class: 'usage' },
        h('div', { class: 'room' }, h('p', { class: 'faint' }, 'Loading…')));
    let days = 30;

    const spans = h('div', { class: 'spans', role: 'group',
                             'aria-label': 'Days shown' },
        SPANS.map((span) => h('button', { type: 'button', class: 'small',
            'aria-pressed': String(span === days),
            onclick: (event) => {
                days = span;

                for (const one of spans.children) {
                    one.setAttribute('aria-pressed',
                                     String(one === event.currentTarget));
                }

                load();
            } }, `${span} days`)));

    async function load() {
        const asked = days;

        content.setAttribute('aria-busy', 'true');

        try {
            const usage = await patiently(
                () => get(`${path}/usage`, { days: asked }, signal), signal);

            if (asked === days) {
                fill(content, ...drawn(usage));
            }

        } catch (error) {
            if (!signal.aborted) {
                fill(content, h('p', { class: 'wrong' }, error.message));
            }

        } finally {
            content.removeAttribute('aria-busy');
        }
    }

    load();

    return { load, element: h('section', { class: 'panel' },
        h('div', { class: 'over' }, h('h2', {}, 'Usage'), spans), content) };
}


function drawn({ days, total }) {
    const denied = sum(total.denied);

    if (!total.requests && !denied) {
        return [h('div', { class: 'room' }, h('p', { class: 'faint' },
            `Not used in ${count(days.length, 'day')}.`))];
    }

    return [
        h('dl', { class: 'sums' },
          figure('Requests', number(total.requests)),
          figure('Denied', number(denied), percent(denied, total.requests)),
          figure('Errors', number(total.errors),
                 percent(total.errors, total.requests - denied)),
          figure('Sent', bytes(total.bytes))),
        stacked({
            label: `Requests per day, the last ${count(days.length, 'day')}`,
            first: 'Day (UTC)', rest: 'Per day, UTC', series: SERIES,
            bars: days.map((one) => ({ name: day(one.day),
                                       parts: parts(one) })),
        }),
        h('div', { class: 'shares' },
          shares('Endpoints', total.endpoints),
          shares('Statuses', total.statuses),
          shares('Countries', total.countries, country),
          shares('Denied because', total.denied,
                 (reason) => REASONS[reason] || reason)),
        ...latency(total.latency),
    ];
}


function figure(name, value, note) {
    return h('div', {}, h('dt', {}, name),
        h('dd', {}, value, note && h('span', { class: 'faint' }, note)));
}


// Passed, denied by the gateway, failed behind it.

function parts(one) {
    const denied = sum(one.denied);

    return [Math.max(0, one.requests - denied - one.errors), denied,
            one.errors];
}


function sum(counts) {
    return Object.values(counts || {}).reduce((all, n) => all + n, 0);
}


// A histogram; its last bar has no upper end.

function latency(histogram) {
    const { le, count: counts } = histogram || { le: [], count: [] };
    const all = counts.reduce((a, b) => a + b, 0);

    if (all === 0) {
        return [];
    }

    const longest = Math.max(...le.filter((ms) => ms !== null));
    const name = (i) => (le[i] ?? null) === null
                        ? `> ${milliseconds(longest)}`
                        : `≤ ${milliseconds(le[i])}`;

    const within = (part) => {
        let sofar = 0;
        const i = counts.findIndex((n) => (sofar += n) >= all * part);

        return [`${100 * part} % `, h('strong', {}, name(i))];
    };

    return [h('h3', {}, 'Latency'), stacked({
        label: 'Requests by latency',
        first: 'Latency',
        rest: [within(0.5), ' · ', within(0.95), ' · ', within(0.99)],
        series: [{ name: 'Requests', className: 'ok' }],
        bars: counts.map((n, i) => ({ name: name(i), parts: [n] })),
    })];
}
