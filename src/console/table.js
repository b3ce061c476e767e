// Tables.  On a phone a row becomes a card (table.css), by which a browser
// would forget that it is one: so the roles are given.

import { h } from './element.js';


// column: { name, sort, className }.  The heading of one that can be sorted by
// calls order(); sorted(state) shows what it is by.  They stay the same
// elements, so that the focus does, too.

export function headings(columns, order) {
    const cells = columns.map((column) => h('th', {
        role: 'columnheader', scope: 'col', class: column.className },
        column.sort
        ? h('button', { type: 'button', class: 'sort',
                        onclick: () => order(column) }, column.name,
            h('span', { 'aria-hidden': 'true', class: 'arrow' }))
        : column.name));

    const element = h('thead', { role: 'rowgroup' },
                      h('tr', { role: 'row' }, cells));

    element.sorted = (state) => columns.forEach((column, i) => {
        const is = column.sort && state.sort === column.sort;

        if (is) {
            cells[i].setAttribute('aria-sort', `${state.order}ending`);
        } else {
            cells[i].removeAttribute('aria-sort');
        }

        if (column.sort) {
            cells[i].querySelector('.arrow').textContent =
                is ? (state.order === 'asc' ? '↑' : '↓') : '';
        }
    });

    return element;
}


export function rows(list) {
    return h('tbody', { role: 'rowgroup' }, list);
}


// A row whose first cell names it.

export function body(columns, cells, attributes) {
    return h('tr', { role: 'row', ...attributes }, cells.map((cell, i) =>
        h(i === 0 ? 'th' : 'td', {
            role: i === 0 ? 'rowheader' : 'cell',
            scope: i === 0 ? 'row' : null,
            class: columns[i].className,
            'data-name': columns[i].name }, cell)));
}


// One row over all columns, in place of those that aren't there.

export function labelled(width, content) {
    return rows(h('tr', { role: 'row' },
        h('td', { role: 'cell', colspan: width, class: 'empty' }, content)));
}


// Room for what is on its way.

export function skeleton(width, height) {
    return h('tbody', { role: 'rowgroup', 'aria-hidden': 'true' },
        Array.from({ length: height }, () => h('tr', { class: 'skeleton' },
            Array.from({ length: width }, () => h('td', {}, h('i'))))));
}
