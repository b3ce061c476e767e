// Paging through a list, and how long a page is.

import { h } from './element.js';
import { number } from './format.js';


const SIZES = [25, 50, 100, 200];


// { element, show({ total, shown, page, size }) }; turn(page) and resize(size)
// are called.  The buttons stay the same ones, so that the focus does, too.

export function pager(turn, resize) {
    const text = h('span', { class: 'faint' });
    const places = { page: 1, last: 1 };

    const button = (sign, name, where) => {
        const element = h('button', { type: 'button', 'aria-label': name,
            onclick: () => {
                if (element.getAttribute('aria-disabled') === 'false') {
                    turn(where());
                }
            } }, sign);

        return { element, where };
    };

    const buttons = [
        button('«', 'First page', () => 1),
        button('‹', 'Previous page', () => places.page - 1),
        button('›', 'Next page', () => places.page + 1),
        button('»', 'Last page', () => places.last),
    ];

    const sizes = h('select', { onchange: () => resize(Number(sizes.value)) },
        SIZES.map((n) => h('option', { value: n }, n)));

    function show({ total, shown, page, size }) {
        const first = (page - 1) * size;

        places.page = page;
        places.last = Math.max(1, Math.ceil(total / size));
        sizes.value = size;

        text.textContent = shown
            ? `${number(first + 1)}–${number(first + shown)} of `
              + number(total)
            : '0';

        for (const { element, where } of buttons) {
            const to = where();

            element.setAttribute('aria-disabled', String(to < 1
                || to > places.last || to === page));
        }
    }

    show({ total: 0, shown: 0, page: 1, size: SIZES[1] });

    return { show, element: h('div', { class: 'foot' },
        h('nav', { class: 'pager', 'aria-label': 'Pages of the list' }, text,
          buttons.map(({ element }) => element)),
        h('label', { class: 'sizes' }, 'Rows ', sizes)) };
}
