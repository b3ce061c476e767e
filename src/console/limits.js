// What is used and left of a key's limits.

import { get } from './api.js';
import { fill, h } from './element.js';
import { ahead, each, length, number, percent, time } from './format.js';
import { patiently } from './trouble.js';
import { watch } from './watch.js';


const NEAR = 0.8;
const PERIOD = 5000;      // milliseconds


// { element, load() }; "reset" is called when the reader wants them anew.

export function limitsOf(path, signal, reset) {
    const content = h('div', {}, h('p', { class: 'faint' }, 'Loading…'));
    const button = reset && h('button', { type: 'button', class: 'small',
        hidden: true, onclick: reset }, 'Reset…');

    async function load(unasked) {
        try {
            const limits = await patiently(
                () => get(`${path}/limits`, {}, signal, unasked), signal);

            if (button) {
                button.hidden = limits.windows.length === 0;
            }

            fill(content, limits.windows.length
                ? limits.windows.map(windowOf)
                : h('p', { class: 'faint' },
                    'Nothing is counted for this key.'),
                limits.windows.some((one) => one.limit === null)
                && h('p', { class: 'hint' }, 'No gateway has told the limits '
                     + 'of this plan.'));

        } catch (error) {
            if (!signal.aborted) {
                fill(content, h('p', { class: 'wrong' }, error.message));
            }

            return false;
        }

        return true;
    }

    watch(PERIOD, load, signal);

    return { load, element: h('section', { class: 'panel' },
        h('div', { class: 'over' }, h('h2', {}, 'Limits'), button), content) };
}


function windowOf(one) {
    const known = one.limit !== null;
    const part = known ? Math.min(1, one.used / one.limit) : 0;
    const state = part >= 1 ? 'full' : part >= NEAR ? 'near' : '';

    return h('div', { class: `window ${state}` },
        h('div', { class: 'over' },
          h('span', {}, known ? [h('strong', {}, number(one.limit)),
                                 ` ${each(one.seconds)}`,
                                 one.plan !== null && origin(one)]
                              : `Plan ${one.plan}, ${length(one.seconds)}`),
          h('span', {}, `${number(one.used)} used`, known
              && [', ', h('strong', {}, number(one.remaining)), ' left'])),
        known && gauge(part, one),
        h('p', { class: 'hint' }, 'Starts anew ', ahead(one.reset), ', ',
          time(one.reset, 'second'), '.'));
}


// Of a plan, and of what all keys of an organization or a project share.
function origin(one) {
    const shared = { org: ', all of the organization\'s keys',
                     project: ', all of the project\'s keys' };
    const where = one.gateways ? ` at ${one.gateways.join(', ')}` : '';

    return `, ${one.default ? 'default ' : ''}plan ${one.plan}${where}`
           + (shared[one.per] || '');
}


function gauge(part, one) {
    const bar = h('div', { class: 'gauge', role: 'meter',
        'aria-valuemin': '0', 'aria-valuemax': one.limit,
        'aria-valuenow': Math.min(one.used, one.limit),
        'aria-valuetext': percent(one.used, one.limit),
        'aria-label': `Used ${each(one.seconds)}` }, h('i'));

    bar.firstChild.style.width = `${100 * part}%`;

    return bar;
}
