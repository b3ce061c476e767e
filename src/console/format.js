// Numbers, times and lengths, as people read them.

import { h } from './element.js';


const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const LAST = 8.64e12;      // second that a Date can hold

const LENGTHS = [
    [DAY, 'day'], [HOUR, 'hour'], [MINUTE, 'minute'], [1, 'second'],
];

const numbers = new Intl.NumberFormat();

const dates = new Intl.DateTimeFormat(undefined,
    { year: 'numeric', month: 'short', day: 'numeric' });

const minutes = new Intl.DateTimeFormat(undefined,
    { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit',
      minute: '2-digit', hourCycle: 'h23' });

const seconds = new Intl.DateTimeFormat(undefined,
    { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit',
      second: '2-digit', hourCycle: 'h23' });

// A day of the usage is one of UTC, whatever the reader's zone.
const days = new Intl.DateTimeFormat(undefined,
    { month: 'short', day: 'numeric', timeZone: 'UTC' });

const regions = new Intl.DisplayNames(undefined, { type: 'region' });

const FORMS = { date: dates, minute: minutes, second: seconds };


export function number(n) {
    return numbers.format(n);
}


export function count(n, one, many) {
    return `${number(n)} ${n === 1 ? one : many || one + 's'}`;
}


export function percent(part, whole) {
    if (!whole) {
        return '0 %';
    }

    const p = 100 * part / whole;

    return `${p > 0 && p < 0.1 ? '< 0.1' : p.toFixed(p < 10 ? 1 : 0)} %`;
}


export function bytes(n) {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let i = 0;

    while (n >= 1000 && i < units.length - 1) {
        n /= 1000;
        i++;
    }

    return `${n.toFixed(i && n < 10 ? 1 : 0)} ${units[i]}`;
}


export function milliseconds(ms) {
    return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000)} s`;
}


// 90 -> "90 seconds", 86400 -> "1 day"

export function length(s) {
    const [unit, name] = LENGTHS.find(([n]) => s >= n && s % n === 0)
                         || [1, 'second'];

    return count(s / unit, name);
}


// A window: 60 -> "a minute", 90 -> "in 90 seconds"

export function each(s) {
    const [, name] = LENGTHS.find(([n]) => s === n) || [];

    if (!name) {
        return `in ${length(s)}`;
    }

    return name === 'hour' ? 'an hour' : `a ${name}`;
}


export function day(text) {
    return days.format(new Date(`${text}T00:00:00Z`));
}


export function now() {
    return Math.floor(Date.now() / 1000);
}


// DE -> Germany; what isn't such a code stays as it is.

export function country(code) {
    return /^[A-Z]{2}$/.test(code) ? regions.of(code) || code : code;
}


// Is it a time that a calendar has?

export function datable(s) {
    return Math.abs(s) <= LAST;
}


// In the reader's zone, UTC as its title.

export function time(s, form, text) {
    if (!datable(s)) {
        return h('span', {}, String(s));
    }

    const date = new Date(s * 1000);
    const utc = date.toISOString().replace(/\.\d+Z$/, 'Z');

    return h('time', { datetime: utc,
                       title: utc.replace('T', ' ').replace('Z', ' UTC') },
             text || FORMS[form || 'minute'].format(date));
}


export function ago(s) {
    const past = now() - s;

    if (past < 10) {
        return time(s, 'second', 'just now');
    }

    return time(s, 'minute', past < 30 * DAY
                             ? `${roughly(past)} ago`
                             : dates.format(new Date(s * 1000)));
}


export function ahead(s) {
    const left = s - now();

    return left > 0 ? `in ${roughly(left)}` : 'now';
}


function roughly(s) {
    if (s < 2 * MINUTE) {
        return `${Math.floor(s)} s`;
    }

    if (s < 2 * HOUR) {
        return `${Math.floor(s / MINUTE)} min`;
    }

    return s < 2 * DAY ? `${Math.floor(s / HOUR)} h`
                       : `${Math.floor(s / DAY)} days`;
}


// "60r/m 10000r/d" -> "60 a minute, 10,000 a day"; null if it isn't such.

const UNITS = { s: 1, m: MINUTE, h: HOUR, d: DAY };

export function limits(text) {
    const said = [];

    for (const word of text.trim().split(/\s+/)) {
        const rate = /^(\d+)r\/(\d*)([smhd])$/.exec(word);
        const plain = /^(\d+)\/(\d+)$/.exec(word);

        if (rate) {
            said.push(`${number(Number(rate[1]))} `
                      + each((Number(rate[2]) || 1) * UNITS[rate[3]]));
        } else if (plain) {
            said.push(`${number(Number(plain[1]))} ${each(Number(plain[2]))}`);
        } else if (/^algorithm=(fixed|sliding)$/.test(word)) {
            said.push(word.replace('algorithm=', ''));
        } else {
            return null;
        }
    }

    return said.join(', ');
}
