// Addresses, draining, and the end.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../lib/until.mjs';
import { Client, get, post, Server } from './http_wire.mjs';

test('addresses are read as operators write them', async () => {
    for (const [listen, hosts] of [
        ['127.0.0.1:0', ['127.0.0.1']], ['[::1]:0', ['::1']], [':0', ['127.0.0.1', '::1']],
        ['localhost:0', ['127.0.0.1']],
    ]) {
        const server = await Server.start({ listen });
        for (const host of hosts) {
            const client = await server.connect(host);
            client.write(get('/path'));
            const { headers } = await client.answer();
            assert.equal(headers['x-address'], host, `${listen} from ${host}`);
            client.destroy();
        }
        await server.stop();
    }
});

test('bad addresses are refused with a reason', async () => {
    for (const listen of ['', '3000', 'localhost', 'a:', '::1:80', '[::1]', '127.0.0.1:65536',
        '127.0.0.1:x', '127.0.0.1:-1']) {
        await assert.rejects(Server.start({ listen }), /is not host:port/, listen);
    }
    await assert.rejects(Server.start({ listen: '192.0.2.1:0' }), /cannot listen on 192.0.2.1:0/);
    const server = await Server.start();
    await assert.rejects(Server.start({ listen: `127.0.0.1:${server.port}` }), /in use/);
    await server.stop();
});

test('a port can be shared', async () => {
    const first = await Server.start({ share_port: 1 });
    const second = await Server.start({ share_port: 1, listen: `127.0.0.1:${first.port}` });
    for (let i = 0; i < 40; i++) assert.equal((await first.ask(get('/hello'))).body, 'hello');
    await first.stop();
    assert.ok((await second.state()).accepted > 1, 'both were asked');
    await second.stop();
});

test('draining finishes what is open and accepts no more', async () => {
    const server = await Server.start();
    const [idle, parked, stream] = await Promise.all([1, 2, 3].map(() => server.connect()));
    idle.write(get('/hello'));
    await idle.answer();
    parked.write(get('/park'));
    stream.write(get('/stream'));
    await until(async () => (await server.state()).waiting === 2, 'both to wait');
    server.process.kill('SIGTERM');
    await until(() => Client.connect(server.port).then((client) => client.destroy(), () => true),
        'the end of listening');
    idle.write(post('/release', 'data') + get('/hello'));
    const answer = await idle.answer();
    assert.deepEqual([answer.status, answer.headers.connection], [200, 'close']);
    assert.deepEqual(await idle.closed(), { rest: '', wasReset: false });
    const late = await parked.answer();
    assert.deepEqual([late.body, late.headers.connection], ['data', 'close']);
    stream.destroy();
    idle.destroy();
    parked.destroy();
    const { code, log } = await server.exit;
    assert.equal(code, 0, log);
});

test('a server may be destroyed in the middle of everything', async () => {
    const server = await Server.start();
    const texts = [
        '', 'GET /hel', get('/hello'), get('/park'), get('/stream'), get('/park') + get('/hello'),
        post('/echo', 'abcd').slice(0, -2), get('/bytes?n=20000000'),
        `GET / HTTP/2.0\r\n\r\n${'x'.repeat(1000)}`, get('/hello').repeat(3000),
    ];
    const clients = await Promise.all(texts.map(async (text) => {
        const client = await server.connect();
        client.socket.pause();
        client.write(text);
        return client;
    }));
    await until(async () => (await server.state()).waiting === 3, 'three to wait');
    await server.stop('SIGINT');
    for (const client of clients) client.destroy();
});
