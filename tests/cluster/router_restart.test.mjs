// A router that is killed comes back to a full house: 10 000 members in 1 000 rooms (1 000 in 100 in
// the short form) are there again at once, what was said meanwhile is sent, and no client hears of
// any of it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { until } from '../lib/until.mjs';

const LONG = Boolean(process.env.ELIZAMQ_LONG);
const CLIENTS = LONG ? 1000 : 100;  // and as many rooms
const ROOMS_OF_EACH = 10;           // so that each room has as many members
const SERVICE_MS = LONG ? 2000 : 15000; // the short form runs beside other tests
const GRACE_MS = 3000;
const REBUILD_MS = 2000;            // for so long a router says nothing of who is missing
const TEST_OPTIONS = { timeout: 300000 };

const clients = new Clients();
let cluster;
let members;

before(async () => {
    cluster = await startCluster({
        edges: 2, bridge: false,
        args: {
            router: ['--presence-grace', `${GRACE_MS}ms`, '--agent-grace', '0'],
            edge: ['--request-deadline', `${SERVICE_MS}ms`],
        },
    });
});
after(async () => {
    clients.stop();
    await cluster?.stop();
});

const roomOf = (i) => `room ${i % CLIENTS}`;
const enter = async (i) => {
    const member = await clients.connect({ url: cluster.edges[i % 2].url, entityId: `user ${i}` });
    for (let k = 0; k < ROOMS_OF_EACH; k++) await member.join(roomOf(i + k));
    return member;
};
const sayEverywhere = (text) => Promise.all(members.map((member, i) => (
    member.say(roomOf(i), `${text} ${i}`))));
const heardOf = (member, text) => member.broadcasts.filter((data) => data.text.startsWith(text));

describe('a router that is killed and started', TEST_OPTIONS, () => {
    it('serves everybody again in time, and nobody hears of it', async (t) => {
        members = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => enter(i)));
        await sayEverywhere('before');
        await until(() => members.every((member) => heardOf(member, 'before').length
            === ROOMS_OF_EACH), 'all is well', 60000);
        for (const member of members) member.events.length = 0;

        await cluster.router.kill('SIGKILL');
        const said = sayEverywhere('meanwhile');
        const started = performance.now();
        cluster.router.start();
        const acks = await said;
        await until(() => members.every((member) => heardOf(member, 'meanwhile').length
            === ROOMS_OF_EACH), () => `all hear everything; ${members.filter((member) => heardOf(
            member, 'meanwhile').length !== ROOMS_OF_EACH).length} do not`, 60000);
        const elapsed = performance.now() - started;
        t.diagnostic(`${CLIENTS * ROOMS_OF_EACH} members in ${CLIENTS} rooms: full service ${
            Math.round(elapsed)} ms after the start`);
        for (const ack of acks) {
            assert.equal(ack.success, true);
            assert.equal(ack.duplicate, undefined);
        }
        assert.ok(elapsed < SERVICE_MS);
        assert.equal(await readMetric(cluster.router, 'elizamq_router_members'),
            CLIENTS * ROOMS_OF_EACH);

        // Whom the router missed, it would say by now.
        const over = performance.now() + Math.max(GRACE_MS, REBUILD_MS) + 1000;
        await until(() => performance.now() > over, 'the router has seen who is there');
        await sayEverywhere('afterwards');
        await until(() => members.every((member) => heardOf(member, 'afterwards').length
            === ROOMS_OF_EACH), 'all hear the rest', 60000);
        for (const [i, member] of members.entries()) {
            assert.deepEqual(new Set(member.names), new Set(['messageBroadcast', 'messageAck']));
            assert.equal(member.broadcasts.length, 2 * ROOMS_OF_EACH);
            const { memberCount } = await member.join(roomOf(i));
            assert.equal(memberCount, ROOMS_OF_EACH);
        }
    });
});
