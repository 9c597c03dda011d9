// Connection state recovery with the official client: complete or not at all, on any edge.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import msgpack from 'socket.io-msgpack-parser';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const WINDOW_MS = 1000;
const OFFSET = /^[\w-]{24}$/;

let cluster;
const clients = new Clients();
const proxies = [];

before(async () => {
    cluster = await startCluster({ edges: 2 });
});
after(() => cluster?.stop());
afterEach(async () => {
    clients.stop();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

// A client behind a network of its own; connections(): [{id, recovered}], one for each.
const connect = async ({ edge = 0, ...rest } = {}) => {
    const proxy = await startProxy(cluster.edges[edge].url);
    proxies.push(proxy);
    const client = await clients.connect({ url: proxy.url, ...rest });
    client.proxy = proxy;
    client.connections = [{ id: client.socket.id, recovered: client.socket.recovered }];
    client.socket.on('connect', () => {
        const { id, recovered } = client.socket;
        client.connections.push({ id, recovered });
    });
    return client;
};

const back = async (client, count) => {
    await until(() => client.connections.length === count, () => `connection ${count}; there `
        + `were ${JSON.stringify(client.connections)}`, 30000);
    return client.connections.at(-1);
};

const assertRecovered = async (client, count = 2) => {
    const { id, recovered } = await back(client, count);
    assert.equal(recovered, true);
    assert.equal(id, client.connections[0].id);
};

const assertNew = async (client, count = 2) => {
    const { id, recovered } = await back(client, count);
    assert.equal(recovered, false);
    assert.notEqual(id, client.connections[0].id);
};

const lose = async (client) => {
    client.proxy.cut();
    await until(() => !client.socket.connected, 'it is disconnected');
};

const texts = (client, roomId) => client.broadcasts
    .filter((data) => data.roomId === roomId).map(({ text }) => text);

// All of it, once, in order; what is on its way to the room has come when this resolves.
const assertTexts = async (client, author, roomId, expected) => {
    const last = `last ${randomUUID()}`;
    await author.say(roomId, last);
    await client.event('messageBroadcast', ({ text }) => text === last);
    assert.deepEqual(texts(client, roomId), [...expected, last]);
};

const sayAll = async (author, roomId, words) => {
    for (const word of words) await author.say(roomId, word);
};

describe('connection state recovery', TEST_OPTIONS, () => {
    let author;
    let roomId;

    const start = async (options = {}) => {
        roomId = randomUUID();
        author = await clients.connect({ url: cluster.edges[1].url });
        await author.join(roomId);
        const client = await connect(options);
        await client.join(roomId);
        await author.say(roomId, 'seen');
        await client.event('messageBroadcast', ({ text }) => text === 'seen');
        return client;
    };

    for (const transport of ['websocket', 'polling', 'upgrade']) {
        it(`brings what was missed over ${transport}`, async () => {
            const client = await start({ transport });
            await lose(client);
            await sayAll(author, roomId, ['one', 'two', 'three']);
            client.proxy.mend();
            await assertRecovered(client);
            await assertTexts(client, author, roomId, ['seen', 'one', 'two', 'three']);
            assert.equal(client.received('authenticated').length, 1);
            assert.equal(client.received('connection_established').length, 1);
        });
    }

    it('tells every event how far its client has come', async () => {
        const offsets = [];
        const client = await start();
        client.socket.onAny((...args) => offsets.push(args.at(-1)));
        await author.say(roomId, 'hello');
        await client.event('messageBroadcast', ({ text }) => text === 'hello');
        assert.match(offsets.at(-1), OFFSET);
        assert.equal(client.socket._lastOffset, offsets.at(-1));
        assert.equal(client.socket._pid.slice(0, 24), client.socket.id);
    });

    it('goes on at another edge, with what was missed before its CONNECT', async () => {
        const client = await start();
        const order = [];
        client.socket.on('connect', () => order.push(texts(client, roomId).length));
        client.socket.io.uri = cluster.edges[1].url;
        await lose(client);
        await assertRecovered(client);
        await assertTexts(client, author, roomId, ['seen']);
        // The former edge has let go of it.
        const presence = await author.join(roomId);
        assert.equal(presence.members.filter(({ userId }) => userId === client.entityId).length, 1);
    });

    it('works again and again, from edge to edge', async () => {
        const client = await start();
        const detour = await startProxy(cluster.edges[1].url);
        proxies.push(detour);
        const ways = [client.proxy, detour];
        const said = ['seen'];
        for (let round = 1; round <= 4; round++) {
            ways[(round + 1) % 2].cut();
            await until(() => !client.socket.connected, 'it is disconnected');
            await sayAll(author, roomId, [`${round}a`, `${round}b`]);
            said.push(`${round}a`, `${round}b`);
            client.socket.io.uri = ways[round % 2].url;
            ways[round % 2].mend();
            await assertRecovered(client, round + 1);
        }
        await assertTexts(client, author, roomId, said);
    });

    it('works before any event has come, from the joins on', async () => {
        const client = await start();
        await lose(client);
        client.socket._lastOffset = undefined;
        client.events.length = 0;
        await author.say(roomId, 'missed');
        client.proxy.mend();
        await assertRecovered(client);
        await assertTexts(client, author, roomId, ['seen', 'missed']);
    });

    it('works for a client that is in no room', async () => {
        const client = await connect();
        await lose(client);
        client.proxy.mend();
        await assertRecovered(client);
        assert.equal((await client.join(randomUUID())).success, true);
    });

    it('brings of each room only what came after it was joined, in one order', async () => {
        const client = await start();
        const other = randomUUID();
        await author.join(other);
        await sayAll(author, other, ['before', 'still before']);
        await client.join(other);
        await lose(client);
        for (let i = 0; i < 10; i++) await author.say(i % 3 === 0 ? other : roomId, `m${i}`);
        client.proxy.mend();
        await assertRecovered(client);
        const all = client.broadcasts.map(({ text }) => text);
        assert.deepEqual(all, ['seen', ...Array.from({ length: 10 }, (_, i) => `m${i}`)]);
        await assertTexts(client, author, other, ['m0', 'm3', 'm6', 'm9']);
    });

    it('serves the msgpack parser', async () => {
        const client = await start({ options: { parser: msgpack } });
        await lose(client);
        await sayAll(author, roomId, ['one', 'two']);
        client.proxy.mend();
        await assertRecovered(client);
        await assertTexts(client, author, roomId, ['seen', 'one', 'two']);
    });

    it('gives its own messages back with their clientMessageId', async () => {
        const client = await start();
        const { messageId } = await client.say(roomId, 'mine', { messageId: 'my-own-id' });
        assert.ok(messageId);
        await client.event('messageBroadcast', ({ text }) => text === 'mine');
        const offset = client.socket._lastOffset;
        await client.say(roomId, 'mine too', { messageId: 'my-second-id' });
        await client.event('messageBroadcast', ({ text }) => text === 'mine too');
        await lose(client);
        client.socket._lastOffset = offset; // as if the second one had been lost on its way
        client.events.length = 0;
        client.proxy.mend();
        await assertRecovered(client);
        const [again] = client.broadcasts;
        assert.equal(again.clientMessageId, 'my-second-id');
        assert.equal(again.replay, undefined);
    });

    it('is not for those who have left', async () => {
        const client = await start();
        client.socket.disconnect();
        await author.event('userLeft', ({ userId }) => userId === client.entityId);
        client.socket.connect();
        await assertNew(client);
    });

    it('believes no forged, foreign or garbled pid or offset', async () => {
        const stranger = await start();
        const client = await start();
        const { _pid: pid, _lastOffset: offset } = client.socket;
        const cases = [
            { _pid: `${pid.slice(0, 24)}${stranger.socket._pid.slice(24)}` },
            { _pid: `${pid.slice(0, 45)}${pid.at(-1) === 'A' ? 'B' : 'A'}` },
            { _pid: '' }, { _pid: 'x'.repeat(46) }, { _pid: 'é'.repeat(23) },
            { _pid: 'x'.repeat(100000) }, { _pid: 7 }, { _pid: pid, _lastOffset: '~' },
            { _pid: pid, _lastOffset: `B${offset.slice(1)}x` },
            { _pid: pid, _lastOffset: 'A'.repeat(24) },
            { _pid: pid, _lastOffset: `${offset.slice(0, 23)}é` },
        ];
        let count = 1;
        for (const forged of cases) {
            await lose(client);
            Object.assign(client.socket, { _pid: pid, _lastOffset: offset, ...forged });
            client.proxy.mend();
            await assertNew(client, ++count);
        }
        assert.equal((await client.join(roomId)).success, true);
        await author.say(roomId, 'everybody is well');
        await client.event('messageBroadcast', ({ text }) => text === 'everybody is well');
    });

    it('survives the death of an edge', async () => {
        const client = await start();
        await cluster.edges[0].kill('SIGKILL');
        await until(() => !client.socket.connected, 'it is disconnected');
        await sayAll(author, roomId, ['one', 'two']);
        client.socket.io.uri = cluster.edges[1].url;
        await assertRecovered(client);
        await assertTexts(client, author, roomId, ['seen', 'one', 'two']);
        cluster.edges[0].start();
        await cluster.edges[0].waitReady();
    });

    it('survives the death of the router, and of router and edge at once', async () => {
        const client = await start();
        await lose(client);
        await author.say(roomId, 'one');
        await cluster.router.restart('SIGKILL');
        await author.say(roomId, 'two');
        client.proxy.mend();
        await assertRecovered(client);
        await author.say(roomId, 'three');
        await client.event('messageBroadcast', ({ text }) => text === 'three');
        await Promise.all([cluster.router.kill('SIGKILL'), cluster.edges[0].kill('SIGKILL')]);
        for (const process of [cluster.router, cluster.edges[0]]) process.start();
        await Promise.all([cluster.router.waitReady(), cluster.edges[0].waitReady()]);
        await author.say(roomId, 'four');
        await assertRecovered(client, 3);
        await assertTexts(client, author, roomId, ['seen', 'one', 'two', 'three', 'four']);
    });
});

describe('clients that never join again', TEST_OPTIONS, () => {
    let helpful;

    before(async () => {
        helpful = await startCluster({
            edges: 2, bridge: false, args: { edge: ['--rejoin-entity'] },
        });
    });
    after(() => helpful?.stop());

    it('are put back into their rooms, with what was said', async () => {
        const proxy = await startProxy(helpful.edges[0].url);
        proxies.push(proxy);
        const roomId = randomUUID();
        const author = await clients.connect({ url: helpful.edges[1].url });
        await author.join(roomId);
        const former = await clients.connect({ url: proxy.url });
        await former.join(roomId);
        proxy.cut();
        await author.say(roomId, 'missed');
        const { entityId } = former;
        former.stop();
        const client = await clients.connect({ url: helpful.edges[1].url, entityId });
        const { replay } = await client.event('room_joined');
        assert.equal(replay.complete, true);
        await client.event('messageBroadcast', (data) => data.text === 'missed' && data.replay);
        await author.say(roomId, 'live');
        await client.event('messageBroadcast', ({ text }) => text === 'live');
        assert.deepEqual(texts(client, roomId), ['missed', 'live']);
    });

    it('are let alone when nobody knows them', async () => {
        const client = await clients.connect({ url: helpful.url });
        const guest = await clients.connect({ url: helpful.url, entityId: null });
        for (const each of [client, guest]) {
            assert.equal((await each.join(randomUUID())).success, true);
            assert.equal(each.received('room_joined').length, 1);
        }
    });
});

describe('a short recovery window', TEST_OPTIONS, () => {
    let short;

    before(async () => {
        short = await startCluster({
            edges: 1, bridge: false,
            args: { router: ['--recovery-window', `${WINDOW_MS}ms`, '--replay-max', '3'] },
        });
    });
    after(() => short?.stop());

    it('ends, and nothing is brought after it; nor is more than there may be', async () => {
        const proxy = await startProxy(short.url);
        proxies.push(proxy);
        const roomId = randomUUID();
        const author = await clients.connect({ url: short.url });
        const client = await clients.connect({ url: proxy.url });
        await client.join(roomId);
        const { id } = client.socket;
        proxy.cut();
        await author.say(roomId, 'missed');
        const over = performance.now() + WINDOW_MS + 500;
        await until(() => performance.now() > over, 'the window has passed');
        proxy.mend();
        await until(() => client.socket.connected, 'it is back');
        assert.equal(client.socket.recovered, false);
        assert.notEqual(client.socket.id, id);
        const metrics = await (await fetch(`${short.router.url}/metrics`)).text();
        assert.match(metrics, /recoveries_refused_total 1\b/);
        assert.equal(client.broadcasts.length, 0);
        await client.join(roomId);
        proxy.cut();
        for (let i = 0; i < 4; i++) await author.say(roomId, `m${i}`);
        proxy.mend();
        await until(() => client.socket.connected && client.received('authenticated').length === 3,
            'it is back');
        assert.equal(client.socket.recovered, false);
        assert.equal(client.broadcasts.length, 0);
        const { memberCount } = await author.join(roomId);
        assert.ok(memberCount <= 2);
    });
});
