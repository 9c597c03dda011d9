// Engine.IO over HTTP, as a client's network sees it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertInTime, inTime, until } from '../lib/until.mjs';
import { EchoServer, POLLING, SEPARATOR } from './engineio_wire.mjs';
import { Client, post } from './http_wire.mjs';

let server;
before(async () => { server = await EchoServer.start('--max-buffer', '100000'); });
after(() => server.stop());

test('the handshake is as the protocol says', async () => {
    const { status, headers, text } = await server.ask(POLLING);
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/plain; charset=UTF-8');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.equal(text[0], '0');
    const { sid, ...rest } = JSON.parse(text.slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{24}$/);
    assert.deepEqual(rest, {
        upgrades: ['websocket'], pingInterval: 25000, pingTimeout: 20000, maxPayload: 100000,
    });
});

for (const [what, target, method, code, message] of [
    ['no transport', '/socket.io/?EIO=4', 'GET', 0, 'Transport unknown'],
    ['an unknown transport', '/socket.io/?EIO=4&transport=abc', 'GET', 0, 'Transport unknown'],
    ['an unknown session', `${POLLING}&sid=abc`, 'GET', 1, 'Session ID unknown'],
    ['a POST without a session', POLLING, 'POST', 2, 'Bad handshake method'],
    ['a WebSocket without an upgrade', '/socket.io/?EIO=4&transport=websocket', 'GET', 3, 'Bad request'],
    ['revision 3', '/socket.io/?EIO=3&transport=polling', 'GET', 5, 'Unsupported protocol version'],
    ['no revision', '/socket.io/?transport=polling', 'GET', 5, 'Unsupported protocol version'],
]) {
    test(`refused: ${what}`, async () => {
        const body = method === 'POST' ? '40' : undefined;
        const { status, headers, text } = await server.ask(target, { method, body });
        assert.equal(status, 400);
        assert.equal(headers.get('content-type'), 'application/json');
        assert.deepEqual(JSON.parse(text), { code, message });
    });
}

test('refused: the session of another edge, as long as there is no way there', async () => {
    const sid = 'X'.repeat(24);
    for (const { status, text } of [await server.get(sid), await server.post(sid, '40')]) {
        assert.equal(status, 400);
        assert.deepEqual(JSON.parse(text), { code: 1, message: 'Session ID unknown' });
    }
});

test('polls and posts for the sessions of other edges are relayed; upgrades are not', async () => {
    const relaying = await EchoServer.start('--relay');
    try {
        const sid = `other-${'x'.repeat(18)}`;
        assert.equal((await relaying.get(sid)).text, `GET ${sid} 0`);
        const posted = await relaying.post(sid, '42["a"]', { origin: 'http://example.org' });
        assert.equal(posted.text, `POST ${sid} 7`);
        assert.equal(posted.headers.get('access-control-allow-origin'), 'http://example.org');
        assert.equal((await relaying.get('short')).status, 400);
        const upgrade = await relaying.openWebSocket({ query: `&sid=${sid}` });
        assert.equal(upgrade.handshake.status, 400);
        upgrade.destroy();

        const client = await Client.connect(relaying.port);
        client.write(`GET ${POLLING}&sid=stuck-${'x'.repeat(18)} HTTP/1.1\r\nHost: test\r\n\r\n`);
        client.finish();
        await relaying.counted('relays_gone', 1);
        client.destroy();
        const last = await Client.connect(relaying.port);
        last.write(`GET ${POLLING}&sid=stuck-${'x'.repeat(18)} HTTP/1.1\r\nHost: test\r\n\r\n`);
        assert.equal((await relaying.get(sid)).status, 200);
    } finally {
        await relaying.stop(); // with a relay under way
    }
});

test('refused: a session asked for with another revision', async () => {
    const sid = await server.openPolling();
    const { status, text } = await server.ask(`/socket.io/?EIO=3&transport=polling&sid=${sid}`);
    assert.equal(status, 400);
    assert.equal(JSON.parse(text).code, 3);
    assert.equal((await server.post(sid, '40')).text, 'ok');
});

test('origins are reflected with credentials, and preflights answered', async () => {
    const origin = 'chrome-extension://abcdefgh';
    const plain = await server.ask(POLLING, { headers: { origin } });
    assert.equal(plain.headers.get('access-control-allow-origin'), origin);
    assert.equal(plain.headers.get('access-control-allow-credentials'), 'true');
    assert.equal(plain.headers.get('vary'), 'Origin');
    const refused = await server.ask('/socket.io/?EIO=4', { headers: { origin } });
    assert.equal(refused.headers.get('access-control-allow-origin'), origin);
    const preflight = await server.ask(POLLING, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-headers': 'x-token, content-type' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET,POST');
    assert.equal(preflight.headers.get('access-control-allow-headers'), 'x-token, content-type');
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin);
    assert.match(preflight.headers.get('access-control-max-age'), /^\d+$/);
});

test('a session by polling: connect, event, acknowledgement, close', async () => {
    const sid = await server.openPolling();
    const posted = await server.post(sid, '40{"a":"é"}');
    assert.equal(posted.text, 'ok');
    assert.equal(posted.headers.get('content-type'), 'text/html');
    const [connected, auth] = (await server.get(sid)).text.split(SEPARATOR);
    assert.match(connected, /^40\{"sid":"[A-Za-z0-9_-]{24}"\}$/);
    assert.equal(auth, '42["auth",{"a":"é"}]');
    const parked = server.get(sid);
    await server.post(sid, `42["message",1]${SEPARATOR}423["message-with-ack",2]`);
    assert.equal((await parked).text, `42["message-back",1]${SEPARATOR}433[2]`);
    const last = server.get(sid);
    await server.post(sid, '1');
    assert.equal((await last).text, '6');
    assert.equal((await server.get(sid)).status, 400);
});

