// Where the reader is: what stands behind the # of the address.
//
//   #/keys?q=acme&page=2     { page: "keys", id: null, query: {...} }
//   #/keys/UMvzPoyctglT0NW1  { page: "keys", id: "UMvz...", query: {} }


export function current() {
    const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
    const [page, id] = path.split('/');

    return { page: page || 'keys', id: id ? decoded(id) : null,
             query: Object.fromEntries(new URLSearchParams(query || '')) };
}


function decoded(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}


export function href(page, id, query) {
    const given = Object.entries(query || {}).filter(([, value]) => value);
    const path = `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}`;

    return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}


export function go(page, id, query) {
    location.hash = href(page, id, query);
}


// The address follows what is shown, without going anywhere.

export function note(page, query) {
    history.replaceState(null, '', href(page, null, query));
}
