// Elements of the page, made without any markup: what comes from the server
// only ever becomes a text node or the value of an attribute.


const SVG = 'http://www.w3.org/2000/svg';


// h('button', { class: 'plain', onclick: f }, 'Save')
//
// Attributes that are null, undefined or false are left out, true is an empty
// one; "onNAME" is a listener.  So are children, which may be arrays.

export function h(name, attributes, ...children) {
    return dress(document.createElement(name), attributes, children);
}


export function svg(name, attributes, ...children) {
    return dress(document.createElementNS(SVG, name), attributes, children);
}


function dress(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) {
            continue;
        }

        if (name.startsWith('on')) {
            element.addEventListener(name.slice(2), value);
        } else {
            element.setAttribute(name, value === true ? '' : value);
        }
    }

    element.append(...flat(children));

    return element;
}


function flat(children) {
    return children.flat(Infinity).filter((child) =>
        child !== null && child !== undefined && child !== false);
}


// Draws what is given in place of what was there.

export function fill(element, ...children) {
    element.replaceChildren(...flat(children));
}


// Ids that labels and descriptions refer to.

let made = 0;

export function newId(what) {
    made++;

    return `${what}-${made}`;
}
