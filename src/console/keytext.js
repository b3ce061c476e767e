// A key among what somebody types: never part of an address, nor of the
// browser's history.

import { change } from './api.js';


// PREFIX_BODY; a part of it, or one with a letter wrong, is as secret.
const KEY = /(?:^|[^A-Za-z0-9_])([a-z0-9_]{1,32}_[0-9A-Za-z]{24,})/;


// The key in a text, or null.

export function keyIn(text) {
    return KEY.exec(text || '')?.[1] || null;
}


// The record of a key, or null if it is unknown.

export async function recordOf(key) {
    const found = await change('POST', 'verify', { key });

    return found.id ? found : null;
}
