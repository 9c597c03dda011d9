// Whatever is killed, and whenever: what was acknowledged is in the history once, every member gets
// it once and in the one order, every question gets one answer, presence tells the truth, and no
// client is told anything false. Real processes, killed by SIGKILL at random; real clients behind a
// balancer without affinity.
//
//     CHAOS_SECONDS=600 CHAOS_SEED=7 node --test tests/chaos/chaos.test.mjs

import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { it } from 'node:test';

import { startHaproxy } from '../cluster/haproxy.mjs';
import { TRANSPORTS } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { readHistory, readPresence } from './history.mjs';
import { killAtRandom } from './kills.mjs';
import { Member } from './member.mjs';
import { Random } from './random.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const SECONDS = Number(process.env.CHAOS_SECONDS ?? (IS_LONG ? 120 : 20));
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));
const EDGES = 3;
const ROOMS = 4;
const MEMBERS_PER_ROOM = 4;
const KILL_INTERVAL_MS = 1000;
const PACE_MS = [150, 450];         // between two messages of one member
const QUESTIONS = 0.3;              // of all messages
const JOB_ATTEMPTS = 100;           // no question is given up for what chance kills it of
const SETTLE_MS = 60000;
const PRESENCE_MS = 5000;
const SLACK_MS = IS_LONG ? 1000 : 25000;    // the short form runs beside other tests

// Somebody who comes, and does not come back when its connection breaks: another one does.
class Visitors {
    current = new Map();            // by room
    #count = 0;
    #isOver = false;
    #url;

    constructor(url) {
        this.#url = url;
    }

