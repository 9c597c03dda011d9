// Every member of a room gets every message exactly once and in one common order, every question
// gets exactly one final reply, in the order of the questions, whatever is killed or cut meanwhile.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';

import { ChatClient, ROOM_JOINING, SEND_MESSAGE, TRANSPORTS } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { pause, until } from '../lib/until.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const CLIENTS = 20;
const ROOMS = 5;
const COUNT = IS_LONG ? 2000 : 500;      // messages of each client
const KILLS = IS_LONG ? 10 : 1;
const WINDOW = 10;              // messages of one client that wait for their acknowledgement
const ACK_TIMEOUT_MS = 4000;    // then the client sends the same message again
const PATIENCE_MS = 30000;      // of clients whose messages are not to get lost
const TIMEOUT_MS = 300000;       // of all of them, on a machine that has other things to do
const BUS_TIMEOUT = ['--bus-timeout', '500ms'];

// A client in one room that sends, repeats what is not acknowledged, and keeps the broadcasts.
class Talker {
    acks = new Map();       // by messageId of the client
    repeated = 0;
    refusals = [];
    #next = 0;
    #isJoined = false;
    #seen = null;           // the newest broadcast: where it goes on after a reconnect

    constructor({ name, url, transport, roomId, ackTimeoutMs }) {
        Object.assign(this, { name, roomId, ackTimeoutMs });
        this.client = new ChatClient({
            url, transport, entityId: name, keep: ['messageBroadcast', 'room_joined'],
        });
        this.client.socket.on('messageBroadcast', (data) => { this.#seen = data; });
        this.client.socket.on('connect', () => this.#join());
        this.client.socket.on('room_joined', () => { this.#isJoined = true; });
        this.client.socket.on('disconnect', () => { this.#isJoined = false; });
    }

    get broadcasts() {
        return this.client.broadcasts;
    }

    get joins() {
        return this.client.received('room_joined');
    }

    // It has had one connection all the time: the second join is that of settle().
    get hasStayed() {
        return this.joins.length === 2;
    }

    // After a reconnect it asks for what it missed.
    #join() {
        const since = this.#seen === null ? {}
            : { since: this.#seen.seq, sinceEpoch: this.#seen.epoch };
        this.client.socket.emit('message', {
            type: ROOM_JOINING, payload: { roomId: this.roomId, entityId: this.name, ...since },
        });
    }

    // It is connected and a member: nothing waits in the client to be sent ahead of the join.
    get #isMember() {
        return this.client.socket.connected && this.#isJoined;
    }

    async sendAll(count) {
        const worker = async () => {
            while (this.#next < count) await this.#send(this.#next++);
        };
        await Promise.all(Array.from({ length: WINDOW }, worker));
    }

    async #send(number) {
        const payload = {
            senderId: this.name, senderName: this.name, message: `${this.name} says ${number}`,
            roomId: this.roomId, messageId: `${this.name}/${number}`, source: 'exactly_once',
            attachments: [], metadata: { number },
        };
        for (let tries = 0; tries < 60; tries++) {
            if (tries > 0) this.repeated++;
            await until(() => this.#isMember, `${this.name} is a member`, 30000);
            try {
                const ack = await this.client.socket.timeout(this.ackTimeoutMs)
                    .emitWithAck('message', { type: SEND_MESSAGE, payload });
                if (ack.success) {
                    this.acks.set(payload.messageId, ack);
                    return;
                }
                this.refusals.push(ack.code);
                await pause(ack.retryAfterMs ?? 0);
            } catch {
                // Not acknowledged: the connection or the answer was lost.
            }
        }
        throw new Error(`${payload.messageId} was never acknowledged`);
    }
}

// Adds the talkers to the list as they start; resolves with the rooms once they are members.
const startTalkers = async (talkers, urls, {
    clients = CLIENTS, rooms = ROOMS, ackTimeoutMs = ACK_TIMEOUT_MS,
} = {}) => {
    const roomIds = Array.from({ length: rooms }, () => randomUUID());
    const transports = Object.keys(TRANSPORTS);
    for (let i = 0; i < clients; i++) {
        talkers.push(new Talker({
            name: `client-${i}`, url: urls[i % urls.length], roomId: roomIds[i % rooms],
            ackTimeoutMs,
            // Each room has members on every edge and, all in all, every transport.
            transport: transports[Math.floor(i / rooms) % transports.length],
        }));
    }
    await until(() => talkers.every(({ joins }) => joins.length > 0), 'every client has joined',
        30000);
    return roomIds;
};

const isReply = ({ inReplyTo }) => inReplyTo !== undefined;

const assertOrdered = (talker) => {
    talker.broadcasts.reduce((last, { seq, epoch, id }) => {
        assert.ok(seq > last.seq, `${talker.name} got ${id} out of order or twice`);
        assert.equal(epoch, last.epoch);
        return { seq, epoch };
    }, { seq: 0, epoch: talker.broadcasts[0].epoch });
};

const assertOwnCopies = (talker) => {
    for (const message of talker.broadcasts.filter(({ senderId }) => senderId === talker.name)) {
        const ack = talker.acks.get(`${talker.name}/${message.metadata.number}`);
        assert.equal(message.id, ack.messageId);
        assert.equal(message.seq, ack.seq);
        assert.equal(message.epoch, ack.epoch);
        // One that was under way when its socket was lost may come as anybody's.
        if (message.replay || talker.hasStayed) {
            assert.equal(message.clientMessageId, ack.clientMessageId);
        }
    }
};

// One room: every member has the same messages in the same order, `count` questions of each.
const assertRoom = (members, count) => {
    const [first] = members;
    const order = first.broadcasts.map(({ id }) => id);
    for (const member of members) {
        assertOrdered(member);
        assertOwnCopies(member);
        assert.deepEqual(member.broadcasts.map(({ id }) => id), order);
    }
    const questions = first.broadcasts.filter((message) => !isReply(message));
    const replies = first.broadcasts.filter(isReply);
    const asked = new Set(questions.map(({ senderId, metadata }) => (
        `${senderId}/${metadata.number}`)));
    assert.equal(asked.size, members.length * count, 'a message was lost');
    assert.equal(questions.length, asked.size, 'a message was sent twice');
    assert.deepEqual(replies.map(({ inReplyTo }) => inReplyTo), questions.map(({ id }) => id),
        'each question has one reply, in the order of the questions');
    const seqs = new Map(questions.map(({ id, seq }) => [id, seq]));
    for (const { inReplyTo, seq } of replies) assert.ok(seq > seqs.get(inReplyTo));
};

const assertStored = async (url, roomId, count) => {
    const stored = new Set();
    let before = '';
    for (;;) {
        const response = await fetch(
            `${url}/api/messaging/channels/${roomId}/messages?limit=1000${before}`);
        const { messages } = (await response.json()).data;
        const fresh = messages.filter(({ id }) => !stored.has(id));
        if (fresh.length === 0) break;
        for (const { id } of fresh) stored.add(id);
        // Times are shared by messages: the next page may overlap this one.
        before = `&before=${messages.at(-1).created_at + 1}`;
    }
    assert.equal(stored.size, count);
};

// Everyone sends `count` messages while `disturb` happens; then everything has arrived, once.
const converse = async ({ cluster, talkers, roomIds, count, disturb }) => {
    const perRoom = (talkers.length / roomIds.length) * count * 2;
    const received = () => talkers.reduce((sum, { broadcasts }) => sum + broadcasts.length, 0);
    const isUnderWay = () => received() >= talkers.length * perRoom * 0.2;
    await Promise.all([
        ...talkers.map((talker) => talker.sendAll(count)),
        until(isUnderWay, 'the conversation is under way', TIMEOUT_MS).then(disturb),
    ]);
    await until(() => received() >= talkers.length * perRoom,
        () => `all has arrived, there are ${received()} of ${talkers.length * perRoom}`, 60000);
    for (const talker of talkers) await talker.client.settle(talker.roomId);
    for (const roomId of roomIds) {
        assertRoom(talkers.filter((talker) => talker.roomId === roomId), count);
        await assertStored(cluster.url, roomId, perRoom);
    }
};

const run = async (options, test) => {
    const cluster = await startCluster(options);
    const talkers = [];
    try {
        const roomIds = await startTalkers(talkers, cluster.edges.map(({ url }) => url),
            options.talkers);
        await test({ cluster, talkers, roomIds });
    } finally {
        for (const { client } of talkers) client.stop();
        await cluster.stop();
    }
};

// A cluster whose first edge reaches the router through a proxy.
const behindProxy = async () => {
    const port = await freePort();
    const proxy = await startProxy(`http://127.0.0.1:${port}`);
    const edgeArgs = (index) => (index === 0
        ? [...BUS_TIMEOUT, '--router', proxy.url.replace('http:', 'tcp:')]
        : [...BUS_TIMEOUT, '--router', `tcp://127.0.0.1:${port}`]);
    const args = {
        router: [...BUS_TIMEOUT, '--bind-edges', `tcp://127.0.0.1:${port}`], edge: edgeArgs,
    };
    return { proxy, args };
};

const SMALL = { talkers: { clients: 10, rooms: 2 } };
const SMALL_COUNT = IS_LONG ? 1000 : 100;

describe('exactly once', { timeout: TIMEOUT_MS * (IS_LONG ? 10 : 1) }, () => {
    it(`${CLIENTS} clients send ${COUNT} messages each, the agent-bridge is killed`, () => run({
        talkers: { ackTimeoutMs: PATIENCE_MS },
    }, async ({ cluster, talkers, roomIds }) => {
        await converse({
            cluster, talkers, roomIds, count: COUNT,
            disturb: async () => {
                for (let i = 0; i < KILLS; i++) await cluster.bridge.restart('SIGKILL');
            },
        });
        for (const { acks, repeated, refusals } of talkers) {
            assert.equal(repeated, 0);
            assert.deepEqual(refusals, []);
            for (const ack of acks.values()) {
                assert.equal(ack.duplicate, undefined);
                assert.equal(ack.code, undefined);
            }
        }
    }));

    it('the connection of an edge to the router is cut again and again', async () => {
        const { proxy, args } = await behindProxy();
        try {
            await run({ args, ...SMALL }, async ({ cluster, talkers, roomIds }) => {
                await converse({
                    cluster, talkers, roomIds, count: SMALL_COUNT,
                    disturb: async () => {
                        for (let i = 0; i < 3; i++) {
                            proxy.cut();
                            await pause(i * 300);   // longer than the bus timeout at the end
                            proxy.mend();
                            await until(() => cluster.edges[0].isReady(), 'it is ready again');
                        }
                    },
                });
                for (const { hasStayed } of talkers) assert.ok(hasStayed, 'a client noticed');
            });
        } finally {
            await proxy.close();
        }
    });

    it('the network between an edge and the router stalls, then delivers what is old', async () => {
        const { proxy, args } = await behindProxy();
        try {
            await run({ args, ...SMALL }, async ({ cluster, talkers, roomIds }) => {
                await converse({
                    cluster, talkers, roomIds, count: SMALL_COUNT,
                    disturb: async () => {
                        const stalled = cluster.edges[0];
                        for (let i = 0; i < 2; i++) {
                            proxy.stall();
                            await until(async () => !await stalled.isReady(), 'it notices');
                            proxy.mend();
                            await until(() => stalled.isReady(), 'the edge is ready again');
                        }
                    },
                });
            });
        } finally {
            await proxy.close();
        }
    });

    it('the router is killed and restarted', () => run({
        ...SMALL, args: { edge: ['--request-deadline', '2s'] },
    }, async ({ cluster, talkers, roomIds }) => {
        await converse({
            cluster, talkers, roomIds, count: SMALL_COUNT,
            disturb: async () => {
                for (let i = 0; i <= KILLS; i++) {
                    await cluster.router.restart('SIGKILL');
                    await until(() => cluster.edges[0].isReady(), 'the edge is ready again');
                }
            },
        });
        for (const { hasStayed } of talkers) assert.ok(hasStayed, 'a client noticed');
    }));

    it('an edge is killed and restarted, and its clients ask for what they missed', () => run({
        ...SMALL,
    }, async ({ cluster, talkers, roomIds }) => {
        await converse({
            cluster, talkers, roomIds, count: SMALL_COUNT,
            disturb: async () => {
                for (let i = 0; i < KILLS; i++) {
                    await cluster.edges[1].restart('SIGKILL');
                }
            },
        });
        const replayed = talkers.flatMap(({ joins }) => joins)
            .filter(({ replay }) => replay !== undefined);
        assert.ok(replayed.length > 0);
        for (const { replay } of replayed) assert.equal(replay.complete, true);
    }));
});
