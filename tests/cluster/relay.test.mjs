// Polling needs no sticky sessions: a request that lands on the wrong edge makes one hop to the
// session's owner and back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients, ROOM_JOINING } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { assertInTime, inTime, until } from '../lib/until.mjs';
import { startBalancer } from './balancer.mjs';
import { request } from './raw.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const CLIENTS = 10;
const MESSAGES = 40;
const GRACE_MS = 2000;
const POLLING = '/socket.io/?EIO=4&transport=polling';
const UNKNOWN_SID = { code: 1, message: 'Session ID unknown' };

const clients = new Clients();
let cluster;
let balancer;

before(async () => {
    cluster = await startCluster({
        args: {
            router: ['--presence-grace', `${GRACE_MS}ms`],
            // Heartbeats, too, take both ways.
            edge: ['--ping-interval', '500ms', '--ping-timeout', '20s'],
        },
    });
    balancer = await startBalancer(cluster.edges.map(({ url }) => url));
    // Relays begin when the edges know of each other.
    await until(async () => (await metrics('peers')).every((count) => count === 1),
        'the edges know each other');
});
after(async () => {
    clients.stop();
    await balancer?.close();
    await cluster?.stop();
});
afterEach(clients.stop);

// Resolves with a metric of every edge.
const metrics = (name) => Promise.all(cluster.edges.map(async ({ url }) => {
    const { body } = await request(`${url}/metrics`);
    const [, value] = new RegExp(`^elizamq_edge_${name} (\\d+)$`, 'm').exec(body);
    return Number(value);
}));

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

const connect = (options = {}) => clients.connect({
    url: balancer.url, transport: 'polling', ...options,
});

// A session opened by hand on one edge.
const open = async (edge) => {
    const { body } = await request(`${edge.url}${POLLING}`);
    return JSON.parse(body.slice(1)).sid;
};

const post = (edge, sid, body) => request(`${edge.url}${POLLING}&sid=${sid}`, {
    method: 'POST', headers: { 'Content-Type': 'text/plain;charset=UTF-8' }, body,
});

const poll = (edge, sid) => request(`${edge.url}${POLLING}&sid=${sid}`);