    invite(roomId) {
        const visitor = new Member({
            url: this.#url, name: `visitor-${++this.#count}`, roomId, transport: 'websocket',
            options: { reconnection: false },
        });
        this.current.set(roomId, visitor);
        const replace = () => {
            if (!this.#isOver && this.current.get(roomId) === visitor) this.invite(roomId);
        };
        visitor.socket.on('disconnect', replace);
        visitor.socket.on('connect_error', replace);
    }

    get count() {
        return this.#count;
    }

    end() {
        this.#isOver = true;
        for (const visitor of this.current.values()) visitor.close();
    }
}

const startMembers = (url, random) => {
    const transports = Object.keys(TRANSPORTS);
    return Array.from({ length: ROOMS }, () => randomUUID()).flatMap((roomId, room) => (
        Array.from({ length: MEMBERS_PER_ROOM }, (_, i) => new Member({
            url, roomId, name: `member-${room}-${i}`,
            transport: transports[(room + i) % transports.length],
            pace: () => random.between(...PACE_MS), asks: () => random.next() < QUESTIONS,
        }))));
};

const sum = (list, value) => list.reduce((total, each) => total + value(each), 0);
const tally = (list, of) => {
    const total = {};
    for (const map of list.map(of)) {
        for (const [key, count] of map) total[key] = (total[key] ?? 0) + count;
    }
    return total;
};

// Nothing that an acknowledgement said is false.
const assertAcknowledgements = (member, stored) => {
    for (const { messageId, ack, mayBeRepeated } of member.acknowledged) {
        const message = stored.get(ack.messageId);
        assert.ok(message, `${messageId} was acknowledged and is not in the history`);
        assert.equal(message.sourceId, messageId);
        assert.deepEqual([message.seq, message.epoch], [ack.seq, ack.epoch]);
        assert.equal(ack.code, undefined, `${messageId} was told ${ack.code}`);
        if (ack.duplicate) assert.ok(mayBeRepeated, `${messageId} was sent once: no duplicate`);
    }
    for (const code of member.refusals.keys()) assert.equal(code, 'overloaded');
};

const assertHistory = (members, history) => {
    const own = history.filter(({ inReplyToRootMessageId }) => inReplyToRootMessageId === null);
    const count = new Map();
    for (const { sourceId } of own) count.set(sourceId, (count.get(sourceId) ?? 0) + 1);
    for (const [messageId, times] of count) assert.equal(times, 1, `${messageId} is stored twice`);
    assert.equal(count.size, sum(members, ({ sent }) => sent.length),
        'what was sent is what is stored');
    const replies = history.filter(({ inReplyToRootMessageId: id }) => id !== null);
    const questions = members.flatMap(({ sent }) => sent.filter(({ isQuestion }) => isQuestion));
    assert.deepEqual(replies.map(({ inReplyToRootMessageId: id }) => id).sort(),
        questions.map(({ ack }) => ack.messageId).sort(), 'one final reply for each question');
    for (const { seq } of history) assert.ok(Number.isSafeInteger(seq));
};

// Losses and doubles of one member against what its room has from its first join on.
const compare = (member, history) => {
    const expected = history.filter(({ seq }) => seq > member.joins[0].seq).map(({ id }) => id);
    const got = member.stream.map(({ id }) => id);
    const unique = new Set(got);
    const missing = expected.filter((id) => !unique.has(id));
    let last = 0;
    const disordered = member.stream.filter(({ seq }) => {
        const isBehind = seq < last;
        last = Math.max(last, seq);
        return isBehind;
    });
    return { missing, doubled: got.length - unique.size, disordered: disordered.length };
};

const isEqual = (set, list) => set.size === list.length && list.every((each) => set.has(each));

it(`${SECONDS} s of kills`, { timeout: SECONDS * 1000 + 150000 }, async (test) => {
    const random = new Random(SEED);
    console.log(`chaos: CHAOS_SEED=${SEED} CHAOS_SECONDS=${SECONDS}`);
    const cluster = await startCluster({
        edges: EDGES, args: { router: ['--job-attempts', `${JOB_ATTEMPTS}`] },
    });
    const balancer = await startHaproxy(cluster);
    const members = startMembers(balancer.url, random);
    const rooms = [...new Set(members.map(({ roomId }) => roomId))];
    const visitors = new Visitors(balancer.url);
    const membersOf = (roomId) => members.filter((member) => member.roomId === roomId);
    test.after(async () => {
        for (const member of members) member.close();
        visitors.end();
        await balancer.close();
        await cluster.stop();
    });

    await until(() => members.every(({ isMember }) => isMember), 'all have joined', SETTLE_MS);
    rooms.forEach((roomId) => visitors.invite(roomId));
    const talking = Promise.all(members.map((member) => member.speak()));
    const kills = await killAtRandom({
        cluster, random, durationMs: SECONDS * 1000, intervalMs: KILL_INTERVAL_MS,
    });

    // Everybody who is there is there to stay, and whoever is not is gone, within 5 s.
    const start = performance.now();
    const visitorsBack = () => [...visitors.current.values()].every(({ isSettled }) => isSettled);
    await until(() => members.every(({ isMember, socket }) => socket.connected && isMember)
        && visitorsBack(), 'everybody is back', SETTLE_MS);
    const back = performance.now() - start;
    const truth = (roomId) => [visitors.current.get(roomId), ...membersOf(roomId)]
        .map(({ name }) => name);
    const believers = (roomId) => [visitors.current.get(roomId), ...membersOf(roomId)];
    const wrong = async () => {
        const found = [];
        for (const roomId of rooms) {
            const told = await readPresence(cluster.url, roomId);
            const listed = new Set(told.members.map(({ userId }) => userId));
            if (!isEqual(listed, truth(roomId))) found.push(`${roomId}: ${[...listed]}`);
            for (const { name, present, diary } of believers(roomId)) {
                if (!isEqual(present, truth(roomId))) {
                    found.push(`${name}: ${[...present]}\n    ${diary.slice(-30).join('\n    ')}`);
                }
            }
        }
        return found;
    };
    let differences = [];
    await until(async () => {
        differences = await wrong();
        return differences.length === 0;
    }, () => `presence tells the truth: ${differences.join('\n')}`, PRESENCE_MS + SLACK_MS);
    const presenceMs = performance.now() - start;

    for (const member of members) member.stop();
    await talking;
    const histories = new Map();
    const read = async () => {
        for (const roomId of rooms) {
            histories.set(roomId, await readHistory(cluster.url, roomId));
        }
    };
    const questions = sum(members, ({ sent }) => sent.filter(({ isQuestion }) => isQuestion).length);
    await until(async () => {
        await read();
        const replies = sum([...histories.values()], (history) => history.filter(
            ({ inReplyToRootMessageId: id }) => id !== null).length);
        return replies >= questions;
    }, 'every question is answered', SETTLE_MS);
    await until(() => members.every((member) => (
        compare(member, histories.get(member.roomId)).missing.length === 0)),
    'every member has everything').catch(() => {}); // what is missing is told below

    const stored = new Map([...histories.values()].flat().map((each) => [each.id, each]));
    const results = members.map((member) => compare(member, histories.get(member.roomId)));
    const losses = sum(results, ({ missing }) => missing.length);
    const doubles = sum(results, ({ doubled }) => doubled);
    console.log(`chaos: kills ${JSON.stringify(kills)}, messages ${
        sum(members, ({ acknowledged }) => acknowledged.length)}, questions ${questions
    }, deliveries ${sum(members, ({ stream }) => stream.length)}`);
    console.log(`chaos: connections recovered ${sum(members, ({ recoveries }) => recoveries)
    }, joined again ${sum(members, ({ rejoins }) => rejoins)}, refusals ${
        JSON.stringify(tally(members, ({ refusals }) => refusals))}, visitors ${visitors.count
    }, presence events ${sum(members, ({ presenceEvents }) => presenceEvents.length)}`);
    console.log(`chaos: losses ${losses}, duplicates ${doubles}, out of order ${
        sum(results, ({ disordered }) => disordered)}; everybody back after ${
        back.toFixed(0)} ms, presence true after ${presenceMs.toFixed(0)} ms`);

    for (const roomId of rooms) assertHistory(membersOf(roomId), histories.get(roomId));
    for (const member of members) assertAcknowledgements(member, stored);
    members.forEach((member, i) => {
        const { missing, doubled, disordered } = results[i];
        assert.deepEqual(missing, [], `${member.name} has lost messages`);
        assert.equal(doubled, 0, `${member.name} has messages twice`);
        assert.equal(disordered, 0, `${member.name} has messages out of order`);
        assert.equal(member.incomplete, 0, `${member.name} was told of an incomplete replay`);
    });
});
