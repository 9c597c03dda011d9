// Presence without ghosts and without noise: one per entity, however many connections it has; gone
// at once when it says so, after the grace period when it is lost, and silent when it comes back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients, ROOM_JOINING } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 60000 };
const GRACE_MS = 1000;
const CRASH_LIMIT_MS = 5000;    // a crashed edge's members are gone after this
const SLACK_MS = 500;           // of a busy machine
// An edge that soon notices silence: at the latest after the sum of both, within the grace period.
const PING_INTERVAL_MS = 300;
const QUICK_EDGE = 2;
const QUICK_PINGS = ['--ping-interval', `${PING_INTERVAL_MS}ms`, '--ping-timeout', '600ms'];
const PRESENCE_EVENTS = ['userJoined', 'userLeft'];

const clients = new Clients();
afterEach(clients.stop);

// A client whose connection can be lost: it then comes back only when that is asked for.
const connectLoosely = async (url, options) => {
    const proxy = await startProxy(url);
    const client = await clients.connect({ url: proxy.url, ...options });
    client.socket.once('disconnect', () => proxy.close());
    return Object.assign(client, {
        // Its connections are reset.
        lose: () => {
            client.socket.io.reconnection(false);
            proxy.cut();
        },
        // Its network is gone: nothing comes from it any more, not even the end of a connection.
        vanish: () => {
            client.socket.io.reconnection(false);
            proxy.stall();
        },
    });
};

const presence = (client) => client.events.filter(({ name }) => PRESENCE_EVENTS.includes(name))
    .map(({ name, data }) => `${name} ${data.userId} ${data.memberCount}`);

const left = (client, userId) => client.event('userLeft', (data) => data.userId === userId);
const joined = (client, userId) => client.event('userJoined', (data) => data.userId === userId);

describe('with a short grace period', TEST_OPTIONS, () => {
    let cluster;
    let roomId;
    let watcher;
    const url = (edge) => cluster.edges[edge].url;

    before(async () => {
        cluster = await startCluster({
            edges: 3, bridge: false, args: {
                router: ['--presence-grace', `${GRACE_MS}ms`],
                edge: (index) => (index === QUICK_EDGE ? QUICK_PINGS : []),
            },
        });
    });
    after(() => cluster?.stop());

    const start = async () => {
        roomId = randomUUID();
        watcher = await clients.connect({ url: url(0), entityId: 'watcher' });
        await watcher.join(roomId);
    };

    const enter = async (entityId, edge = 1, options = {}) => {
        const client = await clients.connect({ url: url(edge), entityId, ...options });
        await client.join(roomId);
        return client;
    };

    const enterLoosely = async (entityId, edge = 1, options = {}) => {
        const client = await connectLoosely(url(edge), { entityId, ...options });
        await client.join(roomId);
        return client;
    };

    // When this resolves, whoever was lost before and did not come back has been seen leaving.
    const passGrace = async () => {
        const name = `passer-${randomUUID()}`;
        const passer = await enterLoosely(name);
        passer.lose();
        await left(watcher, name);
    };

    const others = () => presence(watcher).filter((text) => !text.includes('passer'));

    it('a drained edge makes no noise when its clients come back elsewhere', async () => {
        await start();
        const client = await enter('bob', 1);
        await passGrace();
        const gone = cluster.edges[1].kill('SIGTERM');
        await until(() => !client.socket.connected, 'the client is sent away');
        await enter('bob', 0);
        assert.deepEqual(await gone, { code: 0, signal: null });
        cluster.edges[1].start();
        await cluster.edges[1].waitReady();
        await passGrace();
        assert.deepEqual(others(), ['userJoined bob 2']);
    });

    for (const transport of ['websocket', 'polling']) {
        it(`who disconnects has left at once, ${transport}`, async () => {
            await start();
            const client = await enter('bob', 1, { transport });
            const before = performance.now();
            client.stop();
            await left(watcher, 'bob');
            const elapsed = performance.now() - before;
            assert.ok(elapsed < GRACE_MS - 200, `the grace period was waited for: ${elapsed} ms`);
            assert.deepEqual(presence(watcher), ['userJoined bob 2', 'userLeft bob 1']);
        });

        for (const how of ['lose', 'vanish']) {
            it(`who is lost (${how}) has left after the grace period, ${transport}`, async () => {
                await start();
                const client = await enterLoosely('bob', QUICK_EDGE, { transport });
                await client.settle(roomId);
                const before = performance.now();
                client[how]();
                await left(watcher, 'bob');
                const elapsed = performance.now() - before;
                assert.ok(elapsed > GRACE_MS - PING_INTERVAL_MS - 200, `left after ${elapsed} ms`);
                assert.ok(elapsed < GRACE_MS + SLACK_MS, `left after ${elapsed} ms`);
                assert.deepEqual(presence(watcher), ['userJoined bob 2', 'userLeft bob 1']);
            });
        }

        it(`who comes back in time makes no noise, ${transport}`, async () => {
            await start();
            const client = await enterLoosely('bob', 1, { transport });
            client.lose();
            await enter('bob', 0, { transport });
            await passGrace();
            assert.deepEqual(others(), ['userJoined bob 2']);
        });

        it(`however long it had been silent before, ${transport}`, async () => {
            await start();
            const client = await enterLoosely('bob', 1, { transport });
            await passGrace();  // bob has nothing to say for longer than the grace period
            client.lose();
            await until(() => !client.socket.connected, 'the connection is lost');
            await enter('bob', 0, { transport });
            await passGrace();
            assert.deepEqual(others(), ['userJoined bob 2']);
        });
    }

    it('two tabs on two edges are one presence', async () => {
        await start();
        const tab1 = await enter('bob', 0);
        const tab2 = await enter('bob', 1);
        const tab3 = await enterLoosely('bob', 1);
        assert.equal((await tab2.join(roomId)).memberCount, 2);
        tab1.stop();
        tab3.lose();
        await passGrace();
        assert.deepEqual(others(), ['userJoined bob 2']);
        tab2.stop();
        await left(watcher, 'bob');
        assert.deepEqual(others(), ['userJoined bob 2', 'userLeft bob 1']);
    });

    it('who joins several times at once leaves once', async () => {
        await start();
        const client = await clients.connect({ url: url(1), entityId: 'bob' });
        const payload = { roomId, entityId: 'bob' };
        await Promise.all(Array.from({ length: 3 }, () => client.message(ROOM_JOINING, payload)));
        client.stop();
        await left(watcher, 'bob');
        assert.equal((await watcher.join(roomId)).memberCount, 1);
    });

    it('who changes its name several times at once is there under the last one', async () => {
        await start();
        const client = await clients.connect({ url: url(1), entityId: 'bob' });
        await Promise.all(['a', 'b', 'a', 'c'].map((entityId) => (
            client.message(ROOM_JOINING, { roomId, entityId }))));
        const { members } = await watcher.join(roomId);
        assert.deepEqual(members.map(({ userId }) => userId).sort(), ['c', 'watcher']);
        client.stop();
        await left(watcher, 'c');
        assert.equal((await watcher.join(roomId)).memberCount, 1);
    });

    it('who changes its name and back at once is there, and hears the room', async () => {
        await start();
        const client = await enter('bob');
        await Promise.all(['other', 'bob'].map((entityId) => (
            client.message(ROOM_JOINING, { roomId, entityId }))));
        const { members } = await watcher.join(roomId);
        assert.deepEqual(members.map(({ userId }) => userId).sort(), ['bob', 'watcher']);
        await watcher.say(roomId, 'Do you hear me?');
        await client.event('messageBroadcast');
        client.stop();
        await until(() => others().at(-1) === 'userLeft bob 1', 'it has left for good');
    });

    it('who leaves while its join is under way is not there', async () => {
        await start();
        const client = await clients.connect({ url: url(1), entityId: 'bob' });
        client.socket.emit('message', { type: ROOM_JOINING, payload: { roomId, entityId: 'bob' } });
        client.stop();
        await enter('witness');
        await passGrace();
        const { members } = await watcher.join(roomId);
        assert.deepEqual(members.map(({ userId }) => userId).sort(), ['watcher', 'witness']);
    });

    it('a killed and restarted router says nothing, and knows everybody', async () => {
        await start();
        const bob = await enter('bob');
        await enter('carol', 0);
        await cluster.router.restart('SIGKILL');
        // The edges still take the link to the dead router for alive: they notice within 500 ms.
        await until(async () => (await watcher.join(roomId)).memberCount === 3,
            'it knows everybody again');
        await passGrace();
        assert.deepEqual(others(), ['userJoined bob 2', 'userJoined carol 3']);
        bob.stop();
        await left(watcher, 'bob');
        assert.equal(others().at(-1), 'userLeft bob 2');
    });
});

