// Prints what clients read in the headers of a response, which are given as
// JSON: the lists of RFC 9651, and limits as ratelimit-header-parser has them.

import { parseList } from 'structured-headers';
import { parseRateLimit } from 'ratelimit-header-parser';

const headers = new Headers(JSON.parse(process.argv[2]));
const read = { limits: parseRateLimit(headers) };

for (const name of ['RateLimit', 'RateLimit-Policy']) {
    const value = headers.get(name);

    if (value !== null) {
        read[name] = parseList(value).map(([item, parameters]) =>
            [item, Object.fromEntries(parameters)]);
    }
}

console.log(JSON.stringify(read));
