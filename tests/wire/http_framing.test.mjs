// Where one request ends and the next begins: however the bytes arrive, and whatever is tried.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until } from '../lib/until.mjs';
import { get, post, request, Server } from './http_wire.mjs';

let server;
before(async () => { server = await Server.start(); });
after(() => server.stop());

const chunked = (target, ...chunks) => request('POST', target, 'Transfer-Encoding: chunked\r\n',
    [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join(''));

test('GET and POST in one segment are answered in order', async () => {
    const client = await server.connect();
    client.write(get('/hello') + post('/echo', 'abcd'));
    assert.equal((await client.answer()).body, 'hello');
    assert.equal((await client.answer()).body, 'abcd');
    client.destroy();
});

test('POST and POST in one segment keep their own bodies', async () => {
    const client = await server.connect();
    client.write(post('/echo', 'first') + post('/echo', 'second') + chunked('/echo', 'th', 'ird'));
    assert.equal((await client.answer()).body, 'first');
    assert.equal((await client.answer()).body, 'second');
    assert.equal((await client.answer()).body, 'third');
    client.destroy();
});

test('requests may arrive byte by byte', async () => {
    const client = await server.connect();
    await client.drip(get('/path?q=1') + post('/echo', 'abcd') + chunked('/echo', 'ef', 'g'));
    assert.equal((await client.answer()).body, 'q=1');
    assert.equal((await client.answer()).body, 'abcd');
    assert.equal((await client.answer()).body, 'efg');
    client.destroy();
});

test('requests may be cut anywhere', async () => {
    const text = post('/echo', 'abcd', 'X-Echo: 1\r\n') + chunked('/echo', 'ef', 'ghi') + get('/hello');
    await Promise.all(Array.from(text, async (_, cut) => {
        const client = await server.connect();
        client.write(text.slice(0, cut));
        await server.ask(get('/hello')); // the first part has been read by now
        client.write(text.slice(cut));
        const answers = [await client.answer(), await client.answer(), await client.answer()];
        assert.deepEqual(answers.map(({ body }) => body), ['abcd', 'efghi', 'hello'], `cut at ${cut}`);
        assert.equal(answers[0].headers['x-echo'], '1');
        client.destroy();
    }));
});

test('a thousand pipelined requests are answered, and others meanwhile', async () => {
    const client = await server.connect();
    client.write(get('/hello').repeat(1000));
    assert.equal((await server.ask(get('/hello'))).status, 200);
    for (let i = 0; i < 1000; i++) assert.equal((await client.answer()).body, 'hello');
    client.destroy();
});

test('a client that shuts its side still gets all answers', async () => {
    const client = await server.connect();
    client.write(get('/hello').repeat(100) + post('/echo', 'last') + 'GET /unfinished');
    client.finish();
    for (let i = 0; i < 100; i++) assert.equal((await client.answer()).body, 'hello');
    assert.equal((await client.answer()).body, 'last');
    assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
});

test('every answer has the date, that of the server\'s own too', async () => {
    const client = await server.connect();
    client.write(`${get('/hello')}GET /hello HTTP/3.0\r\n\r\n`);
    for (const status of [200, 505]) {
        const answer = await client.answer();
        const said = Date.parse(answer.headers.date);
        assert.equal(answer.status, status);
        assert.equal(answer.headers.date, new Date(said).toUTCString());
        assert.ok(Math.abs(Date.now() - said) < 60000, answer.headers.date);
    }
    client.destroy();
});

test('HEAD gets the head only', async () => {
    const client = await server.connect();
    client.write(request('HEAD', '/hello') + get('/hello'));
    const head = await client.answer({ method: 'HEAD' });
    assert.equal(head.headers['content-length'], '5');
    assert.equal(head.headers['x-content-type-options'], 'nosniff');
    assert.equal((await client.answer()).body, 'hello');
    client.destroy();
});

test('204 and 304 have neither body nor length', async () => {
    const client = await server.connect();
    for (const status of [204, 304]) {
        client.write(get(`/empty?status=${status}`) + get('/hello'));
        assert.equal((await client.answer()).headers['content-length'], undefined);
        assert.equal((await client.answer()).body, 'hello');
    }
    client.write(get('/empty?status=404'));
    assert.equal((await client.answer()).headers['content-length'], '0');
    client.destroy();
});

test('100-continue is said once, and only to those who wait for it', async () => {
    const client = await server.connect();
    client.write(request('POST', '/echo', 'Content-Length: 4\r\nExpect: 100-continue\r\n'));
    assert.equal((await client.answer()).status, 100);
    client.write('abcd');
    assert.equal((await client.answer()).body, 'abcd');
    client.write(post('/echo', 'efgh', 'Expect: 100-continue\r\n'));
    assert.equal((await client.answer()).body, 'efgh');
    client.write(request('POST', '/echo', 'Content-Length: 999999\r\nExpect: 100-continue\r\n'));
    assert.equal((await client.answer()).status, 413);
    assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
    client.destroy();
});

test('HTTP/1.0 closes unless asked not to, and streams without chunks', async () => {
    const once = await server.connect();
    once.write('GET /hello HTTP/1.0\r\n\r\n');
    assert.equal((await once.answer()).headers.connection, 'close');
    assert.deepEqual(await once.closed(), { rest: '', wasReset: false });
    once.destroy();

    const twice = await server.connect();
    for (let i = 0; i < 2; i++) {
        twice.write('GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
        assert.equal((await twice.answer()).headers.connection, 'keep-alive');
    }
    twice.write('GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    await until(async () => (await server.state()).waiting === 1, 'the stream');
    await server.ask(post('/release', 'data: 1\n\n'));
    await server.ask(post('/end', ''));
    const { headers, body } = await twice.answer();
    assert.equal(headers['transfer-encoding'], undefined);
    assert.equal(body, 'data: 1\n\n');
    twice.destroy();
});

test('Connection: close closes after the answer', async () => {
    const client = await server.connect();
    client.write(get('/hello', 'Connection: close\r\n'));
    assert.equal((await client.answer()).headers.connection, 'close');
    assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
    client.destroy();
});

test('nothing after the last request is executed', async () => {
    const client = await server.connect();
    const { requests } = await server.state();
    client.write(get('/hello', 'Connection: close\r\n') + post('/echo', 'late'));
    assert.equal((await client.answer()).body, 'hello');
    assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
    assert.equal((await server.state()).requests, requests + 2);
    client.destroy();
});

// Each is followed by a request that must not be executed.
const refused = [
    ['length and chunked', 'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n', 400],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5\r\n', 'hello', 400],
    ['space before the colon', 'Content-Length : 5\r\n', 'hello', 400],
    ['folded coding', 'Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n', 400],
    ['unknown coding', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n', 501],
    ['bare LF', 'X: y\nContent-Length: 5\r\n', 'hello', 400],
    ['zero byte', 'X: \0\r\n', '', 400],
    ['second host', 'Host: b\r\n', '', 400],
    ['CR and another byte after a chunk size', 'Transfer-Encoding: chunked\r\n', '5\rXhello\r\n0\r\n\r\n', 400],
    ['chunk data without an end', 'Transfer-Encoding: chunked\r\n', '5\r\nhelloXX0\r\n\r\n', 400],
    ['LF in a chunk extension', 'Transfer-Encoding: chunked\r\n', '5;a\nb\r\nhello\r\n0\r\n\r\n', 400],
    ['folded trailer', 'Transfer-Encoding: chunked\r\n', '0\r\nA: b\r\n c\r\n\r\n', 400],
    ['negative chunk', 'Transfer-Encoding: chunked\r\n', '-1\r\n', 400],
    ['huge chunk', 'Transfer-Encoding: chunked\r\n', 'ffffffffffffffff\r\n', 400],
    ['unknown expectation', 'Expect: nothing\r\n', '', 417],
];
for (const [name, headers, body, status] of refused) {
    test(`refused, and nothing after it is read: ${name}`, async () => {
        const client = await server.connect();
        const before = await server.state();
        client.write(get('/hello') + request('POST', '/echo', headers, body) + get('/hello'));
        assert.equal((await client.answer()).body, 'hello');
        const answer = await client.answer();
        assert.equal(answer.status, status);
        assert.equal(answer.headers.connection, 'close');
        assert.equal(JSON.parse(answer.body).success, false);
        assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
        client.destroy();
        const now = await server.state();
        assert.equal(now.requests, before.requests + 2);
        assert.equal(now.refused_heads + now.refused_bodies,
            before.refused_heads + before.refused_bodies + 1);
    });
}

test('other versions and protocols are told so', async () => {
    assert.equal((await server.ask('GET / HTTP/2.0\r\n\r\n')).status, 505);
    assert.equal((await server.ask('GET /\r\n\r\n')).status, 400);
    assert.equal((await server.ask('\x16\x03\x01\x02\x00')).status, 400);
    assert.equal((await server.ask('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')).status, 501);
    assert.equal((await server.ask(get('/hello', 'Upgrade: h2c\r\nConnection: Upgrade\r\n'))).body, 'hello');
    assert.equal((await server.ask('GET http://other/path?a HTTP/1.1\r\nHost: test\r\n\r\n')).body, 'a');
});
