// Binary values and the msgpack parser through a whole cluster: what one client puts in, every
// other one takes out, whichever parser and transport it has, live, replayed or from the store.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import msgpack from 'socket.io-msgpack-parser';

import { Clients, SEND_MESSAGE, THINKING } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const MAX_BYTES = 1000000;
const MAX_ATTACHMENTS = 10;
const MANY_BYTES = 700000; // in one message that fits a POST when it is base64

let cluster;
const clients = new Clients();

before(async () => { cluster = await startCluster(); });
after(() => {
    clients.stop();
    return cluster?.stop();
});
afterEach(clients.stop);

const KINDS = [
    { kind: 'json over websocket', transport: 'websocket', edge: 0 },
    { kind: 'json over polling', transport: 'polling', edge: 1 },
    { kind: 'msgpack over websocket', transport: 'websocket', edge: 1, options: { parser: msgpack } },
    { kind: 'msgpack over polling', transport: 'polling', edge: 0, options: { parser: msgpack } },
    { kind: 'msgpack with an upgrade', transport: 'upgrade', edge: 1, options: { parser: msgpack } },
];
const connect = ({ edge, transport, options }) =>
    clients.connect({ url: cluster.edges[edge].url, transport, options });

// One member of each kind in one room.
const crowd = async () => {
    const roomId = randomUUID();
    const members = [];
    for (const kind of KINDS) {
        const member = await connect(kind);
        const joined = await member.join(roomId);
        assert.equal(joined.success, true, kind.kind);
        members.push({ ...kind, member });
    }
    return { roomId, members };
};

const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const values = () => ({
    attachments: [{ id: 'a', contentType: 'image/png', data: every }, { id: 'b', data: Buffer.alloc(0) }],
    metadata: {
        text: 'a "quote", \\, \u0000, é and 😀', numbers: [0, -1, 127, 128, -33, 65536, 2 ** 40, 1.5, -1e-7],
        nothing: null, flags: [true, false], empty: [{}, []],
        deep: [{ in: { the: [every.subarray(1, 3)] } }],
        looksLikeOne: '{"_placeholder":true,"num":0}',
    },
});
const payload = (roomId, member, more) => ({
    roomId, senderId: member.entityId, senderName: 'Ada', message: 'with bytes',
    messageId: randomUUID(), ...more,
});
const send = (member, given) =>
    member.emit('message', { type: SEND_MESSAGE, payload: given });
const shown = (bytes) => ({ type: 'Buffer', base64: Buffer.from(bytes).toString('base64') });
const history = async (roomId) => {
    const url = `${cluster.edges[0].url}/api/messaging/channels/${roomId}/messages`;
    const page = () => fetch(url).then((response) => (response.ok ? response.json() : null));
    return (await until(page, 'the history is there')).data.messages;
};

