// Engine.IO 3 with Socket.IO 4 on it, byte for byte as clients 1.x and 2.x see it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { BINARY, EchoServer, frame } from './engineio_wire.mjs';

const POLLING = '/socket.io/?EIO=3&transport=polling';
let server;
before(async () => { server = await EchoServer.start('--eio3'); });
after(() => server.stop());

// Packets as a payload; a length counts UTF-16 units, as a string's does.
const payload = (...packets) => packets.map((text) => `${text.length}:${text}`).join('');

const open = async (query = '') => {
    const { text } = await server.ask(POLLING + query);
    const sid = /sid\\?":\\?"([^"\\]+)/.exec(text)[1];
    return {
        sid,
        text,
        get: () => server.ask(`${POLLING}${query}&sid=${sid}`),
        post: (body, headers = { 'content-type': 'text/plain;charset=UTF-8' }) =>
            server.ask(`${POLLING}${query}&sid=${sid}`, { method: 'POST', body, headers }),
    };
};

for (const [what, query] of [
    ['EIO=3', 'EIO=3&'], ['no EIO', ''], ['another EIO', 'EIO=2&'], ['no number', 'EIO=four&'],
]) {
    test(`a handshake with ${what} is of revision 3`, async () => {
        const { status, headers, text } =
            await server.ask(`/socket.io/?${query}transport=polling`);
        assert.equal(status, 200);
        assert.equal(headers.get('content-type'), 'text/plain; charset=UTF-8');
        const sid = /"sid":"([\w-]{24})"/.exec(text)[1];
        assert.equal(text, payload(`0{"sid":"${sid}","upgrades":["websocket"],` +
            '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'));
    });
}

test('the client is connected unasked, and its query is the auth', async () => {
    const client = await open('&token=a%20b');
    const { text } = await client.get();
    assert.match(text, /^2:40\d+:42\["auth",\{.*"token":"a b"\}\]$/);
});

test('events, acknowledgements, pings and the end', async () => {
    const client = await open();
    await client.get();
    assert.equal((await client.post(payload('42["message","é"]'))).text, 'ok');
    assert.equal((await client.get()).text, payload('42["message-back","\\u00e9"]'));
    await client.post(payload('427["message-with-ack",1]'));
    assert.equal((await client.get()).text, '6:437[1]');
    await client.post('1:2');
    assert.equal((await client.get()).text, '1:3');
    await client.post('6:2probe');
    assert.equal((await client.get()).text, '1:3');
    const parked = client.get();
    await client.post('1:1');
    assert.equal((await parked).text, '1:6');
    assert.deepEqual(JSON.parse((await client.get()).text),
        { code: 1, message: 'Session ID unknown' });
});

test('text that client 1.x encoded twice', async () => {
    const client = await open();
    await client.get();
    const once = Buffer.from('42["message","😀"]').toString('latin1');
    await client.post(payload(once));
    assert.equal((await client.get()).text, payload('42["message-back","\\ud83d\\ude00"]'));
});

test('another namespace is refused with a string', async () => {
    const client = await open();
    await client.get();
    await client.post(payload('40/other'));
    assert.equal((await client.get()).text, payload('44/other,"Invalid namespace"'));
    await client.post(payload('40/custom?a=1'));
    assert.equal((await client.get()).text, payload('40/custom,', '42/custom,["auth",{"a":"1"}]'));
});

test('binary payloads, both ways', async () => {
    const client = await open();
    await client.get();
    const event = '451-["message",{"_placeholder":true,"num":0}]';
    const digits = (length) => [...String(length)].map(Number);
    const body = Buffer.concat([
        Buffer.from([0, ...digits(event.length), 255]), Buffer.from(event),
        Buffer.from([1, ...digits(4), 255, 4, 1, 2, 3]),
    ]);
    const { text } = await client.post(body, { 'content-type': 'application/octet-stream' });
    assert.equal(text, 'ok');
    const answer = await fetch(`${server.url}${POLLING}&sid=${client.sid}`);
    assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
    const back = '451-["message-back",{"_placeholder":true,"num":0}]';
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.concat([
        Buffer.from([0, ...digits(back.length), 255]), Buffer.from(back),
        Buffer.from([1, ...digits(4), 255, 4, 1, 2, 3]),
    ]));
});

test('b64=1: bytes go out as text', async () => {
    const client = await open('&b64=1');
    await client.get();
    await client.post(payload('451-["message",{"_placeholder":true,"num":0}]', 'b4AQIDBA=='));
    assert.equal((await client.get()).text,
        payload('451-["message-back",{"_placeholder":true,"num":0}]', 'b4AQIDBA=='));
});

test('a WebSocket: open, connect, ping; bytes begin with their type', async () => {
    const socket =
        await server.openWebSocket({ target: '/socket.io/?EIO=3&transport=websocket' });
    assert.match(await socket.next(), /^0\{"sid".*"upgrades":\[\]/);
    assert.equal(await socket.next(), '40');
    await socket.next();
    socket.say('2');
    assert.equal(await socket.next(), '3');
    socket.say('2probe');
    assert.equal(await socket.next(), '3');
    socket.say('451-["message",{"_placeholder":true,"num":0}]');
    socket.write(frame(BINARY, [4, 1, 2]));
    assert.equal(await socket.next(), '451-["message-back",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await socket.next(), Buffer.from([4, 1, 2]));
    socket.say('3');
    assert.equal(await socket.closed(), 1002);
});

for (const [what, body] of [
    ['an empty payload', ''], ['no length', '4hello'], ['a length too long', '9:4hello'],
    ['an unknown type', '1:9'], ['a payload of revision 4', '42["message"]'],
]) {
    test(`${what} ends the session`, async () => {
        const client = await open();
        await client.get();
        assert.equal((await client.post(body)).text, 'ok'); // as socket.io 4.8 answers
        assert.deepEqual(JSON.parse((await client.get()).text),
            { code: 1, message: 'Session ID unknown' });
    });
}

test('a revision cannot change within a session', async () => {
    const client = await open();
    const { status, text } =
        await server.ask(`/socket.io/?EIO=4&transport=polling&sid=${client.sid}`);
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(text), { code: 3, message: 'Bad request' });
});

test('a body that is too large is refused, and the session goes on', async () => {
    const client = await open();
    await client.get();
    assert.equal((await client.post('x'.repeat(1000001))).status, 413);
    await client.post('1:2');
    assert.equal((await client.get()).text, '1:3');
});

test('JSONP: answers are scripts, posts are forms', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const client = await open('&j=0');
    assert.match(client.text, /^___eio\[0\]\("\d+:0\{\\"sid\\":.*\}"\);$/);
    const { headers, text } = await client.get();
    assert.equal(headers.get('content-type'), 'text/javascript; charset=UTF-8');
    assert.match(text, /^___eio\[0\]\("2:40\d+:42\[.*\]"\);$/);
    const said = payload('42["message","a\\nb"]').replaceAll('\\n', '\\\\n');
    const body = new URLSearchParams({ d: said }).toString();
    assert.equal((await client.post(body, form)).text, 'ok');
    let received;
    new Function('___eio', (await client.get()).text)({ 0: (payload) => { received = payload; } });
    assert.equal(received, payload('42["message-back","a\\nb"]'));
});

test('JSONP: the line ends of scripts', async () => {
    const client = await open('&j=1');
    await client.get();
    const text = '42["message","\\u2028é"]';
    await client.post(new URLSearchParams({ d: payload(text) }).toString(),
        { 'content-type': 'application/x-www-form-urlencoded' });
    const answer = (await client.get()).text;
    assert.match(answer, /message-back/);
    assert.doesNotMatch(answer, /[\u2028\u2029]/);
});

test('answers from 1 024 bytes on are compressed where the client takes it', async () => {
    for (const [accepted, decode] of [
        ['gzip, deflate, br', zlib.gunzipSync], ['deflate', zlib.inflateSync], ['br', null],
    ]) {
        const client = await open();
        await client.get();
        const ask = () => fetch(`${server.url}${POLLING}&sid=${client.sid}`,
            { headers: { 'accept-encoding': accepted } });
        const said = `42["message","${'x'.repeat(2000)}"]`;
        await client.post(payload(said));
        const large = await ask();
        assert.equal(large.headers.get('content-encoding'),
            decode ? accepted.split(',')[0] : null);
        assert.match(await large.text(), /^\d+:42\["message-back","x{2000}"\]$/);
        await client.post('1:2');
        const small = await ask();
        assert.equal(small.headers.get('content-encoding'), null);
        assert.equal(await small.text(), '1:3');
    }
});
