// What a client may make the server hold, and for how long.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Late, assertInTime, inTime, pause, until } from '../lib/until.mjs';
import { get, isInstrumented, post, request, Server } from './http_wire.mjs';

const withServer = async (settings, body, options) => {
    const server = await Server.start(settings, options);
    try {
        await body(server);
    } finally {
        await server.stop();
    }
};

// An answer before the request was read to its end arrives whole, although the client goes on
// sending: closing with unread input would overtake it with a reset.
const large = 'x'.repeat(5e6);
const early = [
    ['413 by length', request('POST', '/echo', `Content-Length: ${large.length}\r\n`, large), 413],
    ['413 by chunks', request('POST', '/echo', 'Transfer-Encoding: chunked\r\n',
        `${large.length.toString(16)}\r\n${large}`), 413],
    ['413 by many chunks', request('POST', '/echo', 'Transfer-Encoding: chunked\r\n',
        `${'3e8\r\n'}${'x'.repeat(1000)}\r\n`.repeat(5000)), 413],
    ['431 by one header', get('/hello', `X: ${large}`), 431],
    ['431 by many headers', get('/hello', 'X: y\r\n'.repeat(50000)), 431],
    ['431 by a target', get(`/${large}`), 431],
    ['400', `GET / HTTP/1.1\r\nHost : a\r\n\r\n${large}`, 400],
    ['501', request('POST', '/echo', 'Transfer-Encoding: gzip\r\n', large), 501],
    ['505', `GET / HTTP/3.0\r\n\r\n${large}`, 505],
];
for (const [name, text, status] of early) {
    test(`arrives whole in spite of unread input: ${name}`, () => withServer({}, async (server) => {
        const client = await server.connect();
        client.write(text);
        const answer = await client.answer();
        assert.equal(answer.status, status);
        assert.equal(JSON.parse(answer.body).success, false);
        assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
        client.destroy();
        await until(async () => (await server.state()).connections === 1, 'its end');
    }));
}

test('all bodies under way together have a bound', () => withServer(
    { bodies_max: 150000 }, async (server) => {
        const half = 'x'.repeat(60000);
        const [first, second, third] = [await server.connect(), await server.connect(),
            await server.connect()];
        for (const client of [first, second]) {
            client.write(request('POST', '/echo', 'Content-Length: 70000\r\n', half));
        }
        await until(async () => (await server.state()).body_bytes === 120000, 'they are under way');
        third.write(request('POST', '/echo', 'Content-Length: 70000\r\n', half));
        const refused = await third.answer();
        assert.equal(refused.status, 503);
        assert.equal(refused.headers['retry-after'], '1');
        assert.equal(JSON.parse(refused.body).error.code, 'overloaded');
        for (const client of [first, second]) {
            client.write('y'.repeat(10000));
            assert.equal((await client.answer()).body, `${half}${'y'.repeat(10000)}`);
        }
        const { body_bytes: left, bodies_overloaded: overloaded } = await server.state();
        assert.deepEqual([left, overloaded], [0, 1]);
        for (const client of [first, second, third]) client.destroy();
    }));

test('the handler may word a 413', () => withServer({ words_413: 1 }, async (server) => {
    for (const framing of ['Content-Length: 999999', 'Transfer-Encoding: chunked']) {
        const client = await server.connect();
        client.write(request('POST', '/echo', `Origin: http://a\r\n${framing}\r\n`, `f4240\r\n${large}`));
        const { status, headers, body } = await client.answer();
        assert.deepEqual([status, body], [413, 'worded']);
        assert.equal(headers['access-control-allow-origin'], 'http://a');
        assert.equal(headers.connection, 'close');
        assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
        client.destroy();
    }
}));

test('bodies up to the limit are taken, in one piece, in many and in chunks', () =>
    withServer({ body_limit: 300000 }, async (server) => {
        const body = 'y'.repeat(300000);
        assert.equal((await server.ask(post('/echo', body))).body, body);
        const chunks = `${'2710\r\n'}${'y'.repeat(10000)}\r\n`.repeat(30);
        const answer = await server.ask(
            request('POST', '/echo', 'Transfer-Encoding: chunked\r\n', `${chunks}0\r\n\r\n`));
        assert.equal(answer.body, body);
        assert.equal((await server.ask(post('/echo', `${body}y`))).status, 413);
    }));

