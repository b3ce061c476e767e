// What the gateways have said to a change.

import { count, number } from './format.js';
import { fill, h } from './element.js';
import { say } from './say.js';


// { confirmed: [names], missing: [names], ms }, or null: nobody was asked.

export function confirmed(workers) {
    if (!workers || workers.confirmed.length + workers.missing.length === 0) {
        return 'No gateway is registered, so there was none to wait for.';
    }

    const all = workers.confirmed.length + workers.missing.length;

    return `Confirmed by ${number(workers.confirmed.length)} of `
           + `${count(all, 'worker')} in ${number(workers.ms)} ms.`;
}


// The result of a change, on top of the page it belongs to, until the next one.

export function notice(place, done, workers) {
    const missing = workers?.missing || [];
    const said = h('p', {}, h('strong', {}, done), ' ', confirmed(workers));

    fill(place, h('div', { class: missing.length ? 'notice warn' : 'notice' },
        said,
        missing.length > 0 && [
            h('p', {}, 'No answer from ', missing.map((name, i) =>
                [i > 0 && ', ', h('code', {}, name)]), '. The change stands, '
                + 'but who didn\'t answer may act on what was before for as '
                + 'long as its cache is valid.'),
        ],
        h('button', { type: 'button', class: 'plain close',
                      'aria-label': 'Dismiss',
                      onclick: () => fill(place) }, '×')));

    say(said.textContent + (missing.length
        ? ` No answer from ${missing.join(', ')}.` : ''));
}
