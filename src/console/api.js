// The server's API.  What it refuses, or can't do now, is thrown as ApiError.


const PATIENCE = 30000;      // milliseconds

// Of what was read, by which a change says what it is a change of.
const tags = new WeakMap();

let csrf = null;
let signedOut = () => {};


export class ApiError extends Error {
    constructor(status, message, more) {
        super(message);
        this.status = status;
        this.field = more?.field || null;      // of what was sent
        this.after = more?.after || 0;         // seconds
    }

    // Worth asking again: nobody answered, or Redis was away.
    get temporary() {
        return this.status === 0 || this.status === 502
               || this.status === 503 || this.status === 504;
    }
}


// Told when a session has ended that was there before.

export function onSignedOut(f) {
    signedOut = f;
}


// "unasked": by the page itself, not by its reader, whose session may end.

export function get(path, query, signal, unasked) {
    return request('GET', withQuery(path, query), { signal, unasked });
}


// "of": what was read, if it has to be still so.

export function change(method, path, body, of) {
    return request(method, path, { of,
        body: method === 'DELETE' ? undefined : body || {} });
}


export function withQuery(path, query) {
    const given = Object.entries(query || {})
        .filter(([, value]) => value !== undefined && value !== null
                               && value !== '');

    return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}


export async function session() {
    return taken(await request('GET', 'session', { quiet: true }));
}


export async function signIn(token) {
    return taken(await request('POST', 'session',
                               { body: { token }, quiet: true }));
}


export async function signOut() {
    await request('DELETE', 'session', { quiet: true });
    csrf = null;
}


function taken(session) {
    csrf = session.csrf || null;

    return session;
}


// Relative to the page, so that the console may stand below a path.

async function request(method, path, { body, signal, unasked, quiet, of }) {
    const timeout = AbortSignal.timeout(PATIENCE);
    const headers = { Accept: 'application/json' };

    if (body !== undefined) {
        headers['Content-Type'] = 'application/json';
    }

    if (tags.has(of)) {
        headers['If-Match'] = tags.get(of);
    }

    if (unasked) {
        headers['X-Unasked'] = '1';
    }

    if (method !== 'GET' && csrf) {
        headers['X-CSRF-Token'] = csrf;
    }

    try {
        const reply = await fetch(`api/${path}`, {
            method,
            headers,
            body: body === undefined ? undefined : JSON.stringify(body),
            credentials: 'same-origin',
            cache: 'no-store',
            signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });

        if (reply.status === 401 && !quiet) {
            signedOut();
        }

        return await read(reply);

    } catch (error) {
        if (signal?.aborted || error instanceof ApiError) {
            throw error;
        }

        throw new ApiError(0, 'The console\'s server doesn\'t answer.'
            + (method === 'GET' ? '' : ' Whether it was done isn\'t known:'
                                       + ' look before you try again.'));
    }
}


async function read(reply) {
    const json = await reply.json().catch((error) => {
        // Not all of it has come; else it is none.
        if (!(error instanceof SyntaxError)) {
            throw error;
        }

        return null;
    });

    if (reply.ok) {
        if (json && reply.headers.has('ETag')) {
            tags.set(json, reply.headers.get('ETag'));
        }

        return json;
    }

    throw new ApiError(reply.status, sentence(reply, json),
                       { field: json?.field,
                         after: Number(reply.headers.get('Retry-After')) });
}


function sentence(reply, json) {
    const text = json?.message || `The server answered ${reply.status}.`;
    const whole = text[0].toUpperCase() + text.slice(1);

    return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
