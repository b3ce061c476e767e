// grpc.mjs GATEWAY UPSTREAM CALLS
//
// Serves echo.Echo at the port UPSTREAM and calls it through the gateway's.
// CALLS is JSON, a list of [method, headers]; prints, for each of them, how it
// ended: {code, details, messages, trailers}.

import grpc from '@grpc/grpc-js';

const [gateway, upstream, calls] = process.argv.slice(2);

const same = bytes => bytes;
const kind = (path, requestStream, responseStream) => ({
    path, requestStream, responseStream,
    requestSerialize: same, requestDeserialize: same,
    responseSerialize: same, responseDeserialize: same,
});

// The method's name says how it streams; what is before it is the location.

const service = {}, handlers = {};

for (const place of JSON.parse(calls).map(([path]) => path.split('/')[1])) {
    service[`${place}Unary`] = kind(`/${place}/Unary`, false, false);
    service[`${place}Client`] = kind(`/${place}/Client`, true, false);
    service[`${place}Server`] = kind(`/${place}/Server`, false, true);
    service[`${place}Both`] = kind(`/${place}/Both`, true, true);

    handlers[`${place}Unary`] = (call, done) => done(null, call.request);
    handlers[`${place}Client`] = (call, done) => {
        const all = [];
        call.on('data', bytes => all.push(bytes));
        call.on('end', () => done(null, Buffer.concat(all)));
    };
    handlers[`${place}Server`] = call => {
        call.write(call.request);
        call.write(call.request);
        call.end();
    };
    handlers[`${place}Both`] = call => {
        call.on('data', bytes => call.write(bytes));
        call.on('end', () => call.end());
    };
}

const server = new grpc.Server();

server.addService(service, handlers);

await new Promise((resolve, reject) => server.bindAsync(
    `127.0.0.1:${upstream}`, grpc.ServerCredentials.createInsecure(),
    error => error ? reject(error) : resolve()));

const client = new grpc.Client(`127.0.0.1:${gateway}`,
                               grpc.credentials.createInsecure());

function made(path, headers) {
    const metadata = new grpc.Metadata();
    const streams = path.split('/')[2];

    for (const [name, value] of Object.entries(headers)) {
        metadata.set(name, value);
    }

    return new Promise(resolve => {
        const messages = [];
        const got = message => message && messages.push(String(message));
        const done = (error, message) => got(message);
        const call = {
            Unary: () => client.makeUnaryRequest(path, same, same,
                Buffer.from('one'), metadata, done),
            Client: () => client.makeClientStreamRequest(path, same, same,
                metadata, done),
            Server: () => client.makeServerStreamRequest(path, same, same,
                Buffer.from('one'), metadata),
            Both: () => client.makeBidiStreamRequest(path, same, same,
                metadata),
        }[streams]();
        const head = {};

        call.on('metadata', metadata => Object.assign(head,
                                                      metadata.getMap()));
        call.on('status', status => resolve({
            code: status.code, details: status.details, messages,
            headers: { ...head, ...status.metadata.getMap() },
        }));
        call.on('error', () => {});

        if (streams === 'Server' || streams === 'Both') {
            call.on('data', got);
        }

        // a stream whose client has more to say when it is refused

        if (streams === 'Client' || streams === 'Both') {
            call.write(Buffer.from('one'));
            setTimeout(() => { call.write(Buffer.from('two')); call.end(); },
                       20);
        }
    });
}

const ended = [];

for (const [path, headers] of JSON.parse(calls)) {
    ended.push(await made(path, headers));
}

console.log(JSON.stringify(ended));
client.close();
server.forceShutdown();
