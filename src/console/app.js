// The console: signs in, then shows the page that the address names.

import { onSignedOut, session as ask, signOut } from './api.js';
import { closeDialogs } from './dialog.js';
import { fill, h } from './element.js';
import { login } from './login.js';
import { keyIn } from './keytext.js';
import { current, go, href, note } from './route.js';
import { patiently } from './trouble.js';
import { create } from './create.js';
import { events } from './events.js';
import { gateways } from './gateways.js';
import { key } from './key.js';
import { keys } from './keys.js';
import { templates } from './templates.js';


const TABS = [
    ['keys', 'Keys'], ['events', 'Events'], ['templates', 'Templates'],
    ['gateways', 'Gateways'],
];

const PAGES = { keys, create, events, templates, gateways };

const main = document.getElementById('main');
const bar = document.getElementById('bar');

// Who signs out does so in each tab: they have one cookie.
const tabs = new BroadcastChannel('apikey');

let session = null;
let page = null;         // an AbortController: the life of what is shown


function show() {
    const route = told(current());
    const draw = route.page === 'keys' && route.id ? key : PAGES[route.page];

    closeDialogs();
    page?.abort();
    page = new AbortController();

    if (!draw || (route.page === 'create' && session.role !== 'admin')) {
        go('keys');
        return;
    }

    for (const link of bar.querySelectorAll('nav a')) {
        const is = link.dataset.page === route.page
                   || (link.dataset.page === 'keys' && route.page === 'create');

        if (is) {
            link.setAttribute('aria-current', 'page');
        } else {
            link.removeAttribute('aria-current');
        }
    }

    fill(main);
    draw({ main, route, session, signal: page.signal, title,
           admin: session.role === 'admin' });
    window.scrollTo(0, 0);
    focusHeading();
}


// A key in the address goes out of it, and is looked for.

function told(route) {
    const pasted = keyIn(route.id) || keyIn(route.query.q);

    if (pasted) {
        delete route.query.q;
        note('keys', route.query);
        return { page: 'keys', id: null, query: route.query, pasted };
    }

    return route;
}


// A screen reader starts where the new page does.

function focusHeading() {
    const heading = main.querySelector('h1');

    if (heading) {
        heading.tabIndex = -1;
        heading.focus({ preventScroll: true });
    }
}


function title(text) {
    document.title = `${text} · API keys`;
}


function enter(given) {
    session = given;

    fill(bar,
        h('a', { class: 'brand', href: '#/keys' },
          h('img', { src: 'icon.svg', alt: '', width: '22', height: '22' }),
          'apikey'),
        h('nav', { 'aria-label': 'Pages' }, TABS.map(([name, text]) =>
            h('a', { href: href(name), 'data-page': name }, text))),
        h('div', { class: 'who' },
          h('span', { class: 'name' }, session.name),
          h('span', { class: 'badge' },
            session.role === 'admin' ? 'Admin' : 'Viewer'),
          h('button', { class: 'plain', type: 'button', onclick: leave },
            'Sign out')));

    bar.hidden = false;
    show();
}


// Whatever the server says, nothing stays on the page.

function leave() {
    signOut().catch(() => {});
    tabs.postMessage('left');
    left();
}


function left(why) {
    session = null;
    page?.abort();
    closeDialogs(true);
    bar.hidden = true;
    fill(bar);
    login(main, enter, why);
}


async function start() {
    window.addEventListener('hashchange', () => session && show());

    // Its address would be that of a page.
    document.querySelector('.skip').addEventListener('click', (event) => {
        event.preventDefault();
        main.focus();
    });

    onSignedOut(() => session && left('Your session has ended.'));
    tabs.addEventListener('message', () => session && left());

    document.addEventListener('keydown', (event) => {
        const search = document.querySelector('input[type=search]');

        if ((event.ctrlKey || event.metaKey) && event.key === 'k' && search
            && !document.querySelector('dialog[open]'))
        {
            event.preventDefault();
            search.focus();
            search.select();
        }
    });

    try {
        enter(await patiently(ask));
    } catch (error) {
        left(error.status === 401 ? null : error.message);
    }
}


start();
