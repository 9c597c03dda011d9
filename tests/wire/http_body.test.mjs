// Bodies that a handler takes as they come: all of them, in order, at the pace it wants, and nothing
// of them is kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pause, until } from '../lib/until.mjs';
import { get, post, request, Server } from './http_wire.mjs';

const withServer = async (settings, body) => {
    const server = await Server.start(settings);
    try {
        await body(server);
    } finally {
        await server.stop();
    }
};

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const chunksOf = (text, size) => {
    let chunks = '';
    for (let at = 0; at < text.length; at += size) {
        const chunk = text.slice(at, at + size);
        chunks += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
    }
    return `${chunks}0\r\n\r\n`;
};

test('a body is whole, in one piece, in bytes and in chunks, and the connection goes on', () =>
    withServer({}, async (server) => {
        const client = await server.connect();
        const text = 'x'.repeat(300);
        for (const bytes of [
            post('/body', text), request('POST', '/body', CHUNKED, chunksOf(text, 7)),
        ]) {
            client.write(bytes);
            assert.equal((await client.answer()).body, 'all 300');
            await client.drip(bytes);
            assert.equal((await client.answer()).body, 'all 300');
        }
        client.write(post('/body', text) + post('/body', 'abc') + get('/hello'));
        assert.equal((await client.answer()).body, 'all 300');
        assert.equal((await client.answer()).body, 'all 3');
        assert.equal((await client.answer()).body, 'hello');
        client.write(post('/body', ''));
        assert.equal((await client.answer()).body, 'no body');
        client.write(post('/body', text, 'Expect: 100-continue\r\n').slice(0, -300));
        await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n', '100 Continue');
        client.received = '';
        client.write(text);
        assert.equal((await client.answer()).body, 'all 300');
        client.destroy();
    }));

test('an answer before the end arrives, and ends the connection', () =>
    withServer({ body_limit: 10e6 }, async (server) => {
        const large = 'x'.repeat(5e6);
        for (const [target, body] of [
            ['/body?now=1', /^now$/], ['/body?enough=100000', /^enough \d+$/],
        ]) {
            for (const text of [
                post(target, large), request('POST', target, CHUNKED, chunksOf(large, 50000)),
            ]) {
                const client = await server.connect();
                client.write(text);
                const answer = await client.answer();
                assert.match(answer.body, body);
                assert.equal(answer.headers.connection, 'close');
                assert.deepEqual(await client.closed(), { rest: '', wasReset: false });
                client.destroy();
            }
        }
    }));

test('what is malformed or too large is answered by the server, and the handler told', () =>
    withServer({ words_413: 1, body_limit: 1000 }, async (server) => {
        const cases = [
            [request('POST', '/body', CHUNKED, '3\r\nabcX'), 400, 1],
            [request('POST', '/body', CHUNKED, '1f4\r\n' + 'x'.repeat(500) + '\r\n1f5\r\n'), 413, 1],
            [request('POST', '/body', 'Content-Length: 1001\r\n', 'x'), 413, 0],
        ];
        let closed = 0;
        for (const [text, status, told] of cases) {
            const client = await server.connect();
            client.write(text);
            assert.equal((await client.answer()).status, status);
            await client.closed();
            client.destroy();
            closed += told;
            assert.equal((await server.state()).closed, closed);
        }
    }));

test('a body that does not come in time is answered 408, one whose client left is given up', () =>
    withServer({ body_deadline: 400 }, async (server) => {
        const client = await server.connect();
        client.write(post('/body', 'xxx').slice(0, -1));
        await until(async () => (await server.state()).taken === 2, 'two bytes');
        assert.equal((await client.answer()).status, 408);
        client.destroy();
        const other = await server.connect();
        other.write(post('/body', 'xxx').slice(0, -1));
        await until(async () => (await server.state()).taken === 4, 'two more');
        other.destroy();
        await until(async () => (await server.state()).closed === 2, 'both are told');
    }));

test('a handler that pauses is not sent more, and loses nothing', () =>
    withServer({ body_limit: 50e6 }, async (server) => {
        const client = await server.connect();
        const length = 20e6;
        client.write(post('/body?pause=1', 'x'.repeat(length)));
        await until(async () => (await server.state()).connections === 2, 'the request');
        await pause(200);
        const { taken } = await server.state();
        assert.ok(taken < 200000, `${taken} bytes`);
        await server.ask(post('/resume', ''));
        assert.equal((await client.answer()).body, `all ${length}`);
        client.destroy();
    }));