test('a head of exactly the limit passes', () => withServer({ head_max: 1000 }, async (server) => {
    const fill = 1000 - get('/hello', 'X: \r\n').length;
    const sized = (length) => get('/hello', `X: ${'x'.repeat(length)}\r\n`);
    assert.equal((await server.ask(sized(fill))).status, 200);
    assert.equal((await server.ask(sized(fill + 1))).status, 431);
    for (const [length, status] of [[fill, 200], [fill + 1, 431]]) {
        const client = await server.connect();
        client.write(sized(length).slice(0, 50));
        await server.ask(get('/hello'));
        client.write(sized(length).slice(50));
        assert.equal((await client.answer()).status, status);
        client.destroy();
    }
}));

const drip = (client, byte) => {
    const timer = setInterval(() => client.write(byte), 50);
    client.socket.on('close', () => clearInterval(timer));
};

test('deadlines are total: dripping does not extend them', () =>
    inTime(() => withServer({ head_deadline: 400, body_deadline: 600 }, async (server) => {
        const cut = async (text, byte) => {
            const client = await server.connect();
            const start = performance.now();
            client.write(text);
            drip(client, byte);
            assert.equal((await client.answer()).status, 408);
            const time = performance.now() - start;
            client.destroy();
            return time;
        };
        const times = await Promise.all([
            cut('GET /hello HTTP/1.1\r\nX: ', 'x'),
            cut(request('POST', '/echo', 'Content-Length: 1000\r\n'), 'x'),
            cut(request('POST', '/echo', 'Transfer-Encoding: chunked\r\n', '3e8\r\n'), 'x'),
        ]);
        assert.equal((await server.state()).deadlines, 3);
        if (isInstrumented()) return;
        times.forEach((time, i) => assert.ok(time >= [350, 550, 550][i], `${time} ms`));
        if (Math.max(...times) > 1700) throw new Late(`the answers came after ${times} ms`);
    })));

test('silent connections are closed, before the first request and between requests', () =>
    inTime(() => withServer({ head_deadline: 600, idle_timeout: 500 }, async (server) => {
        const start = performance.now();
        const silent = await server.connect();
        const idle = await server.connect();
        idle.write(get('/hello'));
        await until(() => idle.received !== '' || idle.ended, 'an answer');
        assertInTime(start, 500, 'the head was there');
        await idle.answer();
        assert.deepEqual(await silent.closed(), { rest: '', wasReset: false });
        assert.deepEqual(await idle.closed(), { rest: '', wasReset: false });
        assert.equal((await server.state()).deadlines, 1);
        silent.destroy();
        idle.destroy();
    })));

test('a thousand slow heads cost what was sent, and end', () =>
    inTime(() => withServer({ head_deadline: 3000 }, async (server) => {
        await server.ask(get('/hello'));
        const before = server.rss();
        const clients = await Promise.all(Array.from({ length: 1000 }, () => server.connect()));
        for (const client of clients) client.write('GET /hello HTTP/1.1\r\nHost: a\r\nX: ');
        await until(async () => {
            const { connections, deadlines } = await server.state();
            if (deadlines > 0) throw new Late('all connected');
            return connections === 1001;
        }, 'all connections');
        const each = (server.rss() - before) / 1000;
        if (!isInstrumented()) assert.ok(each < 2000, `${each} bytes each`);
        await Promise.all(clients.map((client) => client.closed()));
        assert.equal((await server.state()).deadlines, 1000);
        for (const client of clients) client.destroy();
    })));

test('a client that does not read its answer is cut', () =>
    withServer({ write_deadline: 300 }, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        client.write(get('/bytes?n=20000000'));
        await until(async () => (await server.state()).connections === 1, 'the cut');
        client.destroy();
        assert.equal((await server.state()).deadlines, 1);
    }));

test('a client that reads slowly gets the whole answer', () =>
    withServer({ write_deadline: 30000, idle_timeout: 300 }, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        client.write(get('/bytes?n=20000000') + get('/hello'));
        await pause(500);
        client.socket.resume();
        assert.equal((await client.answer()).body.length, 20000000);
        assert.equal((await client.answer()).body, 'hello');
        client.destroy();
    }));

