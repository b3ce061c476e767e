// A table of names and how often, each with its share as a bar.

import { fill, h, newId } from './element.js';
import { number, percent } from './format.js';


const MOST = 6;      // rows before the reader asks for all


export function shares(title, counts, named) {
    const list = Object.entries(counts || {}).filter(([, n]) => n > 0)
        .sort(([, a], [, b]) => b - a);
    const all = list.reduce((sum, [, n]) => sum + n, 0);
    const id = newId('shares');
    const tbody = h('tbody', { id });

    if (list.length === 0) {
        return null;
    }

    const draw = (most) => fill(tbody, list.slice(0, most).map(([name, n]) => {
        const bar = h('i');

        bar.style.width = `${100 * n / list[0][1]}%`;

        return h('tr', {},
            h('th', { scope: 'row', title: name },
              h('span', {}, named ? named(name) : name),
              h('span', { class: 'track', 'aria-hidden': 'true' }, bar)),
            h('td', { class: 'amount' }, number(n)),
            h('td', { class: 'amount faint' }, percent(n, all)));
    }));

    const toggle = list.length > MOST && h('button', { type: 'button',
        class: 'link', 'aria-expanded': 'false', 'aria-controls': id,
        onclick: () => {
            const open = toggle.getAttribute('aria-expanded') === 'false';

            toggle.setAttribute('aria-expanded', String(open));
            toggle.textContent = open ? 'Fewer' : `All ${list.length}`;
            draw(open ? list.length : MOST);
        } }, `All ${list.length}`);

    draw(MOST);

    return h('div', {}, h('table', { class: 'share' },
        h('caption', {}, title),
        h('thead', { class: 'unseen' }, h('tr', {},
            ['Name', 'Requests', 'Share'].map((name) =>
                h('th', { scope: 'col' }, name)))), tbody), toggle);
}
