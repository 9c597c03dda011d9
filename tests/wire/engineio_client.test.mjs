// The official client, over each of its transports.

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { io } from 'socket.io-client';
import msgpack from 'socket.io-msgpack-parser';

import { until, within } from '../lib/until.mjs';
import { EchoServer } from './engineio_wire.mjs';

let server;
before(async () => { server = await EchoServer.start(); });
after(() => server.stop());

const connect = (url, options) =>
    io(url, { forceNew: true, reconnection: false, ...options });
const once = (emitter, event) =>
    within(new Promise((resolve) => { emitter.once(event, (...args) => resolve(args)); }), event);
const collect = (socket, event) => {
    const seen = [];
    socket.on(event, (value) => seen.push(value));
    return seen;
};
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

for (const [name, options] of [
    ['polling', { transports: ['polling'] }],
    ['websocket', { transports: ['websocket'] }],
    ['upgrade', {}],
    ['polling, msgpack', { transports: ['polling'], parser: msgpack }],
    ['websocket, msgpack', { transports: ['websocket'], parser: msgpack }],
    ['upgrade, msgpack', { parser: msgpack }],
]) {
    test(`everything over ${name}`, async () => {
        const socket = connect(server.url, { auth: { user: 'me' }, ...options });
        assert.deepEqual(await once(socket, 'auth'), [{ user: 'me' }]);

        socket.emit('message', 1, '2', { 3: [true, null] });
        assert.deepEqual(await once(socket, 'message-back'), [1, '2', { 3: [true, null] }]);
        assert.equal(await socket.timeout(5000).emitWithAck('message-with-ack', 'x'), 'x');

        const big = 'é'.repeat(250000);
        socket.emit('message', big);
        assert.ok((await once(socket, 'message-back'))[0] === big);

        const ticks = collect(socket, 'tick');
        socket.emit('burst', 5000);
        await until(() => ticks.length === 5000, () => `5000 events, got ${ticks.length}`);
        assert.deepEqual(ticks, numbers(5000));

        const backs = collect(socket, 'message-back');
        for (const i of numbers(2000)) socket.emit('message', i);
        await until(() => backs.length === 2000, () => `2000 answers, got ${backs.length}`);
        assert.deepEqual(backs, numbers(2000));

        const custom = socket.io.socket('/custom', { auth: { a: 1 } });
        assert.deepEqual(await once(custom, 'auth'), [{ a: 1 }]);
        custom.emit('message', 'there');
        assert.deepEqual(await once(custom, 'message-back'), ['there']);
        custom.disconnect();
        const unknown = socket.io.socket('/unknown');
        assert.equal((await once(unknown, 'connect_error'))[0].message, 'Invalid namespace');

        const bytes = [Buffer.from([1, 2, 3]), { more: Buffer.alloc(100000, 7) }];
        socket.emit('message', ...bytes);
        assert.deepEqual(await once(socket, 'message-back'), bytes);
        assert.deepEqual(await socket.timeout(5000).emitWithAck('message-with-ack', bytes[1]), bytes[1]);

        assert.equal(socket.io.engine.transport.name, name.startsWith('polling') ? 'polling' : 'websocket');
        socket.emit('bye');
        assert.deepEqual(await once(socket, 'disconnect'), ['io server disconnect', undefined]);
        socket.disconnect();
    });
}

test('nothing is lost, doubled or reordered by upgrades under fire', async () => {
    for (let round = 0; round < 20; round++) {
        const socket = connect(server.url);
        const backs = collect(socket, 'message-back');
        let sent = 0;
        const fire = setInterval(() => { for (let i = 0; i < 5; i++) socket.emit('message', sent++); }, 1);
        await once(socket, 'connect');
        if (socket.io.engine.transport.name === 'polling') await once(socket.io.engine, 'upgrade');
        const upgradedAt = sent;
        await until(() => sent > upgradedAt + 100, 'more events');
        clearInterval(fire);
        await until(() => backs.length >= sent, () => `${sent} answers, got ${backs.length}`);
        assert.deepEqual(backs, numbers(sent));
        socket.disconnect();
    }
});

test('a client whose upgrade lands on another edge stays on polling', async () => {
    const other = await EchoServer.start();
    // Requests go to one edge and upgrades to the other.
    const proxy = http.createServer((request, response) => {
        const { method, url, headers } = request;
        const passed = http.request(server.url + url, { method, headers }, (answer) => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        request.pipe(passed);
        passed.on('error', () => response.destroy());
        response.on('close', () => passed.destroy());
    });
    let refused = '';
    proxy.on('upgrade', (request, client) => {
        const target = net.connect(other.port, '127.0.0.1', () => {
            target.write(`GET ${request.url} HTTP/1.1\r\n`);
            for (let i = 0; i < request.rawHeaders.length; i += 2) {
                target.write(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`);
            }
            target.write('\r\n');
        });
        target.on('data', (data) => { refused += data; });
        target.pipe(client).pipe(target);
        for (const end of [target, client]) end.on('error', () => {});
    });
    await new Promise((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });
    try {
        const socket = connect(`http://127.0.0.1:${proxy.address().port}`);
        const [error] = await within(new Promise((resolve) => {
            socket.io.on('open', () => {
                socket.io.engine.once('upgradeError', (...args) => resolve(args));
            });
        }), 'upgradeError');
        assert.match(error.message, /probe error/);
        assert.match(refused, /^HTTP\/1.1 400 /);
        assert.match(refused, /^HTTP\/1\.1 400 [^]*Session ID unknown$/);
        if (!socket.connected) await once(socket, 'connect');
        assert.equal(socket.io.engine.transport.name, 'polling');
        for (let i = 0; i < 5; i++) {
            assert.equal(await socket.timeout(5000).emitWithAck('message-with-ack', i), i);
        }
        socket.disconnect();
    } finally {
        proxy.closeAllConnections();
        proxy.close();
        await other.stop();
    }
});

test('a thousand clients hear the same news', async () => {
    const { opened } = await server.counters();
    const sockets = numbers(1000).map((i) =>
        connect(server.url, { transports: [i % 4 === 0 ? 'polling' : 'websocket'] }));
    const heard = sockets.map((socket) => collect(socket, 'news'));
    await until(() => sockets.every((socket) => socket.connected), 'a thousand connections', 30000);
    for (const i of numbers(20)) sockets[i].emit('broadcast', i);
    await until(() => heard.every((news) => news.length === 20), 'the news', 30000);
    for (const news of heard) assert.deepEqual(news, heard[0]);
    assert.deepEqual([...heard[0]].sort((a, b) => a - b), numbers(20));
    sockets.forEach((socket) => socket.disconnect());
    await until(async () => (await server.counters()).websockets === 0, 'the end of all WebSockets');
    const counters = await server.counters();
    assert.equal(counters.opened, opened + 1000);
    for (const reason of ['ping_timeout', 'parse_error', 'protocol_error', 'slow_consumer',
        'outbox_full']) {
        assert.equal(counters[reason], 0, reason);
    }
});
