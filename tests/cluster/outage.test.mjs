// While a process is away, every request is answered in its time and says what is the matter;
// afterwards everything goes on by itself.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { ACK, CONTROL, Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { assertInTime, inTime, until } from '../lib/until.mjs';
import { request } from './raw.mjs';
import { assertShape, isPositive, isText } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const DEADLINE_MS = 1000;
const SLACK_MS = 700;   // of a busy machine
const DEFAULT_DEADLINE_MS = 5000;
const clients = new Clients();
afterEach(clients.stop);

const statusOf = async (process, path) => (await request(`${process.url}${path}`)).status;

const rest = (cluster, channel, fields = {}) => request(cluster.url, {
    method: 'POST', path: `/api/messaging/channels/${channel}/messages`,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text: 'Hello', entityId: 'rest-user', ...fields }),
});

// Resolves with the answer to a request, which must take about the request deadline.
const answered = (ask) => inTime(async () => {
    const start = performance.now();
    const outcome = await ask();
    assertInTime(start, DEADLINE_MS + SLACK_MS, 'answered');
    return outcome;
});

const assertOverloaded = (ack, fields = {}) => assertShape(ack, {
    success: false, error: isText, code: 'overloaded', retryAfterMs: isPositive, ...fields,
});

describe('the router', TEST_OPTIONS, () => {
    let cluster;

    before(async () => {
        cluster = await startCluster({
            args: {
                edge: ['--request-deadline', `${DEADLINE_MS}ms`, '--bus-timeout', '1s'],
                bridge: ['--bus-timeout', '1s'],
            },
        });
    });
    after(() => {
        clients.stop();
        return cluster?.stop();
    });

    const start = async () => {
        const roomId = randomUUID();
        const alice = await clients.connect({ url: cluster.edges[0].url });
        const bob = await clients.connect({ url: cluster.edges[1].url });
        await alice.join(roomId);
        await bob.join(roomId);
        return { roomId, alice, bob };
    };

    const recovered = () => Promise.all([...cluster.edges, cluster.bridge].map(
        (process) => process.waitReady()));

    it('is killed: readiness ends, requests are refused in time, and all goes on', async () => {
        const { roomId, alice, bob } = await start();
        const socketIds = [alice.socket.id, bob.socket.id];
        await cluster.router.kill('SIGKILL');
        const messageId = randomUUID();
        assertOverloaded(await answered(() => alice.send(roomId, 'Anybody?', { messageId })),
            { clientMessageId: messageId });
        assertShape(await alice.event('messageError'), {
            error: isText, code: 'overloaded', retryAfterMs: isPositive, clientMessageId: messageId,
        });
        for (const process of [...cluster.edges, cluster.bridge]) {
            await until(async () => await statusOf(process, '/readyz') === 503, 'not ready');
            assert.equal(await statusOf(process, '/healthz'), 200);
            assert.equal(await statusOf(process, '/metrics'), 200);
            await until(() => process.log.includes('event=router_silent'), 'its log says so');
        }
        assertOverloaded(await answered(() => alice.join(randomUUID())));
        assertOverloaded(await answered(() => alice.message(ACK, { messageId, status: 'read' })));
        assertOverloaded(await answered(() => alice.emit('typing', { roomId, isTyping: true })));
        assertOverloaded(await answered(() => alice.message(CONTROL, { roomId, action: 'stop' })));
        const get = (path) => request(cluster.url, { path: `/api/messaging${path}` });
        await Promise.all([
            () => rest(cluster, roomId), () => rest(cluster, roomId, { mode: 'sync' }),
            () => rest(cluster, roomId, { mode: 'stream' }),
            () => get(`/channels/${roomId}/messages`), () => get(`/channels/${roomId}/presence`),
            () => request(cluster.url, { path: '/api/messaging/channels', method: 'POST',
                headers: { 'Content-Type': 'application/json' }, body: '{"name":"x"}' }),
        ].map(async (ask) => {
            const { status, headers, body } = await answered(ask);
            assert.equal(status, 503);
            assert.ok(Number(headers['retry-after']) > 0);
            assertShape(JSON.parse(body).error, { code: 'overloaded', message: isText });
        }));
        cluster.router.start();
        await recovered();
        const ack = await alice.send(roomId, 'Anybody?', { messageId });
        assert.equal(ack.success, true);
        await bob.reply(ack.messageId);
        assert.deepEqual([alice.socket.id, bob.socket.id], socketIds);
        assert.equal(bob.broadcasts.length, 2);
        assert.equal((await alice.join(roomId)).memberCount, 2);
    });

    it('stays away: REST calls are refused at once, and told why', async () => {
        const [edge] = cluster.edges;
        const counter = (name) => readMetric(edge, `elizamq_edge_${name}`);
        const history = () => request(edge.url, { path: `/api/messaging/channels/r/messages` });
        await cluster.router.kill('SIGKILL');
        await until(async () => {
            await history();
            return await counter('rest_router_away_total') > 0;
        }, 'the first refusal at once', 30000);
        const [asked, refused] = [await counter('requests_total'),
            await counter('rest_router_away_total')];
        const calls = [history(), rest(edge, 'r'), rest(edge, 'r', { mode: 'sync' }),
            rest(edge, 'r', { mode: 'stream' }), request(edge.url, { path: '/api/agents' })];
        for (const call of calls) {
            const { status, headers, body } = await call;
            assert.equal(status, 503);
            assert.ok(Number(headers['retry-after']) > 0);
            const { error } = JSON.parse(body);
            assert.equal(error.code, 'overloaded');
            assert.match(error.message, /router cannot be reached/);
        }
        assert.equal(await counter('requests_total'), asked); // nothing waits for it
        assert.equal(await counter('rest_router_away_total'), refused + calls.length);
        cluster.router.start();
        await recovered();
        assert.equal((await history()).status, 200);
    });

    it('stands still: the same, and a repeat of what it had taken is a duplicate', async () => {
        const { roomId, alice, bob } = await start();
        cluster.router.signal('SIGSTOP');
        const messageId = randomUUID();
        let ack = await answered(() => alice.send(roomId, 'Anybody?', { messageId }));
        assertOverloaded(ack, { clientMessageId: messageId });
        await until(async () => await statusOf(cluster.edges[0], '/readyz') === 503, 'not ready');
        cluster.router.signal('SIGCONT');
        await recovered();
        await until(() => cluster.edges[0].log.includes('event=router_heard'), 'its log says so');
        ack = await alice.send(roomId, 'Anybody?', { messageId });
        assert.equal(ack.success, true);
        await bob.reply(ack.messageId);
        const next = await alice.send(roomId, 'And again');
        await bob.reply(next.messageId);
        assert.deepEqual(bob.broadcasts.map(({ inReplyTo, id }) => inReplyTo ?? id),
            [ack.messageId, ack.messageId, next.messageId, next.messageId]);
        for (const client of [alice, bob]) assert.equal(client.received('userLeft').length, 0);
    });
});

