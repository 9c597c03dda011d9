// Sessions of the Sessions API are created, used and expire while processes are killed: none is lost
// before its time, none outlives it, what was said in them is there once, and whatever an edge has
// answered is true on every other.
//
//     ELIZAMQ_LONG=1 CHAOS_SEED=7 node --test tests/chaos/sessions.test.mjs

import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { pause, until } from '../lib/until.mjs';
import { killAtRandom } from './kills.mjs';
import { Random } from './random.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));
const SESSIONS = IS_LONG ? 1000 : 50;
const SECONDS = IS_LONG ? 60 : 8;
const TIMEOUT_MS = IS_LONG ? 120000 : 20000;    // of a session while it is used
const LAST_TIMEOUT_MS = 1000;                  // and then
const KEPT_MS = 3000;
const PACE_MS = IS_LONG ? [6000, 18000] : [100, 500];
const KILL_INTERVAL_MS = 1000;
const RETRY_MS = IS_LONG ? 1000 : 50;         // as many clients as there are share one process
const AT_ONCE = 50;
const SETTLE_MS = 60000;

const minutes = (ms) => ms / 60000;

// Calls any edge, another one when that is away or has not answered, until there is an answer.
class Caller {
    isClosed = false;
    #edges;
    #random;

    constructor(edges, random) {
        this.#edges = edges;
        this.#random = random;
    }

    async #try(url, method, body) {
        try {
            const response = await fetch(url, {
                method, headers: { 'Content-Type': 'application/json' },
                body: body === undefined ? undefined : JSON.stringify(body),
                signal: AbortSignal.timeout(SETTLE_MS),
            });
            return { status: response.status, body: await response.json() };
        } catch {
            return { status: 503 };        // it went away: whether it has done it nobody knows
        }
    }

    async call(method, path, body, edge) {
        for (;;) {
            const { url } = edge ?? this.#random.pick(this.#edges);
            const answer = await this.#try(`${url}/api/messaging/sessions${path}`, method, body);
            if (answer.status !== 503) return answer;
            if (this.isClosed) throw new Error('nobody answers any more');
            await pause(RETRY_MS);
        }
    }
}

// One session and who uses it.
class User {
    said = [];
    renewals = 0;          // that were answered
    isOver = false;
    #caller;
    #random;

    constructor(caller, random) {
        this.#caller = caller;
        this.#random = random;
    }

    async call(method, path, body) {
        const { status, body: answer } = await this.#caller.call(
            method, `/${this.sessionId}${path}`, body);
        assert.ok(status === 200 || status === 201,
            `${method} ${path} of a session that is in use: ${status} ${JSON.stringify(answer)}`);
        return answer;
    }

    async create(agentId) {
        const { status, body } = await this.#caller.call('POST', '', {
            agentId, userId: randomUUID(), timeoutConfig: { timeoutMinutes: minutes(TIMEOUT_MS) },
        });
        assert.equal(status, 201);
        this.sessionId = body.sessionId;
    }

    #noteRenewals(count) {
        assert.ok(count > this.renewals, 'a renewal that was answered is not forgotten');
        this.renewals = count;
    }

    async use() {
        const renew = async (how) => {
            this.#noteRenewals((await this.call('POST', `/${how}`)).renewalCount);
        };
        const say = async () => {
            const content = `Message ${this.said.length}`;
            const { sessionStatus } = await this.call('POST', '/messages',
                { content, messageId: randomUUID() });
            this.said.push(content);
            this.#noteRenewals(sessionStatus.renewalCount);
        };
        const look = async () => {
            const { renewalCount } = await this.call('GET', '');
            assert.ok(renewalCount >= this.renewals);
        };
        while (!this.isOver) {
            const act = this.#random.pick([say, say, look, () => renew('renew'),
                () => renew('heartbeat')]);
            await act();
            await pause(this.#random.between(...PACE_MS));
        }
    }

    async assertKept() {
        const { messages } = await this.call('GET', '/messages?limit=100');
        const own = messages.filter(({ isAgent }) => !isAgent).map(({ content }) => content);
        assert.deepEqual(own, this.said.slice(-own.length).reverse());
        assert.ok(messages.length >= 100 || own.length === this.said.length,
            'what was said is there');
    }

    async end() {
        await this.call('PATCH', '/timeout', { timeoutMinutes: minutes(LAST_TIMEOUT_MS) });
    }
}

// At most so many at a time.
const forEach = async (list, action) => {
    const left = list.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (const each of left) await action(each);
    }));
};

const DEADLINE_MS = SECONDS * 1000 + 2 * TIMEOUT_MS + 2 * SETTLE_MS;
it(`${SESSIONS} sessions, ${SECONDS} s of kills`, { timeout: DEADLINE_MS }, async (test) => {
    const random = new Random(SEED);
    console.log(`chaos of sessions: CHAOS_SEED=${SEED}`);
    const cluster = await startCluster({
        edges: 3, args: {
            edge: ['--api-session-timeout-min', `${LAST_TIMEOUT_MS}ms`,
                '--api-session-timeout', `${TIMEOUT_MS}ms`, '--api-session-kept', `${KEPT_MS}ms`],
        },
    });
    const caller = new Caller(cluster.edges, random);
    const users = Array.from({ length: SESSIONS }, () => new User(caller, random));
    test.after(() => {
        caller.isClosed = true;
        for (const user of users) user.isOver = true;
        return cluster.stop();
    });
    const response = await fetch(`${cluster.url}/api/messaging/channels/first/messages`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'Who are you?', entityId: 'user', mode: 'sync' }),
    });
    const agentId = (await response.json()).agentResponse.senderId;

    const uses = [];
    const creating = forEach(users, async (user) => {
        await user.create(agentId);
        uses.push(user.use());
        uses.at(-1).catch(() => {});       // it is waited for below
    });
    creating.catch(() => {});
    const kills = await killAtRandom({
        cluster, random, durationMs: SECONDS * 1000, intervalMs: KILL_INTERVAL_MS,
    });
    for (const user of users) user.isOver = true;
    await creating;
    await Promise.all(uses);

    await forEach(users, (user) => user.assertKept());
    const { body: { stats } } = await caller.call('GET', '');
    assert.ok(stats.activeSessions >= SESSIONS);
    await forEach(users, (user) => user.end());
    const ended = performance.now();
    const seen = new Map();
    await forEach(users, async ({ sessionId }) => {
        const { status } = await until(async () => {
            const answer = await caller.call('GET', `/${sessionId}`);
            return answer.status !== 200 && answer;
        }, `${sessionId} ends`, SETTLE_MS);
        seen.set(status, (seen.get(status) ?? 0) + 1);
    });
    const expired = performance.now() - ended;
    for (const status of seen.keys()) assert.ok(status === 410 || status === 404);
    // Also those of whose creation nobody heard.
    await until(async () => {
        const { body } = await caller.call('GET', '');
        return body.stats.totalSessions === 0 && body.total === 0;
    }, 'all are swept', TIMEOUT_MS + SETTLE_MS);
    for (const { sessionId } of users) {
        const { status } = await caller.call('GET', `/${sessionId}`, undefined,
            random.pick(cluster.edges));
        assert.equal(status, 404);
    }
    const total = (value) => users.reduce((sum, user) => sum + value(user), 0);
    console.log(`chaos of sessions: kills=${JSON.stringify(kills)} sessions=${SESSIONS} messages=${
        total(({ said }) => said.length)} renewals=${total(({ renewals }) => renewals)} ended_in_ms=${
        Math.round(expired)} seen=${JSON.stringify(Object.fromEntries(seen))}`);
});
