// Presence without ghosts and without noise: one per entity, however many connections it has; gone
// at once when it says so, after the grace period when it is lost, and silent when it comes back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { Clients, ROOM_JOINING } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Late, assertInTime, inTime, until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const GRACE_MS = 2000;
const CLOCK_MS = 50;            // that two processes may see it differently
const CRASH_LIMIT_MS = 5000;    // a crashed edge's members are gone after this
const SLACK_MS = 1000;          // of a busy machine
// An edge that soon notices silence: at the latest after the sum of both, within the grace period.
const QUICK_EDGE = 2;
const QUICK_PINGS = ['--ping-interval', '500ms', '--ping-timeout', '1200ms'];
const DRAINED_EDGE = 2;
const CONCURRENCY = 4;
const PRESENCE_EVENTS = ['userJoined', 'userLeft'];

const presence = (client) => client.events.filter(({ name }) => PRESENCE_EVENTS.includes(name))
    .map(({ name, data }) => `${name} ${data.userId} ${data.memberCount}`);

// A room of the test's own with a member who watches it. Its clients end with the test.
class Stage {
    roomId = randomUUID();
    #cluster;
    #test;
    #clients = new Clients();

    static async open(test, cluster) {
        const stage = new Stage();
        stage.#cluster = cluster;
        stage.#test = test;
        test.after(stage.#clients.stop);
        stage.watcher = await stage.enter('watcher', 0);
        return stage;
    }

    connect(entityId, edge = 1, options = {}) {
        return this.#clients.connect({ url: this.#cluster.edges[edge].url, entityId, ...options });
    }

    async enter(entityId, edge, options) {
        const client = await this.connect(entityId, edge, options);
        await client.join(this.roomId);
        return client;
    }

    // A client whose connection can be lost, and which then does not come back.
    async enterLoosely(entityId, edge = 1, options = {}) {
        const proxy = await startProxy(this.#cluster.edges[edge].url);
        const client = await this.connect(entityId, edge, { ...options, url: proxy.url });
        this.#test.after(() => proxy.close());
        let dropped = 0;
        client.socket.on('disconnect', () => { dropped++; });
        await client.join(this.roomId);
        const go = (how) => () => {
            if (dropped > 0) throw new Late('its pongs came');
            client.socket.io.reconnection(false);
            how();
        };
        return Object.assign(client, {
            // Its connections are reset.
            lose: go(proxy.cut),
            // Its network is gone: nothing comes from it any more, not even an end.
            vanish: go(proxy.stall),
        });
    }

    close() {
        this.#clients.stop();
    }

    left(userId) {
        return this.watcher.event('userLeft', (data) => data.userId === userId);
    }

    // When this resolves, whoever was lost before and did not come back has been seen leaving.
    async passGrace() {
        const name = `passer-${randomUUID()}`;
        const passer = await this.enterLoosely(name);
        passer.lose();
        await this.left(name);
    }

    // What the watcher has seen of others than those who pass the time.
    get seen() {
        return presence(this.watcher).filter((text) => !text.includes('passer'));
    }

    async members() {
        const { members } = await this.watcher.join(this.roomId);
        return members.map(({ userId }) => userId).sort();
    }
}

describe('with a short grace period', TEST_OPTIONS, () => {
    let cluster;

    before(async () => {
        cluster = await startCluster({
            edges: 3, bridge: false, args: {
                router: ['--presence-grace', `${GRACE_MS}ms`],
                edge: (index) => (index === QUICK_EDGE ? QUICK_PINGS : []),
            },
        });
    });
    after(() => cluster?.stop());

    describe('clients come and go', { concurrency: CONCURRENCY }, () => {
        for (const transport of ['websocket', 'polling']) {
            it(`who disconnects has left at once, ${transport}`, (test) => inTime(async () => {
                const stage = await Stage.open(test, cluster);
                const client = await stage.enter('bob', 1, { transport });
                const start = performance.now();
                client.stop();
                await stage.left('bob');
                assertInTime(start, GRACE_MS / 2, 'left');
                assert.deepEqual(stage.seen, ['userJoined bob 2', 'userLeft bob 1']);
            }));

            for (const how of ['lose', 'vanish']) {
                it(`who is lost (${how}) has left after the grace period, ${transport}`,
                    (test) => inTime(async () => {
                        const stage = await Stage.open(test, cluster);
                        const client = await stage.enterLoosely('bob', QUICK_EDGE, { transport });
                        const lastSign = performance.now();    // or later, not before
                        await client.settle(stage.roomId);
                        const start = performance.now();
                        client[how]();
                        await stage.left('bob');
                        const elapsed = performance.now() - lastSign;
                        assert.ok(elapsed > GRACE_MS - CLOCK_MS, `left after ${elapsed} ms`);
                        assertInTime(start, GRACE_MS + SLACK_MS, 'left');
                        assert.deepEqual(stage.seen, ['userJoined bob 2', 'userLeft bob 1']);
                    }));
            }

            it(`who comes back in time makes no noise, ${transport}`, (test) => inTime(async () => {
                const stage = await Stage.open(test, cluster);
                const client = await stage.enterLoosely('bob', 1, { transport });
                const start = performance.now();
                client.lose();
                await stage.enter('bob', 0, { transport });
                assertInTime(start, GRACE_MS, 'it came back');
                await stage.passGrace();
                assert.deepEqual(stage.seen, ['userJoined bob 2']);
            }));

            it(`however long it had been silent before, ${transport}`,
                (test) => inTime(async () => {
                    const stage = await Stage.open(test, cluster);
                    const client = await stage.enterLoosely('bob', 1, { transport });
                    await stage.passGrace();    // bob has nothing to say for longer than that
                    const start = performance.now();
                    client.lose();
                    await until(() => !client.socket.connected, 'the connection is lost');
                    await stage.enter('bob', 0, { transport });
                    assertInTime(start, GRACE_MS, 'it came back');
                    await stage.passGrace();
                    assert.deepEqual(stage.seen, ['userJoined bob 2']);
                }));
        }

        it('two tabs on two edges are one presence', async (test) => {
            const stage = await Stage.open(test, cluster);
            const tab1 = await stage.enter('bob', 0);
            const tab2 = await stage.enter('bob', 1);
            const tab3 = await stage.enterLoosely('bob', 1);
            assert.deepEqual(await stage.members(), ['bob', 'watcher']);
            tab1.stop();
            tab3.lose();
            await stage.passGrace();
            assert.deepEqual(stage.seen, ['userJoined bob 2']);
            tab2.stop();
            await stage.left('bob');
            assert.deepEqual(stage.seen, ['userJoined bob 2', 'userLeft bob 1']);
        });

        it('who joins several times at once leaves once', async (test) => {
            const stage = await Stage.open(test, cluster);
            const client = await stage.connect('bob');
            const payload = { roomId: stage.roomId, entityId: 'bob' };
            await Promise.all([1, 2, 3].map(() => client.message(ROOM_JOINING, payload)));
            client.stop();
            await stage.left('bob');
            assert.deepEqual(await stage.members(), ['watcher']);
        });

        it('who changes its name several times at once is there under the last one',
            async (test) => {
                const stage = await Stage.open(test, cluster);
                const client = await stage.connect('bob');
                await Promise.all(['a', 'b', 'a', 'c'].map((entityId) => (
                    client.message(ROOM_JOINING, { roomId: stage.roomId, entityId }))));
                assert.deepEqual(await stage.members(), ['c', 'watcher']);
                client.stop();
                await stage.left('c');
                assert.deepEqual(await stage.members(), ['watcher']);
            });

        it('who changes its name and back at once is there, and hears the room', async (test) => {
            const stage = await Stage.open(test, cluster);
            const client = await stage.enter('bob');
            await Promise.all(['other', 'bob'].map((entityId) => (
                client.message(ROOM_JOINING, { roomId: stage.roomId, entityId }))));
            assert.deepEqual(await stage.members(), ['bob', 'watcher']);
            await stage.watcher.say(stage.roomId, 'Do you hear me?');
            await client.event('messageBroadcast');
            client.stop();
            await until(() => stage.seen.at(-1) === 'userLeft bob 1', 'it has left for good');
        });

        it('who leaves while its join is under way is not there', async (test) => {
            const stage = await Stage.open(test, cluster);
            const client = await stage.connect('bob');
            client.socket.emit('message',
                { type: ROOM_JOINING, payload: { roomId: stage.roomId, entityId: 'bob' } });
            client.stop();
            await stage.enter('witness');
            await stage.passGrace();
            assert.deepEqual(await stage.members(), ['watcher', 'witness']);
        });
    });

    it('a drained edge makes no noise when its clients come back elsewhere',
        (test) => inTime(async () => {
            const stage = await Stage.open(test, cluster);
            const client = await stage.enter('bob', DRAINED_EDGE);
            await stage.passGrace();
            const gone = cluster.edges[DRAINED_EDGE].kill('SIGTERM');
            await until(() => !client.socket.connected, 'the client is sent away');
            const start = performance.now();
            await stage.enter('bob', 0);
            const entered = performance.now();
            assert.deepEqual(await gone, { code: 0, signal: null });
            cluster.edges[DRAINED_EDGE].start();
            await cluster.edges[DRAINED_EDGE].waitReady();
            assertInTime(start, GRACE_MS / 2, 'it came back', entered);
            await stage.passGrace();
            assert.deepEqual(stage.seen, ['userJoined bob 2']);
        }));

    it('a killed and restarted router says nothing, and knows everybody', async (test) => {
        const stage = await Stage.open(test, cluster);
        const bob = await stage.enter('bob');
        await stage.enter('carol', 0);
        await cluster.router.restart('SIGKILL');
        // The edges still take the link to the dead router for alive: they notice within 500 ms.
        await until(async () => (await stage.members()).length === 3, 'it knows everybody again');
        await stage.passGrace();
        assert.deepEqual(stage.seen, ['userJoined bob 2', 'userJoined carol 3']);
        bob.stop();
        await stage.left('bob');
        assert.equal(stage.seen.at(-1), 'userLeft bob 2');
    });
});

describe('with the default settings', TEST_OPTIONS, () => {
    let cluster;

    before(async () => {
        cluster = await startCluster({ bridge: false });
    });
    after(() => cluster?.stop());

    it('members of a killed edge are gone within 5 s unless they come back',
        (test) => inTime(async () => {
            const stage = await Stage.open(test, cluster);
            await stage.enter('lost');
            const moved = await stage.enter('moved');
            await until(() => stage.seen.length === 2, 'they are seen');
            const start = performance.now();
            await cluster.edges[1].kill('SIGKILL');
            try {
                await until(() => !moved.socket.connected, 'the client notices');
                await stage.enter('moved', 0);
                assertInTime(start, CRASH_LIMIT_MS / 2, 'it came back');
                await stage.left('lost');
                assertInTime(start, CRASH_LIMIT_MS + SLACK_MS, 'gone');
                assert.deepEqual(stage.seen,
                    ['userJoined lost 2', 'userJoined moved 3', 'userLeft lost 2']);
            } finally {
                stage.close();
                cluster.edges[1].start();
                await cluster.edges[1].waitReady();
            }
        }));
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

    it('larger rooms get no events of single users, but the count', async (test) => {
        const roomId = randomUUID();
        const clients = new Clients();
        test.after(clients.stop);
        const members = [];
        for (let i = 1; i <= LIMIT + 2; i++) {
            const client = await clients.connect({ url: cluster.url, entityId: `user-${i}` });
            const ack = await client.join(roomId);
            assert.equal(ack.memberCount, i);
            assert.equal(ack.members.length, Math.min(i, LIMIT));
            members.push(client);
        }
        members[1].stop();
        const { data } = await until(async () => {
            const response = await fetch(
                `${cluster.url}/api/messaging/channels/${roomId}/presence`);
            const body = await response.json();
            return body.data.memberCount === LIMIT + 1 ? body : null;
        }, 'it has left');
        assert.equal(data.members.length, LIMIT + 1);
        assert.deepEqual(presence(members[0]),
            Array.from({ length: LIMIT - 1 }, (_, i) => `userJoined user-${i + 2} ${i + 2}`));
        members[2].stop();      // the room is as large as the limit again: all learn who is there
        await members[0].event('userLeft', ({ userId }) => userId === 'user-3');
        assert.deepEqual(presence(members[0]).slice(LIMIT - 1).map((line) => (
            line.split(' ').slice(0, 2).join(' '))), ['userJoined user-4', 'userJoined user-5',
            'userLeft user-2', 'userLeft user-3']);
        for (const late of members.slice(LIMIT)) {
            const told = await late.event('room_joined', (room) => room.memberCount === LIMIT);
            assert.deepEqual(told.members.map(({ userId }) => userId).sort(),
                ['user-1', 'user-4', 'user-5']);
        }
        members[3].stop();
        await members[4].event('userLeft', ({ userId }) => userId === 'user-4');
        await members[0].event('userLeft', ({ userId }) => userId === 'user-4');
    });
});
