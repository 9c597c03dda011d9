// WebSocket upgrades leave HTTP with their descriptor and every byte that was read.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until } from '../lib/until.mjs';
import { get, post, Server } from './http_wire.mjs';

const UPGRADE = 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

let server;
before(async () => { server = await Server.start({ head_deadline: 500, idle_timeout: 500 }); });
after(() => server.stop());

// The test server's taker sends back what it was given, then echoes.
const assertTaken = async (client, expected) => {
    await until(() => client.received.length >= 6 + expected.length,
        () => `the hand-over, got ${JSON.stringify(client.received)}`);
    assert.equal(client.received, `taken:${expected}`);
    client.received = '';
    client.write('ping');
    await until(() => client.received === 'ping', 'an echo');
    client.destroy();
};

test('on the first request', async () => {
    const { detached } = await server.state();
    const client = await server.connect();
    client.write(get('/socket?a=b', UPGRADE));
    await assertTaken(client, get('/socket?a=b', UPGRADE));
    const state = await server.state();
    assert.equal(state.detached, detached + 1);
    assert.equal(state.connections, 1, 'it does not count as an HTTP connection any more');
});

test('on a connection that was used before', async () => {
    const client = await server.connect();
    client.write(get('/hello') + post('/echo', 'x'));
    assert.equal((await client.answer()).body, 'hello');
    assert.equal((await client.answer()).body, 'x');
    client.write(get('/socket', UPGRADE));
    await assertTaken(client, get('/socket', UPGRADE));
});

test('pipelined behind a request, with frames behind it', async () => {
    const client = await server.connect();
    client.write(get('/hello') + get('/socket', UPGRADE) + '\x81\x80abcd');
    assert.equal((await client.answer()).body, 'hello');
    await assertTaken(client, `${get('/socket', UPGRADE)}\x81\x80abcd`);
});

test('byte by byte', async () => {
    const client = await server.connect();
    await client.drip(`\r\n${get('/socket', UPGRADE)}`);
    await assertTaken(client, get('/socket', UPGRADE));
});

test('later, with what came meanwhile', async () => {
    const client = await server.connect();
    client.write(get('/socket?later=1', UPGRADE) + '\x82');
    await until(async () => (await server.state()).waiting === 1, 'the parked upgrade');
    client.write('\x80abcd');
    await server.ask(get('/hello'));
    assert.equal((await server.ask(post('/take', ''))).body, 'taken');
    await assertTaken(client, `${get('/socket?later=1', UPGRADE)}\x82\x80abcd`);
});

test('the other end of a parked upgrade may go, or be refused', async () => {
    const { closed } = await server.state();
    const gone = await server.connect();
    gone.write(get('/socket?later=1', UPGRADE));
    await until(async () => (await server.state()).waiting === 1, 'the parked upgrade');
    gone.destroy();
    await until(async () => (await server.state()).closed === closed + 1, 'its end');

    const refused = await server.connect();
    refused.write(get('/socket?later=1', UPGRADE));
    await until(async () => (await server.state()).waiting === 1, 'the parked upgrade');
    await server.ask(post('/release', 'no'));
    assert.equal((await refused.answer()).body, 'no');
    refused.write(get('/hello'));
    assert.equal((await refused.answer()).body, 'hello');
    refused.destroy();
});

test('what wants no WebSocket, or cannot, stays', async () => {
    for (const headers of ['', 'Upgrade: websocket\r\n', 'Upgrade: h2c\r\nConnection: Upgrade\r\n']) {
        assert.equal((await server.ask(get('/socket', headers))).body, 'no upgrade');
    }
    assert.equal((await server.ask(post('/socket', '', UPGRADE))).body, 'no upgrade');
    assert.equal((await server.ask(get('/hello', UPGRADE))).body, 'hello');
});
