// The options of Socket.IO, as requests meet them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io } from 'socket.io-client';

import { EchoServer, POLLING } from './engineio_wire.mjs';

const ORIGIN = 'https://app.example';

const withServer = (words, body) => async () => {
    const server = await EchoServer.start(...words);
    try {
        await body(server);
    } finally {
        await server.stop();
    }
};

const upgrade = async (server, headers) => {
    const socket = io(server.url,
        { transports: ['websocket'], extraHeaders: headers, reconnection: false, forceNew: true });
    const result = await new Promise((resolve) => {
        socket.on('connect', () => resolve('connected'));
        socket.on('connect_error', (error) => resolve(error.description?.message ?? error.message));
    });
    socket.disconnect();
    return result;
};

const refusal = async (server, target) => {
    const { status, text } = await server.ask(target);
    return [status, JSON.parse(text)];
};

test('every origin may read and send credentials, by default', withServer([], async (server) => {
    const { headers } = await server.ask(POLLING, { headers: { origin: ORIGIN } });
    assert.equal(headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal(headers.get('access-control-allow-credentials'), 'true');
    assert.equal(headers.get('vary'), 'Origin');
    assert.equal(await upgrade(server, { origin: ORIGIN }), 'connected');
}));

test('--cors-origin narrows it', withServer(
    ['--cors-origin', `${ORIGIN},http://localhost:8080`], async (server) => {
        for (const [origin, expected] of [
            [ORIGIN, ORIGIN], ['http://localhost:8080', 'http://localhost:8080'],
            ['https://evil.example', null], [`${ORIGIN}.evil.example`, null],
        ]) {
            const { headers } = await server.ask(POLLING, { headers: { origin } });
            assert.equal(headers.get('access-control-allow-origin'), expected);
            assert.equal(headers.get('vary'), 'Origin');
        }
        assert.equal(await upgrade(server, { origin: ORIGIN }), 'connected');
        assert.equal(await upgrade(server, { origin: server.url }), 'connected');
        assert.equal(await upgrade(server, {}), 'connected');
        assert.match(await upgrade(server, { origin: 'https://evil.example' }), /403/);
    }));

test('--cors-origin "*" is for everybody, without credentials', withServer(
    ['--cors-origin', '*'], async (server) => {
        const { headers } = await server.ask(POLLING, { headers: { origin: ORIGIN } });
        assert.equal(headers.get('access-control-allow-origin'), '*');
        assert.equal(headers.get('access-control-allow-credentials'), null);
        assert.equal(await upgrade(server, { origin: ORIGIN }), 'connected');
    }));

test('--cookie gives the id once', withServer(['--cookie', 'io', '--eio3'], async (server) => {
    for (const target of [POLLING, '/socket.io/?EIO=3&transport=polling']) {
        const { headers, text } = await server.ask(target);
        const sid = /"sid":"([^"]+)"/.exec(text)[1];
        assert.equal(headers.get('set-cookie'), `io=${sid}; Path=/; HttpOnly; SameSite=Lax`);
        const next = await server.ask(`${target}&sid=${sid}`, { method: 'POST', body: '' });
        assert.equal(next.headers.get('set-cookie'), null);
    }
}));

test('--path moves everything', withServer(['--path', '/chat'], async (server) => {
    assert.equal((await server.ask('/chat/?EIO=4&transport=polling')).status, 200);
    assert.equal((await server.ask(POLLING)).status, 404);
}));

test('--transports polling: no WebSocket is offered or taken', withServer(
    ['--transports', 'polling'], async (server) => {
        const { text } = await server.ask(POLLING);
        assert.deepEqual(JSON.parse(text.slice(1)).upgrades, []);
        assert.deepEqual(await refusal(server, '/socket.io/?EIO=4&transport=websocket'),
            [400, { code: 0, message: 'Transport unknown' }]);
    }));

test('--transports websocket: no polling', withServer(
    ['--transports', 'websocket'], async (server) => {
        assert.deepEqual(await refusal(server, POLLING),
            [400, { code: 0, message: 'Transport unknown' }]);
        assert.equal(await upgrade(server, {}), 'connected');
    }));

test('generation 3 is off without its option', withServer([], async (server) => {
    assert.deepEqual(await refusal(server, '/socket.io/?EIO=3&transport=polling'),
        [400, { code: 5, message: 'Unsupported protocol version' }]);
}));

test('--raw: Engine.IO stands alone', withServer(
    ['--raw', '--path', '/engine.io/'], async (server) => {
        const target = '/engine.io/?EIO=4&transport=polling';
        const { sid } = JSON.parse((await server.ask(target)).text.slice(1));
        await server.ask(`${target}&sid=${sid}`, { method: 'POST', body: '4any text\x1ebAQIDBA==' });
        assert.equal((await server.ask(`${target}&sid=${sid}`)).text, '4any text\x1ebAQIDBA==');
    }));
