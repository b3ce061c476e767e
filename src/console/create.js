// Making a key.

import { change, get } from './api.js';
import { busy, isBusy } from './dialog.js';
import { commandLine } from './command.js';
import { fill, h } from './element.js';
import { complete, refused, text, words } from './field.js';
import { facets } from './filters.js';
import { limits as said } from './format.js';
import { permissions } from './permissions.js';
import { planField } from './plan.js';
import { named, scopes as shown } from './record.js';
import { go, href } from './route.js';
import { showOnce } from './secret.js';
import { patiently } from './trouble.js';
import { expiry, moment } from './validity.js';


export async function create({ main, signal, title }) {
    title('Create key');
    fill(main, h('div', { class: 'head' }, h('h1', {}, 'Create key')),
         h('p', { class: 'faint', role: 'status' }, 'Loading…'));

    try {
        const [templates, known] = await patiently(() => Promise.all([
            get('templates', {}, signal), facets(signal),
        ]), signal);

        draw({ main, signal, templates, known });

    } catch (error) {
        if (!signal.aborted) {
            fill(main, h('h1', {}, 'Create key'),
                 h('p', { class: 'wrong', role: 'alert' }, error.message));
        }
    }
}


function draw({ main, signal, templates, known }) {
    const form = fieldsOf({ templates, known, signal,
                            changed: () => preview() });
    const place = h('div', { class: 'place' });
    const submit = h('button', { class: 'primary', type: 'submit' },
                     'Create key');
    const aside = h('div', { class: 'preview' });

    function preview() {
        const binds = form.rights.binds();

        for (const field of form.bindings) {
            field.control.required = field.name === binds;
            field.told(field.name === binds
                       && 'The template needs it.');
        }

        fill(aside,
            h('h2', {}, 'This key'),
            h('dl', {},
              h('dt', {}, 'may'),
              h('dd', {}, shown(form.rights.scopes(),
                                null, 'nothing that needs a scope')),
              form.bindings.filter((field) => field.value()).map((field) =>
                  [h('dt', {}, `only in ${field.name}`),
                   h('dd', {}, field.value())])),
            h('h3', {}, 'The same on the command line'),
            h('pre', { tabindex: '0', role: 'group',
                       'aria-label': 'Command line' },
              h('code', {}, commandLine(form.command()))));
    }

    async function send(event) {
        event.preventDefault();

        const ok = complete(form.all) && form.rights.check()
                   && form.until.check();

        if (!ok || isBusy(submit)) {
            return;
        }

        busy(submit, true);
        fill(place);

        try {
            const made = await change('POST', 'keys', form.value());

            // The form is no place to go back to: it would make another one.
            await showOnce({ title: 'Key created', made,
                about: [h('strong', {}, named(made)), ' has the public ID ',
                        h('code', {}, made.id), ', which may be logged and '
                        + 'shown.'] });

            if (!signal.aborted) {
                go('keys', made.id);
            }

        } catch (error) {
            refused(error, form.all, place);

        } finally {
            busy(submit, false);
        }
    }

    const section = (name, ...content) =>
        h('section', {}, h('h2', {}, name), content);

    fill(main, h('div', { class: 'head' },
                 h('h1', { tabindex: '-1' }, 'Create key')),
        h('form', { class: 'making', novalidate: true, onsubmit: send,
                    oninput: preview },
          h('div', { class: 'sections' },
            h('section', {}, form.name.element),
            section('Permissions', form.rights.element),
            section('Bindings',
                h('p', { class: 'hint' }, 'A bound key is refused where '
                  + 'another organization, project or service is meant.'),
                h('div', { class: 'three' },
                  form.bindings.map((field) => field.element))),
            section('Limits', h('div', { class: 'two' },
                form.plan.element, form.limits.element)),
            section('Validity', form.until.element),
            h('details', {}, h('summary', {}, 'More: start, networks, prefix'),
              h('div', { class: 'two' }, form.from.element,
                form.prefix.element),
              form.allow.element),
            place,
            h('div', { class: 'buttons' }, submit,
              h('a', { class: 'button', href: href('keys') }, 'Cancel'))),
          h('aside', { 'aria-label': 'Preview' }, aside)));

    preview();

    // Drawn when its parts have come; the reader may be elsewhere already.
    if (document.activeElement === document.body) {
        form.name.control.focus();
    }
}


function fieldsOf({ templates, known, signal, changed }) {
    const name = text({ name: 'name', label: 'Name', required: true,
        maxlength: 256, placeholder: 'Acme, production',
        hint: 'What it is for, and who has it.', dir: 'auto' });

    const bindings = [['org', 'Organization'], ['project', 'Project'],
                      ['service', 'Service']].map(([key, label]) =>
        text({ name: key, label, maxlength: 64, suggest: known[key] }));

    const plan = planField(null, signal);
    const limits = limitsField();
    const rights = permissions(templates, changed);
    const until = expiry({ changed });
    const from = moment({ name: 'not_before', label: 'Not before' });
    const allow = networksField();

    const prefix = text({ name: 'prefix', label: 'Prefix', maxlength: 32,
        placeholder: 'ak', pattern: '[a-z0-9_]{1,32}',
        hint: 'What the key begins with: a-z, 0-9, _' });

    const given = () => ({
        name: name.value(),
        template: rights.template(),
        scopes: rights.template() ? null : rights.scopes(),
        ...Object.fromEntries(bindings.map((f) => [f.name, f.value()])),
        plan: plan.value(),
        limits: limits.value(),
        expires: until.value(),
        not_before: from.value(),
        allow: words(allow.value()),
        prefix: prefix.value(),
        ...plan.forced(),
    });

    return {
        name, bindings, plan, limits, rights, until, from, allow, prefix,
        all: [name, ...rights.fields, ...bindings, plan, limits, until.field,
              from, allow, prefix],
        value: () => Object.fromEntries(Object.entries(given())
            .filter(([, value]) => value !== null && value !== ''
                                   && value.length !== 0)),
        command: () => ({ ...given(), expires: until.words() }),
    };
}


export function limitsField(value) {
    const usual = 'In place of the plan\'s: 60r/m 10000r/d';
    const field = text({ name: 'limits', label: 'Own limits', hint: usual,
                         placeholder: '60r/m 10000r/d', value });

    const tell = () => {
        const meant = field.value() && said(field.value());

        field.told(meant || usual);
    };

    field.control.addEventListener('input', tell);
    tell();

    return field;
}


export function networksField(value) {
    const field = text({ name: 'allow', label: 'Allowed networks', tall: true,
        rows: 2, placeholder: '10.0.0.0/8 2001:db8::/32',
        hint: 'Where it may be used from; empty: anywhere.' });

    field.set(value);

    return field;
}
