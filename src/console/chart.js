// Bars of stacked parts, drawn as SVG at the width there is.  The picture is
// for who can see it; the numbers stand in a table below, for everybody.

import { fill, h, svg } from './element.js';
import { number } from './format.js';


const HEIGHT = 180;
const LEFT = 44;          // room for the numbers of the axis
const BOTTOM = 22;        // and for the names of the bars
const TOP = 8;
const NAME = 64;          // a name needs so much of the width

const compact = new Intl.NumberFormat(undefined,
    { notation: 'compact', maximumFractionDigits: 1 });


// stacked({ label, first, series: [{ name, className }],
//           bars: [{ name, parts: [n, ...] }], rest })
//
// "label" says what all of it is, "first" heads the names in the table, "rest"
// is shown while no bar is pointed at.

export function stacked(given) {
    const picture = svg('svg', { class: 'chart', role: 'img',
                                 'aria-label': given.label, height: HEIGHT });
    const readout = h('p', { class: 'readout', 'aria-hidden': 'true' });

    const point = (bar) => {
        fill(readout, bar ? told(given, bar) : given.rest);
    };

    // It redraws itself; what it observes goes with the page.
    new ResizeObserver(([entry]) => {
        draw(picture, given, Math.floor(entry.contentRect.width), point);
    }).observe(picture);

    picture.addEventListener('pointerleave', () => point());
    point();

    return h('figure', {},
        h('div', { class: 'over' },
          given.series.length > 1 && legend(given.series), readout),
        picture,
        h('details', { class: 'numbers' }, h('summary', {}, 'As a table'),
          h('div', { class: 'scroll', tabindex: '0', role: 'region',
                     'aria-label': `${given.label}: table` },
            tableOf(given))));
}


function legend(series) {
    return h('ul', { class: 'legend', 'aria-hidden': 'true' },
        series.map((one) => h('li', {},
            h('i', { class: `swatch ${one.className}` }), one.name)));
}


function told(given, bar) {
    return [h('strong', {}, bar.name), given.series.map((one, i) =>
        ` · ${number(bar.parts[i])} ${one.name.toLowerCase()}`)];
}


function draw(picture, given, width, point) {
    const { bars, series } = given;
    const inner = HEIGHT - TOP - BOTTOM;
    const top = ceiling(Math.max(...bars.map((bar) => sum(bar.parts)), 1));
    const step = (width - LEFT) / bars.length;
    const each = Math.max(1, Math.ceil(NAME / step));
    const gap = Math.min(step * 0.25, 6);
    const y = (n) => TOP + inner - inner * n / top;

    if (width <= LEFT) {
        return;
    }

    picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);

    fill(picture,
        [0, 0.5, 1].map((part) => axis(width, y(top * part), top * part)),
        bars.map((bar, i) => {
            const x = LEFT + step * i;

            return svg('g', { class: 'bar', onpointerenter: () => point(bar) },
                svg('rect', { x, y: TOP, width: step, height: inner,
                              class: 'sense' }),
                pile(bar, series, x + gap / 2, step - gap, y),
                (bars.length - 1 - i) % each === 0
                && svg('text', { x: Math.min(x + step / 2, width - NAME / 3),
                                 y: HEIGHT - 5, class: 'name' }, bar.name));
        }));
}


function axis(width, y, n) {
    const line = Math.round(y) + 0.5;

    return [svg('line', { x1: LEFT, x2: width, y1: line, y2: line,
                          class: 'axis' }),
            (n === 0 || n >= 1)
            && svg('text', { x: LEFT - 8, y: y + 4, class: 'number' },
                   compact.format(n))];
}


function pile(bar, series, x, width, y) {
    let below = 0;

    return series.map((one, i) => {
        const from = y(below);

        below += bar.parts[i];

        // What is there can be seen, however little it is.
        const height = bar.parts[i] ? Math.max(1, from - y(below)) : 0;

        return height > 0 && svg('rect', { x, y: from - height,
            width: Math.max(1, width), height, class: one.className });
    });
}


// The next number whose half is round, too.

function ceiling(n) {
    const power = 10 ** Math.floor(Math.log10(n));

    return [1, 2, 3, 4, 5, 6, 8, 10].map((m) => m * power).find((m) => m >= n);
}


function sum(parts) {
    return parts.reduce((all, n) => all + n, 0);
}


function tableOf({ label, first, series, bars }) {
    return h('table', {},
        h('caption', { class: 'unseen' }, label),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, first),
            series.map((one) => h('th', { scope: 'col', class: 'amount' },
                                  one.name)))),
        h('tbody', {}, bars.map((bar) => h('tr', {},
            h('th', { scope: 'row' }, bar.name),
            bar.parts.map((n) => h('td', { class: 'amount' }, number(n)))))));
}
