// retry.mjs URL KEYS
//
// Asks for the URL with each client, all at once, by GET and POST.  KEYS is
// JSON: the key of each run, whose name goes with it in X-Run.

import axios from 'axios';
import axiosRetry from 'axios-retry';
import got from 'got';
import ky from 'ky';
import { Agent, RetryAgent, request } from 'undici';

const [url, keys] = process.argv.slice(2);

axiosRetry(axios);

const dispatcher = new RetryAgent(new Agent());

const clients = {
    got: options => got(url, options),
    ky: options => ky(url, options),
    'axios-retry': options => axios.request({ url, ...options }),
    RetryAgent: options => request(url, { dispatcher, ...options }),
};

await Promise.all(Object.entries(JSON.parse(keys)).map(([run, key]) => {
    const [, client, method] = run.match(/^(.*) (\w+)$/);
    const headers = { 'X-API-Key': key, 'X-Run': run };

    return clients[client]({ method, headers }).catch(() => {});
}));

await dispatcher.close();
