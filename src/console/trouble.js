// When Redis or the server is away: said once on top of the page, calmly, and
// asked again until it is back.  Only what changes nothing is asked again.

import { ApiError } from './api.js';
import { fill, h } from './element.js';
import { say } from './say.js';


const LONGEST = 15;      // seconds between two attempts

const asking = new Set();      // all who have met trouble and aren't through
const sleeping = new Set();    // those of them who wait for the next attempt

let pause = 1;
let left = 0;
let timer = null;


export async function patiently(ask, signal) {
    const me = {};

    try {
        for ( ;; ) {
            try {
                return await ask();

            } catch (error) {
                if (!(error instanceof ApiError) || !error.temporary) {
                    throw error;
                }

                asking.add(me);
                await sleep(error, signal);
            }
        }

    } finally {
        if (asking.delete(me) && asking.size === 0) {
            calm(signal);
        }
    }
}


// All wake together: when the time has come, when the reader is impatient.

function sleep(error, signal) {
    return new Promise((resolve, reject) => {
        const gone = () => {
            sleeping.delete(wake);
            reject(signal.reason);
        };

        const wake = () => {
            signal?.removeEventListener('abort', gone);
            resolve();
        };

        if (signal?.aborted) {
            reject(signal.reason);
            return;
        }

        signal?.addEventListener('abort', gone);
        sleeping.add(wake);

        if (timer === null) {
            left = Math.max(pause, error.after);
            pause = Math.min(pause * 2, LONGEST);
            draw(error.message);
            timer = setInterval(tick, 1000);
        }
    });
}


function tick() {
    left--;

    if (left <= 0) {
        wakeAll();
    } else {
        box().querySelector('.count').textContent = trying();
    }
}


function wakeAll() {
    clearInterval(timer);
    timer = null;

    for (const wake of [...sleeping]) {
        sleeping.delete(wake);
        wake();
    }
}


function calm(signal) {
    clearInterval(timer);
    timer = null;
    pause = 1;
    fill(box());

    if (!signal?.aborted) {
        say('Connected again.');
    }
}


function draw(message) {
    // A screen reader is told of the trouble, not of each attempt.
    if (!box().hasChildNodes()) {
        say(`${message} Trying again until it is back.`);
    }

    fill(box(), h('div', { class: 'strip' },
        h('strong', {}, message),
        h('span', {}, 'What you see may be out of date.'),
        h('span', { class: 'count' }, trying()),
        h('button', { class: 'link', type: 'button', onclick: wakeAll },
          'Try now')));
}


function trying() {
    return `Trying again in ${Math.ceil(left)} s.`;
}


function box() {
    return document.getElementById('trouble');
}