it('a router that comes back within the deadline is not missed', TEST_OPTIONS,
    () => inTime(async () => {
        const cluster = await startCluster();
        try {
            const roomId = randomUUID();
            const alice = await clients.connect({ url: cluster.edges[0].url });
            const bob = await clients.connect({ url: cluster.edges[1].url });
            await alice.join(roomId);
            await bob.join(roomId);
            await cluster.router.kill('SIGKILL');
            const start = performance.now();
            const sent = alice.send(roomId, 'Through the gap');
            cluster.router.start();
            const ack = await sent;
            if (!ack.success) assertInTime(start, DEFAULT_DEADLINE_MS - SLACK_MS, 'it came back');
            assert.equal(ack.success, true, JSON.stringify(ack));
            assert.equal(ack.duplicate, undefined);
            await bob.reply(ack.messageId);
            assert.equal(bob.broadcasts.length, 2);
        } finally {
            clients.stop();
            await cluster.stop();
        }
    }));

describe('the agent-bridge', TEST_OPTIONS, () => {
    const AGENT_GRACE_MS = 2000;

    const assertNoAgent = async (cluster) => {
        const roomId = randomUUID();
        const alice = await clients.connect({ url: cluster.edges[0].url });
        const bob = await clients.connect({ url: cluster.edges[1].url });
        await alice.join(roomId);
        await bob.join(roomId);
        const ack = await alice.send(roomId, 'Anybody?');
        assert.equal(ack.success, true);
        assert.equal(ack.code, 'no_agent');
        assert.equal(alice.received('messageAck')[0].code, 'no_agent');
        assert.deepEqual(alice.received('messageError'), []);
        assert.equal((await bob.event('messageBroadcast')).id, ack.messageId);
        assert.equal((await alice.say(roomId, 'Never mind')).code, undefined);
        const accepted = await rest(cluster, roomId);
        assert.equal(accepted.status, 201);
        assert.equal(JSON.parse(accepted.body).code, 'no_agent');
        for (const mode of ['sync', 'stream']) {
            const { status, body } = await rest(cluster, roomId, { mode });
            assert.equal(status, 400);
            assertShape(JSON.parse(body).error, { code: 'no_agent', message: isText });
        }
        await until(() => bob.broadcasts.length === 5, 'everything is broadcast');
    };

    it('was never there: no_agent is said, and edges and router are ready', async () => {
        const cluster = await startCluster({ bridge: false });
        try {
            for (const process of cluster.processes) assert.ok(await process.isReady());
            await assertNoAgent(cluster);
        } finally {
            clients.stop();
            await cluster.stop();
        }
    });

    it('goes: questions wait, then no_agent is said; it comes back and answers',
        () => inTime(async () => {
            const cluster = await startCluster({
                args: { router: ['--agent-grace', `${AGENT_GRACE_MS}ms`] },
            });
            try {
                const roomId = randomUUID();
                const alice = await clients.connect({ url: cluster.url });
                await alice.join(roomId);
                const start = performance.now();
                await cluster.bridge.kill('SIGTERM');
                const waiting = await alice.send(roomId, 'I wait');
                assertInTime(start, AGENT_GRACE_MS, 'it is said');
                assert.equal(waiting.success, true);
                assert.equal(waiting.code, undefined);
                await until(async () => (
                    await alice.send(randomUUID(), 'Still?')).code === 'no_agent', 'it is said');
                await assertNoAgent(cluster);
                cluster.bridge.start();
                await cluster.bridge.waitReady();
                await alice.reply(waiting.messageId);
                const next = await alice.send(roomId, 'Welcome back');
                assert.equal(next.code, undefined);
                await alice.reply(next.messageId);
                assert.equal(alice.broadcasts.filter(({ roomId: id }) => id === roomId).length, 4);
            } finally {
                clients.stop();
                await cluster.stop();
            }
        }));

    it('stands still: its questions are given to another one', async () => {
        const cluster = await startCluster({
            args: { router: ['--bus-timeout', '1s'], bridge: ['--bus-timeout', '1s'] },
        });
        try {
            const roomId = randomUUID();
            const alice = await clients.connect({ url: cluster.url });
            await alice.join(roomId);
            const frozen = cluster.bridge;
            frozen.signal('SIGSTOP');
            const question = await alice.send(roomId, 'Hello');
            await frozen.kill('SIGKILL');
            frozen.start();
            await frozen.waitReady();
            await alice.reply(question.messageId);
            const next = await alice.send(roomId, 'Hello again');
            await alice.reply(next.messageId);
            assert.equal(alice.broadcasts.length, 4);
        } finally {
            clients.stop();
            await cluster.stop();
        }
    });
});

describe('the other edge', TEST_OPTIONS, () => {
    it('goes: those of this one talk on', async () => {
        const cluster = await startCluster();
        try {
            const roomId = randomUUID();
            const alice = await clients.connect({ url: cluster.edges[0].url });
            await alice.join(roomId);
            await cluster.edges[1].kill('SIGKILL');
            const { messageId } = await alice.send(roomId, 'Hello');
            await alice.reply(messageId);
            cluster.edges[1].start();
            await cluster.edges[1].waitReady();
            const bob = await clients.connect({ url: cluster.edges[1].url });
            await bob.join(roomId);
            const next = await alice.send(roomId, 'Hello again');
            await bob.reply(next.messageId);
        } finally {
            clients.stop();
            await cluster.stop();
        }
    });
});
