// The network between an edge and the router is cut, both ways or one, for some seconds, while all
// talk and some leave. When it has healed, both sides of the cut tell the same story.

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { readHistory, readPresence } from '../chaos/history.mjs';
import { Member } from '../chaos/member.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { makeNamespace, whyNoNamespaces } from '../lib/namespace.mjs';
import { freePort } from '../lib/ports.mjs';
import { pause, until } from '../lib/until.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const CUT_MS = IS_LONG ? 10000 : 3000;
const TIMES = IS_LONG ? [] : ['--bus-timeout', '1s'];
const ROUTER_TIMES = IS_LONG ? [] : ['--presence-grace', '500ms'];
const HEAL_MS = IS_LONG ? 5000 : 30000;     // the short form runs beside other tests
const MEMBERS = 3;          // on each side
const PACE_MS = 100;
const ROOM = 'a room on both sides';

const skip = whyNoNamespaces();
if (skip !== null) console.log(`partition: skipped, ${skip}`);

// The first edge is in the namespace, the second one where router and bridge are.
const startDivided = async () => {
    const namespace = makeNamespace();
    const port = await freePort();
    try {
        const cluster = await startCluster({
            places: (index) => (index === 0
                ? { host: namespace.address, within: namespace.within } : {}),
            args: {
                router: [...TIMES, ...ROUTER_TIMES,
                    '--bind-edges', `tcp://${namespace.bus.here}:${port}`],
                edge: (index) => [...TIMES, '--router', `tcp://${namespace.bus.here}:${port}`,
                    '--peer-bind',
                    `tcp://${index === 0 ? namespace.bus.there : namespace.bus.here}:0`],
            },
        });
        const stop = () => cluster.stop().finally(namespace.close);
        return { namespace, cluster, stop };
    } catch (error) {
        namespace.close();
        throw error;
    }
};

const names = (members) => members.map(({ name }) => name).sort();

it('no split view survives a cut between an edge and the router',
    { timeout: 300000, skip: skip ?? false }, async (test) => {
        const { namespace, cluster, stop } = await startDivided();
        const [far, near] = cluster.edges;
        const everybody = [];
        test.after(async () => {
            for (const member of everybody) member.close();
            await stop();
        });
        const enter = (edge, name, options = {}) => {
            const member = new Member({
                url: edge.url, name, roomId: ROOM, pace: () => PACE_MS, asks: () => false, ...options,
            });
            everybody.push(member);
            return member;
        };
        const transports = ['websocket', 'polling', 'upgrade'];
        const stayers = [far, near].flatMap((edge) => Array.from({ length: MEMBERS }, (_, i) => (
            enter(edge, `${edge.name} ${i}`, { transport: transports[i], asks: () => i === 0 }))));
        const arePresent = (present) => stayers.every((member) => (
            [...member.present].sort().join() === names(present).join()));
        await until(() => arePresent(stayers), 'all know each other');
        const talking = Promise.all(stayers.map((member) => member.speak()));
        const report = [];

        for (const directions of [['out', 'in'], ['out'], ['in']]) {
            const how = directions.join(' and ');
            const leavers = [far, near].map((edge) => enter(edge, `leaver ${edge.name} ${how}`));
            await until(() => arePresent([...stayers, ...leavers]), 'the leavers are there');
            const gaps = await readMetric(far, 'elizamq_edge_links_opened_total');

            namespace.cut(directions);
            const healing = pause(CUT_MS);
            await until(async () => !await far.isReady(), `${how}: it is not ready`);
            await until(async () => await readMetric(cluster.router, 'elizamq_router_edges') === 1,
                `${how}: the router gives it up`);
            for (const leaver of leavers) leaver.close();
            await until(() => stayers.slice(MEMBERS).every(({ present }) => present.size === MEMBERS),
                `${how}: who is beyond has left`);
            await healing;
            namespace.mend();
            const start = performance.now();
            await until(() => far.isReady(), `${how}: it is ready again`, HEAL_MS);
            const ready = performance.now() - start;
            await until(() => arePresent(stayers), () => `${how}: presence is true again; ${
                stayers.map(({ name, present }) => `${name}: ${[...present]}`).join('\n')}`);
            report.push(`${how}: ready after ${ready.toFixed(0)} ms, presence true after ${
                (performance.now() - start).toFixed(0)} ms`);
            const listed = await readPresence(far.url, ROOM);
            assert.deepEqual(listed.members.map(({ userId }) => userId).sort(), names(stayers));
            assert.deepEqual((await readPresence(near.url, ROOM)).members.map(({ userId }) => userId)
                .sort(), names(stayers));
            assert.ok(await readMetric(far, 'elizamq_edge_links_opened_total') > gaps,
                'the cut was counted');
        }

        for (const member of stayers) member.stop();
        await talking;
        const questions = stayers.reduce((sum, { sent }) => (
            sum + sent.filter(({ isQuestion }) => isQuestion).length), 0);
        let history = [];
        await until(async () => {
            history = await readHistory(near.url, ROOM);
            return history.filter(({ inReplyToRootMessageId: id }) => id !== null).length >= questions;
        }, 'every question is answered', 60000);
        assert.deepEqual(await readHistory(far.url, ROOM), history);
        const sent = stayers.flatMap((member) => member.sent.map(({ messageId }) => messageId));
        assert.deepEqual(history.filter(({ inReplyToRootMessageId: id }) => id === null)
            .map(({ sourceId }) => sourceId).sort(), sent.sort());
        assert.equal(history.length, sent.length + questions);
        for (const member of stayers) {
            const expected = history.filter(({ seq }) => seq > member.joins[0].seq)
                .map(({ id }) => id);
            await until(() => member.stream.length >= expected.length, `${member.name} has all`);
            assert.deepEqual(member.stream.map(({ id }) => id), expected, member.name);
            assert.equal(member.incomplete, 0);
            for (const code of member.refusals.keys()) assert.equal(code, 'overloaded');
        }
        console.log(`partition: cut for ${CUT_MS} ms; ${report.join('; ')}; ${
            history.length} messages`);
    });
