// Engine.IO over WebSocket, frame by frame, and the upgrade to it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { pause, until } from '../lib/until.mjs';
import { BINARY, CLOSE, CONTINUATION, EchoServer, frame, isInstrumented, PING, SEPARATOR, TEXT }
    from './engineio_wire.mjs';
import { Client, get } from './http_wire.mjs';

const IDLE = 3000;
const IDLE_BYTES_MAX = 2600; // of a joined socket: the cluster's budget less what chat needs
const MAX_MESSAGE = 1000000;
const STALL_MS = 9900; // OUTBOX_STALL_MS, and the server's clock

let server;
before(async () => { server = await EchoServer.start(); });
after(() => server.stop());

const assertEchoes = async (socket, word = 'still here') => {
    socket.say(`42["message","${word}"]`);
    assert.equal(await socket.next(), `42["message-back","${word}"]`);
};

test('the handshake, and the open packet', async () => {
    const socket = await server.openWebSocket();
    assert.equal(socket.handshake.status, 101);
    assert.equal(socket.handshake.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    assert.equal(socket.handshake.headers['sec-websocket-extensions'], undefined);
    const { sid, ...rest } = JSON.parse((await socket.next()).slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{24}$/);
    assert.deepEqual(rest, { upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
    socket.destroy();
});

test('heads that other parsers choke on are taken', async () => {
    const headers = `Cookie: ${'c'.repeat(6000)}\r\nSec-WebSocket-Extensions: ${'permessage-deflate; '
        .repeat(20)}client_max_window_bits\r\nSec-WebSocket-Protocol: chat.v2, other\r\nOrigin: http://example.org\r\n`;
    const socket = await server.join({ headers });
    assert.equal(socket.handshake.headers['sec-websocket-protocol'], 'chat.v2');
    await assertEchoes(socket);
    socket.destroy();
});

test('an upgrade on a connection that has served requests before', async () => {
    const client = await Client.connect(server.port);
    client.write(get('/nothing'));
    assert.equal((await client.answer()).status, 404);
    client.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\n'
        + 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    await until(() => client.received.includes('maxPayload'), 'the open packet');
    client.destroy();
});

test('upgrades that are none', async () => {
    for (const options of [{ version: 8 }, { key: 'short' }, { target: '/socket.io/?EIO=4&transport=websocket&sid=abc' },
        { target: `/socket.io/?EIO=4&transport=websocket&sid=${'X'.repeat(24)}` },
        { target: '/socket.io/?EIO=3&transport=websocket' }]) {
        const socket = await server.openWebSocket(options);
        assert.equal(socket.handshake.status, 400, JSON.stringify(options));
        socket.destroy();
    }
});

test('frames that come with the handshake are not lost', async () => {
    const early = Buffer.concat([frame(TEXT, '40'), frame(TEXT, '42["message","early"]')]);
    const socket = await server.openWebSocket({ early });
    assert.equal((await socket.next())[0], '0');
    assert.match(await socket.next(), /^40/);
    assert.equal(await socket.next(), '42["auth",{}]');
    assert.equal(await socket.next(), '42["message-back","early"]');
    await assertEchoes(socket);
    socket.destroy();
});

test('frames in any cut of segments', async () => {
    const socket = await server.join();
    const bytes = Buffer.concat([1, 2, 3].map((n) => frame(TEXT, `42["message",${n},"${'é'.repeat(n * 70)}"]`)));
    for (let i = 0; i < bytes.length; i += 7) {
        await new Promise((resolve) => { socket.socket.write(bytes.subarray(i, i + 7), resolve); });
    }
    for (const n of [1, 2, 3]) assert.equal(await socket.next(), `42["message-back",${n},"${'é'.repeat(n * 70)}"]`);
    socket.destroy();
});

test('fragments, with a ping between them', async () => {
    const socket = await server.join();
    socket.write(frame(TEXT, '42["mess', { final: false }));
    socket.write(frame(PING, 'are you there'));
    assert.equal(await socket.ponged(), 'are you there');
    socket.write(frame(CONTINUATION, 'age","', { final: false }));
    socket.write(frame(CONTINUATION, '', { final: false }));
    socket.write(frame(CONTINUATION, 'whole"]'));
    assert.equal(await socket.next(), '42["message-back","whole"]');
    await assertEchoes(socket);
    socket.destroy();
});

test('messages up to the limit, both ways, byte for byte', async () => {
    const socket = await server.join();
    const frameOf = (length) => `42["message","${'x'.repeat(length - '42["message",""]'.length)}"]`;
    for (const length of [125, 126, 127, 511, 512, 513, 4096, 65535, 65536, 500000, MAX_MESSAGE]) {
        const text = frameOf(length);
        assert.equal(text.length, length);
        socket.say(text);
        assert.equal(await socket.next(), text.replace('message', 'message-back'));
    }
    socket.destroy();
});

test('a message over the limit is refused, whole or in fragments, announced or counted', async () => {
    const before = (await server.counters()).too_large;
    const announced = await server.join();
    announced.write(Buffer.from([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0x34]));
    assert.equal(await announced.closed(), 1009);
    const counted = await server.join();
    counted.write(frame(TEXT, `4${'x'.repeat(600000)}`, { final: false }));
    counted.write(frame(CONTINUATION, 'x'.repeat(600000)));
    assert.equal(await counted.closed(), 1009);
    await server.counted('too_large', before + 2);
    announced.destroy();
    counted.destroy();
});

test('binary messages are attachments', async () => {
    const socket = await server.join();
    socket.say('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    socket.write(frame(BINARY, Buffer.alloc(1000, 7)));
    socket.write(frame(BINARY, ''));
    assert.equal(await socket.next(), '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    assert.deepEqual(await socket.next(), Buffer.alloc(1000, 7));
    assert.deepEqual(await socket.next(), Buffer.alloc(0));
    socket.destroy();
});

test('text that is not UTF-8 ends the connection', async () => {
    for (const bytes of [[0x34, 0xff], [0x34, 0xc3], [0x34, 0xed, 0xa0, 0x80]]) {
        const socket = await server.join();
        socket.write(frame(TEXT, Buffer.from(bytes)));
        assert.equal(await socket.closed(), 1007);
        socket.destroy();
    }
});

test('frames that break the protocol end the connection', async () => {
    for (const bytes of [
        Buffer.from([0x83, 0x80, 0, 0, 0, 0]),          // opcode 3
        Buffer.from([0xc1, 0x81, 0, 0, 0, 0, 0x34]),    // a reserved bit
        Buffer.from([0x80, 0x81, 0, 0, 0, 0, 0x34]),    // a continuation of nothing
        Buffer.from([0x09, 0x80, 0, 0, 0, 0]),          // a ping in fragments
        Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]),  // a long ping
    ]) {
        const socket = await server.join();
        socket.write(bytes);
        await socket.closed();
        socket.destroy();
    }
});

test('packets that break the protocol end the connection, and only this one', async () => {
    const other = await server.join();
    for (const [text, code] of [['', 1002], ['abc', 1002], ['4abc', 1002], ['42["a"', 1002], ['2', 1002],
        ['42/admin,["a"]', 1002], ['1', 1000]]) {
        const socket = await server.join();
        socket.say(text);
        assert.equal(await socket.closed(), code, JSON.stringify(text));
        socket.destroy();
    }
    await assertEchoes(other);
    other.destroy();
});

test('a client that closes is answered and gone', async () => {
    const before = await server.counters();
    const socket = await server.join();
    socket.write(frame(CLOSE, Buffer.from([0x03, 0xe8])));
    assert.equal(await socket.closed(), 1000);
    socket.destroy();
    await server.counted('transport', before.transport + 1);
    await server.counted('connections', before.connections);
});

test('a client that vanishes is gone', async () => {
    const before = await server.counters();
    const sockets = await Promise.all([1, 2, 3].map(() => server.join()));
    sockets[0].client.reset();
    sockets[1].client.finish();
    sockets[2].destroy();
    await server.counted('transport', before.transport + 3);
    await server.counted('connections', before.connections);
});

test('what is emitted in one turn leaves in few calls, in order', async () => {
    const socket = await server.join();
    const before = await server.counters();
    socket.say('42["burst",2000]');
    for (let i = 0; i < 2000; i++) assert.equal(await socket.next(), `42["tick",${i}]`);
    const after = await server.counters();
    assert.equal(after.packets_out - before.packets_out, 2000);
    assert.ok(after.flushes - before.flushes <= 2000 / 64 + 5, `${after.flushes - before.flushes} calls`);
    socket.destroy();
});

test('a client that stops reading and goes on later loses nothing', async () => {
    const socket = await server.join();
    const big = 'x'.repeat(100000);
    socket.socket.pause();
    for (let i = 0; i < 30; i++) socket.say(`42["message",${i},"${big}"]`);
    await until(async () => {
        const { packets_out: out } = await server.counters();
        await pause(100);
        return out === (await server.counters()).packets_out;
    }, 'a standstill');
    socket.socket.resume();
    for (let i = 0; i < 30; i++) assert.equal(await socket.next(), `42["message-back",${i},"${big}"]`);
    await assertEchoes(socket);
    socket.destroy();
});

test('a client that does not read at all is cut, and nobody else slows down', async () => {
    const before = await server.counters();
    const [stuck, other] = [await server.join(), await server.join()];
    stuck.socket.pause();
    const news = `42["broadcast","${'x'.repeat(900000)}"]`;
    for (let i = 0; i < 30; i++) { // far over the hard limit, at four times 4 MiB
        other.say(news);
        assert.ok((await other.next()).startsWith('42["news"'));
    }
    await until(async () => {
        const { outbox_full: full, slow_consumer: slow } = await server.counters();
        return full + slow === before.outbox_full + before.slow_consumer + 1;
    }, 'the end of the one that does not read');
    await server.counted('connections', before.connections + 1);
    await assertEchoes(other);
    stuck.destroy();
    other.destroy();
});

test('a client that is behind and takes nothing is cut after a while', async () => {
    // What is sent is over the soft limit and under the hard one, whatever the kernel holds of it.
    const small = await EchoServer.start('--outbox', '2000000');
    try {
        const [stuck, other] = [await small.join(), await small.join()];
        stuck.socket.pause();
        const news = `42["broadcast","${'x'.repeat(100000)}"]`;
        const begun = performance.now();
        for (let i = 0; i < 60; i++) {
            other.say(news);
            assert.ok((await other.next()).startsWith('42["news"'));
        }
        await until(async () => (await small.counters()).slow_consumer === 1, 'the end of it', 60000);
        assert.ok(performance.now() - begun >= STALL_MS);
        assert.equal((await small.counters()).outbox_full, 0);
        await assertEchoes(other);
        stuck.destroy();
        other.destroy();
    } finally {
        await small.stop();
    }
});

test('volatile events are dropped for it before it is cut', async () => {
    const small = await EchoServer.start('--outbox', '20000', '--send-buffer', '4096');
    try {
        const socket = await small.join();
        socket.socket.pause();
        for (let i = 0; i < 30; i++) socket.say('42["volatile-burst",20000]');
        await pause(300);
        assert.equal((await small.counters()).slow_consumer, 0);
        socket.socket.resume();
        socket.say('42["message","end"]');
        const end = '42["message-back","end"]';
        let text;
        do text = await socket.next(); while (text !== end);
        socket.destroy();
    } finally {
        await small.stop();
    }
});

test('an upgrade, with packets of every moment', async () => {
    const sid = await server.openPolling();
    await server.post(sid, '40');
    await server.get(sid);
    const parked = server.get(sid);
    const socket = await server.openWebSocket({ query: `&sid=${sid}` });
    assert.equal(socket.handshake.status, 101);
    socket.say('2probe');
    assert.equal(await socket.next(), '3probe');
    assert.equal((await parked).text, '6');
    await server.post(sid, '42["message",1]');
    assert.equal((await server.get(sid)).text, '42["message-back",1]');
    await server.post(sid, '42["message",2]');
    socket.say('5');
    assert.equal(await socket.next(), '42["message-back",2]');
    await assertEchoes(socket);

    assert.equal((await server.get(sid)).status, 400);
    assert.equal((await server.post(sid, '42["message"]')).status, 400);
    const second = await server.openWebSocket({ query: `&sid=${sid}` });
    await second.closed();
    await assertEchoes(socket);
    second.destroy();
    socket.destroy();
});

test('a POST that is on its way when the upgrade completes is taken', async () => {
    const sid = await server.openPolling();
    await server.post(sid, '40');
    await server.get(sid);
    const late = await Client.connect(server.port);
    const body = `42["message","late"]${SEPARATOR}42["message","later"]`;
    const text = `POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: test\r\n`
        + `Content-Length: ${body.length}\r\n\r\n${body}`;
    late.write(text.slice(0, -5));
    const socket = await server.openWebSocket({ query: `&sid=${sid}` });
    socket.say('2probe');
    assert.equal(await socket.next(), '3probe');
    socket.say('5');
    await assertEchoes(socket, 'first');
    late.write(text.slice(-5));
    assert.equal((await late.answer()).body, 'ok');
    assert.equal(await socket.next(), '42["message-back","late"]');
    assert.equal(await socket.next(), '42["message-back","later"]');
    late.destroy();
    socket.destroy();
});

test('a probe that fails leaves polling alone', async () => {
    const sid = await server.openPolling();
    await server.post(sid, '40');
    await server.get(sid);
    for (const words of [['nonsense'], ['2probe', '42["a"]'], []]) {
        const socket = await server.openWebSocket({ query: `&sid=${sid}` });
        for (const word of words) socket.say(word);
        if (words.length > 0) await socket.closed();
        socket.destroy();
        await server.post(sid, '42["message",1]');
        assert.equal((await server.get(sid)).text, '42["message-back",1]');
    }
    await until(async () => (await server.counters()).connections === 0, 'no connections');
});

test('idle sockets are small, cost nothing, and end with the server', async () => {
    const sockets = [];
    const open = async (count) => {
        for (let left = count; left > 0; left -= 100) {
            sockets.push(...await Promise.all(Array.from({ length: 100 }, () => server.join())));
        }
    };
    await open(200);
    const rss = server.rss();
    await open(IDLE);
    const bytes = (server.rss() - rss) / IDLE;
    const cpu = server.cpuMs();
    await pause(500);
    const busy = server.cpuMs() - cpu;
    console.log(`${IDLE} idle joined sockets: ${bytes.toFixed(0)} bytes of RSS each`);
    if (!isInstrumented()) assert.ok(bytes <= IDLE_BYTES_MAX);
    assert.ok(busy <= 50, `${busy} ms of CPU in half a second`);
    assert.equal((await server.counters()).connections, IDLE + 200);
    sockets.forEach((socket) => socket.destroy());
    await server.counted('connections', 0);
});