test('a second GET ends the session', async () => {
    const sid = await server.openPolling();
    await server.post(sid, '40');
    await server.get(sid);
    const answers = await Promise.all([server.get(sid), server.get(sid)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    assert.equal(answers.find(({ status }) => status === 200).text, '1');
    assert.equal((await server.get(sid)).status, 400);
});

test('a second POST that begins before the first is whole ends the session', async () => {
    const sid = await server.openPolling();
    const first = await Client.connect(server.port);
    const text = post(`${POLLING}&sid=${sid}`, '40');
    first.write(text.slice(0, -1));
    const before = (await server.counters()).protocol_error;
    await until(async () => {
        const { status } = await server.post(sid, '40');
        return status === 400;
    }, 'a refusal');
    await server.counted('protocol_error', before + 1);
    first.write(text.slice(-1));
    assert.equal((await first.answer()).status, 400);
    first.destroy();
});

for (const body of ['abc', '', `6${SEPARATOR}`, 'b***']) {
    test(`a malformed payload ends the session: ${JSON.stringify(body)}`, async () => {
        const sid = await server.openPolling();
        assert.equal((await server.post(sid, '40')).status, 200);
        assert.equal((await server.post(sid, body)).status, 400);
        assert.equal((await server.get(sid)).status, 400);
    });
}

for (const body of ['4', '4abc', '42["a"', '42{}', 'bAQID']) {
    test(`a malformed Socket.IO packet ends the session, and is told: ${body}`, async () => {
        const sid = await server.openPolling();
        assert.equal((await server.post(sid, '40')).status, 200);
        assert.match((await server.get(sid)).text, /^40/);
        assert.equal((await server.post(sid, body)).text, 'ok');
        assert.equal((await server.get(sid)).text, `6${SEPARATOR}1`);
        assert.equal((await server.get(sid)).status, 400);
    });
}

test('a POST that does not fit its session is refused, and the session goes on', async () => {
    const sid = await server.openPolling();
    for (const query of ['EIO=3&transport=polling', 'EIO=4&transport=websocket']) {
        const { status, text } = await server.ask(`/socket.io/?${query}&sid=${sid}`,
            { method: 'POST', body: '40' });
        assert.equal(status, 400);
        assert.equal(text, '{"code":3,"message":"Bad request"}');
    }
    assert.equal((await server.post(sid, '40')).text, 'ok');
});

test('binary payloads are of another revision', async () => {
    const sid = await server.openPolling();
    const { status } = await server.post(sid, '40', { 'content-type': 'application/octet-stream' });
    assert.equal(status, 400);
    assert.equal((await server.get(sid)).status, 400);
});

test('a body over the limit is 413 with CORS headers, and the session goes on', async () => {
    const sid = await server.openPolling();
    const origin = 'http://example.org';
    const { status, headers } = await server.post(sid, 'x'.repeat(100001), { origin });
    assert.equal(status, 413);
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.equal((await server.post(sid, '40')).text, 'ok');
    assert.equal((await server.post(sid, '42["message"]')).text, 'ok');
});

test('a client that goes away with its GET ends the session', async () => {
    const sid = await server.openPolling();
    const before = (await server.counters()).transport;
    const client = await Client.connect(server.port);
    client.write(`GET ${POLLING}&sid=${sid} HTTP/1.1\r\nHost: test\r\n\r\n`);
    await until(async () => (await server.counters()).pollings > 0, 'a session');
    client.finish();
    await server.counted('transport', before + 1);
    assert.equal((await server.get(sid)).status, 400);
    client.destroy();
});

test('a GET is there before the POST behind it, even to a server that was late', async () => {
    const late = await EchoServer.start();
    try {
        const sid = await late.openPolling();
        const first = await Client.connect(late.port);
        first.write(`OPTIONS ${POLLING} HTTP/1.1\r\nHost: test\r\n\r\n`);
        assert.equal((await first.answer()).status, 204);
        late.process.kill('SIGSTOP');
        await until(() => late.isStopped(), 'it has stopped');
        const second = await Client.connect(late.port);
        first.write(`GET ${POLLING}&sid=${sid} HTTP/1.1\r\nHost: test\r\n\r\n`);
        second.write(`POST ${POLLING}&sid=${sid} HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n1`);
        late.process.kill('SIGCONT');
        assert.equal((await first.answer()).body, '6');
        assert.equal((await second.answer()).body, 'ok');
        for (const client of [first, second]) client.destroy();
    } finally {
        await late.stop();
    }
});

test('other methods are refused and hurt nobody', async () => {
    const sid = await server.openPolling();
    for (const method of ['PUT', 'DELETE', 'HEAD']) {
        const { status } = await server.ask(`${POLLING}&sid=${sid}`, { method });
        assert.equal(status, 400);
    }
    assert.equal((await server.post(sid, '40')).text, 'ok');
});

test('heartbeats release a parked GET; no pong ends the session', () => inTime(async () => {
    const quick = await EchoServer.start('--ping-interval', '300', '--ping-timeout', '1000');
    try {
        const sid = await quick.openPolling();
        await quick.post(sid, '40');
        await quick.get(sid);
        for (let i = 0; i < 3; i++) {
            const start = performance.now();
            const { text } = await quick.get(sid);
            const { status } = await quick.post(sid, '3');
            assertInTime(start, 1200, 'the pong came');
            assert.deepEqual([text, status], ['2', 200]);
        }
        assert.equal((await quick.get(sid)).text, '2');
        assert.equal((await quick.get(sid)).text, '1');
        await quick.counted('ping_timeout', 1);
    } finally {
        await quick.stop();
    }
}));