test('a flood of requests whose answers are not read is bounded', () =>
    withServer({ write_deadline: 1000 }, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        const before = server.rss();
        client.write(get('/bytes?n=10000').repeat(20000));
        await until(async () => (await server.state()).deadlines === 1, 'the cut');
        const grown = server.rss() - before;
        if (!isInstrumented()) assert.ok(grown < 2e6, `${grown} bytes`);
        client.destroy();
    }));

test('a stream to a stalled reader is cut when its backlog is full', () =>
    withServer({ stream_backlog_max: 100000 }, async (server) => {
        const client = await server.connect();
        client.write(get('/stream'));
        await until(() => client.received.includes('\r\n\r\n'), 'the start of the stream');
        client.socket.pause();
        const before = server.rss();
        await server.ask(post('/release?n=20000', 'x'.repeat(1000)));
        const state = await server.state();
        assert.deepEqual([state.streams_cut, state.closed, state.waiting], [1, 1, 0]);
        const grown = server.rss() - before;
        if (!isInstrumented()) assert.ok(grown < 1e6, `${grown} bytes`);
        client.destroy();
    }));

test('a stream to a stalled reader is cut after its deadline', () =>
    inTime(() => withServer({ stream_backlog_max: 50e6, write_deadline: 800 }, async (server) => {
        const client = await server.connect();
        client.write(get('/stream'));
        await until(() => client.received.includes('\r\n\r\n'), 'the start of the stream');
        client.socket.pause();
        const start = performance.now();
        await server.ask(post('/release?n=20000', 'x'.repeat(1000)));
        const { streams_cut: cut } = await server.state();
        assertInTime(start, 700, 'it was looked at');
        assert.equal(cut, 0);
        await until(async () => (await server.state()).streams_cut === 1, 'the cut');
        assert.equal((await server.state()).closed, 1);
        client.destroy();
    })));

test('a stream that is idle is not cut, and may be ended and followed by a request', () =>
    withServer({ write_deadline: 200, idle_timeout: 200 }, async (server) => {
        const client = await server.connect();
        client.write(get('/stream'));
        await until(() => client.received.includes('\r\n\r\n'), 'the start of the stream');
        await pause(600);
        await server.ask(post('/release?n=3', 'data: 1\n\n'));
        client.write(get('/hello')); // or it might be later than an idle connection is kept
        await server.ask(post('/end', ''));
        const { headers, body } = await client.answer();
        assert.equal(headers['transfer-encoding'], 'chunked');
        assert.equal(body, 'data: 1\n\n'.repeat(3));
        assert.equal((await client.answer()).body, 'hello');
        client.destroy();
    }));

test('beyond connections_max others wait their turn', () =>
    withServer({ connections_max: 3 }, async (server) => {
        const first = [await server.connect(), await server.connect(), await server.connect()];
        for (const client of first) client.write(get('/hello'));
        await Promise.all(first.map((client) => client.answer()));
        const late = await server.connect();
        late.write(get('/state'));
        const cpu = server.cpuMs();
        await pause(300);
        assert.equal(late.received, '');
        assert.ok(server.cpuMs() - cpu <= 50, 'it waits without spinning');
        first[0].destroy();
        assert.equal(JSON.parse((await late.answer()).body).accept_pauses, 1);
        for (const client of [...first, late]) client.destroy();
    }));

test('when descriptors run out accepting pauses, without spinning, and goes on', () =>
    withServer({}, async (server) => {
        const clients = await Promise.all(Array.from({ length: 60 }, () => server.connect()));
        for (const client of clients) client.write(get('/hello'));
        await until(() => server.log.includes('accept_paused'), 'a warning');
        const cpu = server.cpuMs();
        await pause(500);
        assert.ok(server.cpuMs() - cpu <= 50, 'it waits without spinning');
        const served = await until(() => {
            const list = clients.filter((client) => client.received.includes('hello'));
            return list.length > 0 && list;
        }, 'some are served');
        assert.ok(served.length < clients.length);
        for (const client of served) client.destroy();
        const rest = clients.filter((client) => !served.includes(client));
        await Promise.all(rest.slice(0, 10).map((client) => client.answer()));
        for (const client of clients) client.destroy();
    }, { files: 40 }));
