// An edge that is cut off from the router says so, keeps what fits its budget, refuses the rest at
// once, and sends its clients elsewhere when it takes long. Each of it is counted.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Late, inTime, until } from '../lib/until.mjs';

const BUS_TIMEOUT = ['--bus-timeout', '500ms'];
const BUDGET = 5;           // requests that may wait
const REQUEST_DEADLINE = '20s';
const AT_ONCE_MS = 5000;    // of a busy machine; and much less than what would be waited
const SPREAD_MS = 1000;
const clients = new Clients();
afterEach(clients.stop);

// A cluster whose first edge reaches the router through a proxy.
const startBehindProxy = async (edgeArgs) => {
    const port = await freePort();
    const proxy = await startProxy(`http://127.0.0.1:${port}`);
    const cluster = await startCluster({
        args: {
            router: [...BUS_TIMEOUT, '--bind-edges', `tcp://127.0.0.1:${port}`],
            edge: (index) => [...BUS_TIMEOUT, ...edgeArgs, '--router',
                index === 0 ? proxy.url.replace('http:', 'tcp:') : `tcp://127.0.0.1:${port}`],
        },
    });
    return { proxy, cluster, stop: () => cluster.stop().finally(proxy.close) };
};

for (const [how, what] of [['cut', 'is cut off'], ['stall', 'has a stalled way to the router']]) {
    it(`an edge that ${what} keeps a budget and refuses the rest at once`, { timeout: 300000 },
        async () => {
            const { proxy, cluster, stop } = await startBehindProxy(
                ['--requests-max', `${BUDGET}`, '--isolation-timeout', '0',
                    '--request-deadline', REQUEST_DEADLINE]);
            try {
                const [edge] = cluster.edges;
                const roomId = randomUUID();
                const alice = await clients.connect({ url: edge.url });
                const bob = await clients.connect({ url: cluster.edges[1].url });
                await alice.join(roomId);
                await bob.join(roomId);
                proxy[how]();
                await until(async () => !await edge.isReady(), 'it is not ready');
                const kept = [];
                for (let i = 0; i < BUDGET; i++) kept.push(alice.say(roomId, `kept ${i}`));
                const start = performance.now();
                const refused = await alice.say(roomId, 'too much');
                assert.ok(performance.now() - start < AT_ONCE_MS);
                assert.equal(refused.code, 'overloaded');
                assert.ok(refused.retryAfterMs > 0);
                assert.equal(await readMetric(edge, 'elizamq_edge_requests_refused_total'), 1);
                assert.equal(await readMetric(edge, 'elizamq_edge_requests_waiting'), BUDGET);
                proxy.mend();
                for (const ack of await Promise.all(kept)) {
                    assert.equal(ack.success, true, JSON.stringify(ack));
                    assert.equal(ack.duplicate, undefined);
                }
                await until(() => bob.broadcasts.length === BUDGET, 'everybody has it once');
                await bob.settle(roomId);
                assert.deepEqual(bob.broadcasts.map(({ id }) => id),
                    alice.broadcasts.map(({ id }) => id));
                for (const client of [alice, bob]) {
                    assert.deepEqual(client.received('userLeft'), []);
                    assert.ok(client.socket.connected);
                }
            } finally {
                clients.stop();
                await stop();
            }
        });
}

it('after --isolation-timeout its clients are closed one by one, and nobody who comes later',
    { timeout: 300000 }, () => inTime(async () => {
        const COUNT = 10;
        const { proxy, cluster, stop } = await startBehindProxy(['--isolation-timeout', '1s']);
        try {
            const [edge] = cluster.edges;
            const roomId = randomUUID();
            const closed = [];
            const members = await Promise.all(Array.from({ length: COUNT }, async (_, i) => {
                const member = await clients.connect({
                    url: edge.url, transport: i % 2 === 0 ? 'websocket' : 'polling',
                });
                await member.join(roomId);
                member.socket.once('disconnect', (reason) => {
                    closed.push({ reason, at: performance.now() });
                });
                return member;
            }));
            const bob = await clients.connect({ url: cluster.edges[1].url });
            await bob.join(roomId);
            proxy.cut();
            await until(async () => !await edge.isReady(), 'it is not ready');
            await until(() => closed.length === COUNT, 'all are closed');
            for (const { reason } of closed) assert.equal(reason, 'transport close');
            // They were spread over some time, unless this process saw none of them for as long.
            const spread = closed.at(-1).at - closed[0].at;
            if (spread <= SPREAD_MS) throw new Late(`closed within ${spread} ms`);
            assert.equal(await readMetric(edge, 'elizamq_edge_isolated_total'), 1);
            assert.equal(await readMetric(edge,
                'elizamq_edge_sessions_closed_total{reason="isolated"}'), COUNT);
            assert.match(edge.log, /event=isolated .*sessions=10/);

            // They come back here, where there is no balancer, and stay.
            await until(() => members.every(({ socket }) => socket.connected), 'all are back');
            proxy.mend();
            await until(() => edge.isReady(), 'it is ready again');
            const acks = await Promise.all(members.map((member) => member.join(roomId)));
            for (const ack of acks) assert.equal(ack.success, true);
            assert.equal((await bob.join(roomId)).memberCount, COUNT + 1);
            const ack = await members[0].say(roomId, 'here again');
            await until(() => [bob, ...members].every(({ broadcasts }) => (
                broadcasts.at(-1)?.id === ack.messageId)), 'everybody gets it');
            assert.equal(await readMetric(edge,
                'elizamq_edge_sessions_closed_total{reason="isolated"}'), COUNT);
        } finally {
            clients.stop();
            await stop();
        }
    }));
