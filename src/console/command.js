// The command line that makes the same key.

import { iso } from './validity.js';


export function commandLine(key) {
    const line = ['apikey create', option('--name', key.name || 'NAME')];

    if (key.template) {
        line.push(option('--template', key.template));
    }

    for (const scope of key.scopes || []) {
        line.push(option('--scope', scope));
    }

    for (const name of ['org', 'project', 'service', 'plan', 'limits',
                        'expires'])
    {
        line.push(key[name] && option(`--${name}`, key[name]));
    }

    line.push(key.not_before && option('--not-before', iso(key.not_before)));

    for (const network of key.allow) {
        line.push(option('--allow', network));
    }

    line.push(key.prefix && option('--prefix', key.prefix));

    return line.filter(Boolean).join(' \\\n    ');
}


function option(name, value) {
    const plain = /^[A-Za-z0-9_.,:/@%+=-]+$/.test(value);
    const quoted = `'${value.replaceAll('\'', '\'\\\'\'')}'`;

    return `${name} ${plain ? value : quoted}`;
}