describe('with the default settings', TEST_OPTIONS, () => {
    let cluster;

    before(async () => {
        cluster = await startCluster({ bridge: false });
    });
    after(() => cluster?.stop());

    it('members of a killed edge are gone within 5 s, unless they come back in time', async () => {
        const roomId = randomUUID();
        const enter = async (entityId, edge) => {
            const client = await clients.connect({ url: cluster.edges[edge].url, entityId });
            await client.join(roomId);
            return client;
        };
        const watcher = await enter('watcher', 0);
        await enter('lost', 1);
        const moved = await enter('moved', 1);
        await joined(watcher, 'moved');
        const before = performance.now();
        await cluster.edges[1].kill('SIGKILL');
        await until(() => !moved.socket.connected, 'the client notices');
        await enter('moved', 0);
        await left(watcher, 'lost');
        const elapsed = performance.now() - before;
        assert.ok(elapsed < CRASH_LIMIT_MS + SLACK_MS, `gone after ${elapsed} ms`);
        assert.deepEqual(presence(watcher),
            ['userJoined lost 2', 'userJoined moved 3', 'userLeft lost 2']);
        cluster.edges[1].start();
        await cluster.edges[1].waitReady();
    });
});

describe('with a low presence limit', TEST_OPTIONS, () => {
    const LIMIT = 3;
    let cluster;

    before(async () => {
        cluster = await startCluster({
            edges: 1, bridge: false, args: { router: ['--presence-limit', `${LIMIT}`] },
        });
    });
    after(() => cluster?.stop());

    it('larger rooms get no events of single users, but the count', async () => {
        const roomId = randomUUID();
        const members = [];
        for (let i = 1; i <= LIMIT + 2; i++) {
            const client = await clients.connect({ url: cluster.url, entityId: `user-${i}` });
            const ack = await client.join(roomId);
            assert.equal(ack.memberCount, i);
            assert.equal(ack.members.length, Math.min(i, LIMIT));
            members.push(client);
        }
        members.pop().stop();
        const { data } = await until(async () => {
            const response = await fetch(
                `${cluster.url}/api/messaging/channels/${roomId}/presence`);
            const body = await response.json();
            return body.data.memberCount === LIMIT + 1 ? body : null;
        }, 'it has left');
        assert.equal(data.members.length, LIMIT + 1);
        assert.deepEqual(presence(members[0]),
            Array.from({ length: LIMIT - 1 }, (_, i) => `userJoined user-${i + 2} ${i + 2}`));
        members.pop().stop();   // the room is as large as the limit again
        members.pop().stop();
        await left(members[0], 'user-3');
    });
});