describe('binary values', TEST_OPTIONS, () => {
    it('reach every member intact, whoever sends', async () => {
        const { roomId, members } = await crowd();
        for (const { kind, member } of members) {
            const given = payload(roomId, member, values());
            const ack = await send(member, given);
            assert.equal(ack.success, true, kind);
            assert.equal(ack.clientMessageId, given.messageId);
            for (const other of members) {
                const seen = await other.member.event('messageBroadcast', ({ id }) => id === ack.messageId);
                const what = `from ${kind} to ${other.kind}`;
                assert.deepEqual(seen.metadata, given.metadata, what);
                assert.deepEqual(seen.attachments, given.attachments, what);
                assert.equal(seen.text, 'with bytes');
                assert.equal(seen.clientMessageId, other.member === member ? given.messageId : undefined);
            }
        }
    });

    it('get their answer from an agent', async () => {
        const { roomId, members } = await crowd();
        const asker = members[2].member;
        const ack = await send(asker, payload(roomId, asker, values()));
        for (const { member } of members) {
            assert.equal((await member.reply(ack.messageId)).inReplyTo, ack.messageId);
            await member.event('messageComplete');
        }
    });

    it('are Buffers in base64 to REST, and survive the router in replays', async () => {
        const { roomId, members } = await crowd();
        const given = payload(roomId, members[0].member, values());
        const ack = await send(members[0].member, given);
        const check = async () => {
            const stored = (await history(roomId)).find(({ id }) => id === ack.messageId);
            assert.deepEqual(stored.metadata.deep, [{ in: { the: [shown([1, 2])] } }]);
            assert.equal(stored.metadata.looksLikeOne, given.metadata.looksLikeOne);
            assert.deepEqual(stored.rawMessage.attachments.map(({ data }) => data), [shown(every), shown([])]);
        };
        await check();
        await cluster.router.restart('SIGKILL');
        await Promise.all(cluster.edges.map((edge) => edge.waitReady()));
        await check();
        for (const kind of KINDS) {
            const late = await connect(kind);
            await late.emit('message', { type: 1, payload: { roomId, entityId: late.entityId, since: 0 } });
            const replayed = await late.event('messageBroadcast', ({ id }) => id === ack.messageId);
            assert.equal(replayed.replay, true);
            assert.deepEqual(replayed.metadata, given.metadata, kind.kind);
            assert.deepEqual(replayed.attachments, given.attachments, kind.kind);
        }
    });

    it('that nothing names are dropped, and an object that only looks like one is left alone', async () => {
        const { roomId, members } = await crowd();
        const literal = { _placeholder: true, num: 0 };
        for (const more of [{ metadata: { literal } }, { metadata: { a: 1 }, unknown: every }]) {
            const ack = await send(members[0].member, payload(roomId, members[0].member, more));
            for (const { kind, member } of members) {
                const seen = await member.event('messageBroadcast', ({ id }) => id === ack.messageId);
                assert.deepEqual(seen.metadata, more.metadata, kind);
            }
        }
    });

    it('are bounded in number and in bytes', async () => {
        const many = (count) => ({ metadata: { list: Array.from({ length: count }, (_, i) => Buffer.from([i])) } });
        const large = (bytes) => ({ metadata: { half: Buffer.alloc(bytes / 2), other: Buffer.alloc(bytes / 2) } });
        const { roomId, members } = await crowd();
        for (const { kind, member } of members) {
            for (const fits of [many(MAX_ATTACHMENTS), large(MANY_BYTES)]) {
                const ack = await send(member, payload(roomId, member, fits));
                assert.equal(ack.success, true, kind);
            }
            const seen = await members[0].member.event('messageBroadcast',
                ({ senderId, metadata }) => senderId === member.entityId && metadata.half);
            assert.equal(seen.metadata.other.length, MANY_BYTES / 2);
        }
        for (const { member } of members.slice(2)) {
            const ack = await send(member, payload(roomId, member, many(MAX_ATTACHMENTS + 1)));
            assert.equal(ack.code, 'limit_reached');
        }
        for (const [over, kinds] of [
            [many(MAX_ATTACHMENTS + 1), KINDS.slice(0, 2)], [many(65), KINDS.slice(2)], [large(MAX_BYTES + 2), KINDS],
        ]) {
            for (const kind of kinds) {
                const member = await clients.connect({ url: cluster.edges[kind.edge].url,
                    transport: kind.transport, options: { ...kind.options, reconnection: false } });
                member.socket.emit('message', { type: SEND_MESSAGE, payload: payload(roomId, member, over) });
                await until(() => !member.socket.connected, `${kind.kind} is cut`);
            }
        }
    });
});

describe('the msgpack parser', TEST_OPTIONS, () => {
    it('hears every event that others hear', async () => {
        const { roomId, members } = await crowd();
        const [speaker, ...others] = members;
        const { entityId } = speaker.member;
        await speaker.member.emit('typing', { roomId, userId: entityId, isTyping: true });
        await speaker.member.emit('message',
            { type: THINKING, payload: { roomId, userId: entityId, isThinking: true } });
        for (const { kind, member } of others) {
            assert.deepEqual(await member.event('userTyping'), { roomId, userId: entityId, isTyping: true }, kind);
            assert.deepEqual(await member.event('thinking', ({ userId }) => userId === entityId),
                { roomId, channelId: roomId, userId: entityId, isThinking: true });
        }
        const reports = await Promise.all(members.map(({ member }) => member.emit('message', { type: 2, payload: {} })));
        for (const report of reports) assert.deepEqual(report, reports[0]);
        const names = members.map(({ member }) => new Set(member.names));
        for (const set of names) assert.ok(set.has('messageError') && set.has('room_joined'));
    });

    it('is refused other namespaces in its own words', async () => {
        const member = await connect(KINDS[2]);
        const other = member.socket.io.socket('/other');
        const error = await new Promise((resolve) => { other.once('connect_error', resolve); });
        assert.equal(error.message, 'Invalid namespace');
        assert.equal(member.socket.connected, true);
    });

    it('may send dates and undefined', async () => {
        const { roomId, members } = await crowd();
        const date = new Date(1700000000123);
        const ack = await send(members[2].member, payload(roomId, members[2].member,
            { metadata: { date, none: undefined, list: [undefined], view: new Uint8Array([1, 2]) } }));
        const seen = await members[0].member.event('messageBroadcast', ({ id }) => id === ack.messageId);
        assert.deepEqual(seen.metadata, { date: date.toISOString(), list: [null], view: Buffer.from([1, 2]) });
    });
});
