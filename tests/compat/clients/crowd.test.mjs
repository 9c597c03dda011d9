// Clients of every generation, parser and transport in one room: all hear the same, all stay longer
// than a heartbeat takes to fail, and all come back when their edge was restarted.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { until } from '../../lib/until.mjs';
import { ALL_LIBRARIES, Member, TRANSPORTS } from './members.mjs';

const IS_LONG = Boolean(process.env.ELIZAMQ_LONG);
// Of the servers of these tests: socket.io's own, or short ones.
const HEARTBEAT_MS = IS_LONG ? 25000 + 20000 : 1500 + 3500;
const OPTIONS = { timeout: 300000 + 4 * HEARTBEAT_MS };
const DEADLINE_MS = 40000;

let cluster;
let members;
const roomId = randomUUID();
before(async () => {
    cluster = await startCluster({
        edges: 1, bridge: false,
        args: { edge: IS_LONG ? [] : ['--ping-interval', '1500ms', '--ping-timeout', '3500ms'] },
    });
    members = Object.entries(ALL_LIBRARIES).flatMap(([version, library]) =>
        Object.keys(TRANSPORTS).map((transport) => new Member(library, cluster.edges[0].url,
            transport, `${version}, ${transport}`,
            { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 500 })));
});
after(() => {
    members?.forEach((member) => member.stop());
    return cluster?.stop();
});

const texts = (member, round) => member.all('messageBroadcast',
    ({ text }) => text.startsWith(round)).map(({ text }) => text);

// Everyone says something, and everyone hears all of it once, in one order.
const converse = async (round) => {
    const sent = await Promise.all(members.map((member) =>
        member.say(roomId, `${round}: ${member.entityId}`)));
    for (const { success } of sent) assert.equal(success, true);
    await until(() => members.every((member) => texts(member, round).length >= members.length),
        () => `${round}; heard ${members.map((member) => texts(member, round).length)}`, DEADLINE_MS);
    for (const member of members) {
        assert.deepEqual(texts(member, round), texts(members[0], round), member.entityId);
    }
    assert.equal(new Set(texts(members[0], round)).size, members.length);
};

it('all hear the same', OPTIONS, async () => {
    for (const joined of await Promise.all(members.map((member) => member.join(roomId)))) {
        assert.equal(joined.success, true);
    }
    await converse('at first');
});

it('all stay past pingInterval and pingTimeout', OPTIONS, async () => {
    const started = performance.now();
    const enough = HEARTBEAT_MS * 1.2;
    await until(() => performance.now() - started > enough, 'the time passes', 2 * enough);
    for (const member of members) assert.deepEqual(member.all('disconnect'), [], member.entityId);
    await converse('after heartbeats');
});

it('all come back by themselves when their edge was restarted', OPTIONS, async () => {
    const connections = () => members.map((member) => member.all('connect').length);
    const before = connections();
    await cluster.edges[0].restart();
    await until(() => connections().every((count, i) => count > before[i]),
        () => `all are back; ${before} were ${connections()}`, DEADLINE_MS);
    for (const joined of await Promise.all(members.map((member) => member.join(roomId)))) {
        assert.equal(joined.success, true);
    }
    await converse('after the restart');
});