describe('requests that alternate between two edges', TEST_OPTIONS, () => {
    it('lose nothing, double nothing and keep the order', async () => {
        const roomId = randomUUID();
        const relayed = await metrics('relayed_total');
        const failed = await metrics('relays_failed_total');
        const members = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => (
            connect({ entityId: `client-${i}` }))));
        const socketIds = members.map(({ socket }) => socket.id);
        await Promise.all(members.map((member) => member.join(roomId)));
        await Promise.all(members.map(async (member) => {
            for (let i = 0; i < MESSAGES; i++) {
                const ack = await member.send(roomId, `message ${i}`);
                assert.equal(ack.success, true);
                assert.equal(ack.duplicate, undefined);
            }
        }));
        const count = CLIENTS * MESSAGES * 2;
        await until(() => members.every(({ broadcasts }) => broadcasts.length >= count),
            'everything has arrived', 60000);
        await Promise.all(members.map((member) => member.settle(roomId)));
        const [first] = members;
        const ids = ({ broadcasts }) => broadcasts.map(({ id }) => id);
        assert.equal(new Set(ids(first)).size, count);
        for (const member of members) assert.deepEqual(ids(member), ids(first));
        const seqs = first.broadcasts.map(({ seq }) => seq);
        assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
        assert.deepEqual(members.map(({ socket }) => socket.id), socketIds);
        for (const [i, count] of (await metrics('relayed_total')).entries()) {
            assert.ok(count > relayed[i] + MESSAGES);
        }
        for (const count of await metrics('relays_served_total')) assert.ok(count > MESSAGES);
        assert.deepEqual(await metrics('relays_failed_total'), failed);
    });

    it('carry messages as large as there may be', async () => {
        const roomId = randomUUID();
        const alice = await connect();
        const bob = await connect();
        await alice.join(roomId);
        await bob.join(roomId);
        for (const letter of 'abcd') {
            const text = letter.repeat(900000);
            assert.equal((await alice.say(roomId, text)).success, true);
            await bob.event('messageBroadcast', (data) => data.text === text);
        }
    });

    it('survive heartbeats', async () => {
        const client = await connect();
        const { id } = client.socket;
        const { engine } = client.socket.io;
        let pings = 0;
        engine.on('ping', () => pings++);
        await until(() => pings >= 4, 'the server has pinged');
        assert.equal(client.socket.id, id);
    });

    it('a client that disconnects has left at once', async () => {
        const roomId = randomUUID();
        const watcher = await connect();
        await watcher.join(roomId);
        for (let i = 0; i < 4; i++) {
            await inTime(async () => {
                const entityId = `leaver-${randomUUID()}`;
                const client = await connect({ entityId });
                await client.join(roomId);
                const start = performance.now();
                client.stop();
                await watcher.event('userLeft', ({ userId }) => userId === entityId);
                assertInTime(start, GRACE_MS / 2, 'left');
            });
        }
    });

    it('an upgrade on the wrong edge moves the session there', async () => {
        const roomId = randomUUID();
        const moved = sum(await metrics('moved_in_total'));
        // Others keep the turns from falling in step with these.
        const strays = setInterval(() => request(`${balancer.url}/healthz`).catch(() => {}), 1);
        const members = await Promise.all(Array.from({ length: 16 }, () => (
            connect({ transport: 'upgrade' }))));
        clearInterval(strays);
        const socketIds = members.map(({ socket }) => socket.id);
        await Promise.all(members.map((member) => member.join(roomId)));
        for (const member of members) {
            const { messageId } = await member.send(roomId, 'Hello');
            await Promise.all(members.map((other) => other.reply(messageId)));
        }
        await until(() => members.every(({ socket }) => (
            socket.io.engine.transport.name === 'websocket')), 'all of them have upgraded');
        await until(async () => sum(await metrics('moves_in')) === 0, 'no move is under way');
        assert.ok(sum(await metrics('moved_in_total')) > moved);
        assert.equal(sum(await metrics('moved_out_total')), sum(await metrics('moved_in_total')));
        const relayed = await metrics('relayed_total');
        for (const member of members) {
            const { messageId } = await member.send(roomId, 'Hello again');
            await Promise.all(members.map((other) => other.reply(messageId)));
        }
        assert.deepEqual(await metrics('relayed_total'), relayed);
        for (const { broadcasts } of members) assert.equal(broadcasts.length, 64);
        assert.deepEqual(members.map(({ socket }) => socket.id), socketIds);
        assert.deepEqual(members[0].received('userLeft'), []);
    });
});

