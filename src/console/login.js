// Signing in with a token.

import { signIn } from './api.js';
import { busy, isBusy } from './dialog.js';
import { fill, h } from './element.js';


// Calls entered(session) once the server has taken the token.

export function login(main, entered, why) {
    const place = h('div', { class: 'place', role: 'alert' }, why);
    const submit = h('button', { class: 'primary', type: 'submit' },
                     'Sign in');
    const token = h('input', { type: 'password', id: 'token', name: 'token',
        required: true, autocomplete: 'current-password', spellcheck: 'false',
        'aria-describedby': 'token-hint' });

    async function send(event) {
        event.preventDefault();

        if (isBusy(submit)) {
            return;
        }

        if (token.value.trim() === '') {
            fill(place, 'A token is needed.');
            token.focus();
            return;
        }

        busy(submit, true);

        try {
            const session = await signIn(token.value.trim());
            token.value = '';
            entered(session);

        } catch (error) {
            token.select();
            token.focus();
            fill(place, said(error));

        } finally {
            busy(submit, false);
        }
    }

    document.title = 'Sign in · API keys';

    fill(main, h('div', { class: 'login' },
        h('img', { src: 'icon.svg', alt: '', width: '40', height: '40' }),
        h('h1', {}, 'API keys'),
        h('form', { class: 'stack', novalidate: true, onsubmit: send },
            // What a password manager keeps the token under.
            h('input', { type: 'text', value: 'apikey', hidden: true,
                         autocomplete: 'username', readonly: true }),
            h('div', { class: 'field' },
                h('label', { for: 'token' }, 'Access token'),
                token,
                h('p', { class: 'hint', id: 'token-hint' },
                  'One of those that ', h('code', {}, 'apikey serve'),
                  ' was started with.')),
            submit, place)));

    token.focus();
}


function said(error) {
    if (error.status === 401) {
        return 'This token isn\'t known.';
    }

    if (error.status === 429) {
        return `Too many attempts. Try again in ${error.after || 60} s.`;
    }

    return error.message;
}
