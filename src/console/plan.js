// The field of a plan: what gateways say of it.

import { get } from './api.js';
import { fill, h, newId } from './element.js';
import { text } from './field.js';
import { each, number } from './format.js';


const SHARED = { org: ', shared by all keys of the organization',
                 project: ', shared by all keys of the project' };


// Works without those plans, too: they are suggested once they are there.

export function planField(value, signal) {
    const id = newId('plans');
    const list = h('datalist', { id });
    const field = text({ name: 'plan', label: 'Plan', value, list: id });
    let known = [];

    const tell = () => field.told(field.value() ? meant(known, field.value())
                                                : otherwise(known));

    // Offered once the server has refused the plan.
    const force = h('input', { type: 'checkbox', name: 'force' });
    const anyway = h('label', { class: 'check', hidden: true }, force,
                     'Take it all the same');
    const fail = field.fail;

    field.fail = (message) => {
        fail(message);
        anyway.hidden = !message;
        force.checked = force.checked && Boolean(message);
    };

    field.forced = () => (force.checked ? { force: true } : {});

    field.element.append(list, anyway);
    field.control.addEventListener('input', tell);
    tell();

    get('plans', {}, signal).then((plans) => {
        known = plans;
        fill(list, [...new Set(plans.map((plan) => plan.name))].map((name) =>
            h('option', { value: name }, meant(plans, name))));
        tell();
    }, () => {});

    return field;
}


// The same plan may be another one at another gateway.

function meant(known, name) {
    const such = known.filter((plan) => plan.name === name);

    if (such.length > 0) {
        return such.map(limits).join('; at other gateways ');
    }

    return known.length > 0 && h('strong', { class: 'unsure' },
                                 'No gateway has this plan.');
}


function otherwise(known) {
    const names = new Set(known.filter((plan) => plan.default)
                               .map((plan) => plan.name));

    return `As the gateways define it; empty: ${names.size
        ? `their default, ${[...names].join(' or ')}` : 'their default'}.`;
}


function limits(plan) {
    return plan.windows.map((one) =>
        `${number(one.limit)} ${each(one.seconds)}`).join(', ')
        + (SHARED[plan.per] || '');
}