describe('by hand', TEST_OPTIONS, () => {
    it('everything of a session can be done on the other edge', async () => {
        const [owner, other] = cluster.edges;
        const sid = await open(owner);
        const connected = await post(other, sid, '40{"entityId":"by hand"}');
        assert.equal(connected.status, 200);
        assert.equal(connected.body, 'ok');
        assert.match(connected.headers['content-type'], /^text\/html/);
        const { status, body, headers } = await poll(other, sid);
        assert.equal(status, 200);
        assert.match(headers['content-type'], /^text\/plain; charset=UTF-8/i);
        assert.match(body, /^40\{"sid":/);
        assert.ok(body.includes('"authenticated",{"entityId":"by hand"'));
        await post(other, sid, '421["message",{"type":1,"payload":{"roomId":"by hand"}}]');
        assert.match((await poll(other, sid)).body, /"room_joined"/);
        await post(other, sid, '1');
        const gone = await poll(other, sid);
        assert.equal(gone.status, 400);
        assert.deepEqual(JSON.parse(gone.body), UNKNOWN_SID);
    });

    it('a broken packet ends the session there, too', async () => {
        const [owner, other] = cluster.edges;
        const sid = await open(owner);
        await post(other, sid, '40');
        assert.equal((await post(other, sid, '42["message"')).status, 200);
        assert.match((await poll(other, sid)).body, /^40/);
        assert.match((await poll(other, sid)).body, /1$/);
        assert.equal((await poll(other, sid)).status, 400);
        assert.equal((await poll(owner, sid)).status, 400);
    });

    it('a second poll beside a parked one ends the session', async () => {
        const [owner, other] = cluster.edges;
        const sid = await open(owner);
        await post(other, sid, '40');
        await poll(other, sid);
        const parked = poll(owner, sid);
        // Until the first one is parked the second one may be, and then the first ends it.
        const second = poll(other, sid);
        const statuses = (await Promise.all([parked, second])).map(({ status }) => status).sort();
        assert.deepEqual(statuses, [200, 400]);
        assert.equal((await poll(other, sid)).status, 400);
    });

    it('a body over the limit is refused', async () => {
        const [owner, other] = cluster.edges;
        const sid = await open(owner);
        assert.equal((await post(other, sid, 'x'.repeat(1000001))).status, 413);
    });

    for (const [name, change] of [
        ['of an unknown edge', (sid) => `zzzzzz${sid.slice(6)}`],
        ['unknown to its edge', (sid) => `${sid.slice(0, 6)}${'z'.repeat(sid.length - 6)}`],
        ['too long', (sid) => `${sid}${'z'.repeat(3000)}`], ['too short', (sid) => sid.slice(0, 6)],
        ['of other characters', (sid) => `${sid.slice(0, 6)}%00%ff%2F`],
    ]) {
        it(`a session id ${name} is unknown`, async () => {
            const sid = change(await open(cluster.edges[0]));
            for (const edge of cluster.edges) {
                const answers = [await poll(edge, sid), await post(edge, sid, '40')];
                for (const { status, body } of answers) {
                    assert.equal(status, 400);
                    assert.deepEqual(JSON.parse(body), UNKNOWN_SID);
                }
            }
        });
    }
});

describe('when the owner is killed', TEST_OPTIONS, () => {
    it('a poll parked by way of the other edge is told, and the client comes back', async () => {
        const [survivor, owner] = cluster.edges;
        const roomId = randomUUID();
        const sid = await open(owner);
        await post(survivor, sid, '40');
        await poll(survivor, sid);
        const parked = poll(survivor, sid);
        const members = await Promise.all(Array.from({ length: 4 }, (_, i) => (
            connect({ entityId: `member-${i}` }))));
        for (const { socket, entityId } of members) {
            const join = () => socket.emit('message',
                { type: ROOM_JOINING, payload: { roomId, entityId } });
            socket.on('connect', join);
            join();
        }
        await Promise.all(members.map((member) => member.event('room_joined')));
        await owner.kill('SIGKILL');
        const { status, body } = await parked;
        // The parked poll may have gone home with a heartbeat just before.
        const told = status === 200 ? await poll(survivor, sid) : { status, body };
        assert.equal(told.status, 400);
        assert.deepEqual(JSON.parse(told.body), UNKNOWN_SID);
        assert.deepEqual(JSON.parse((await post(survivor, sid, '3')).body), UNKNOWN_SID);
        // Those whose polls went by way of the killed edge come back, too.
        await until(async () => {
            const { body: page } = await request(
                `${survivor.url}/api/messaging/channels/${roomId}/presence`);
            const present = JSON.parse(page).data.members;
            return present.length === members.length
                && present.every(({ connections }) => connections === 1)
                && members.every(({ socket }) => socket.connected
                    && !socket.io.engine.id.startsWith(sid.slice(0, 6)));
        }, 'every client has one session, on the survivor', 20000);
        const { messageId } = await members[0].send(roomId, 'Is everybody back?');
        await Promise.all(members.map((member) => member.reply(messageId)));
        owner.start();
        await owner.waitReady();
    });
});
