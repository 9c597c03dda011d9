// The Sessions API on two edges: what it says, and that any edge knows of any session.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { parseEvents, restOf } from './rest.mjs';
import { assertShape, isCount, isIsoTime, isPositive, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const JSON_TYPE = { 'Content-Type': 'application/json' };
const MINUTE = 60000;
const TIMEOUTS = {
    timeoutMinutes: 30, autoRenew: true, maxDurationMinutes: 720, warningThresholdMinutes: 5,
};

let cluster;
let agentId;
let calls;

const agentOf = async ({ send }) => (
    (await send(randomUUID(), 'Who are you?', { mode: 'sync' })).body.agentResponse.senderId);

// Calls below /sessions, of one cluster.
const sessionsOf = (of) => {
    const rest = restOf(of);
    const get = (path = '', edge = 0) => rest.api(`/sessions${path}`, { edge });
    const post = (path, body = {}, edge = 0) => rest.post(`/sessions${path}`, body, { edge });
    const patch = (path, body, edge = 0) => rest.api(`/sessions${path}`, {
        method: 'PATCH', headers: JSON_TYPE, body: JSON.stringify(body), edge,
    });
    const del = (path, edge = 0) => rest.api(`/sessions${path}`, { method: 'DELETE', edge });
    const create = async (fields = {}, edge = 0) => {
        const { status, body } = await post('', { agentId, userId: randomUUID(), ...fields }, edge);
        assert.equal(status, 201);
        return body;
    };
    return { ...rest, get, post, patch, del, create };
};

const assertRefused = ({ status, body }, expected, code, message) => {
    assert.equal(status, expected);
    assert.equal(body.error.code, code);
    assert.ok(isIsoTime(body.error.timestamp));
    assert.equal(body.error.stack, undefined);
    if (message instanceof RegExp) assert.match(body.error.message, message);
    else assert.equal(body.error.message, message);
};
const isInvalid = (answer, message) => assertRefused(answer, 400, 'VALIDATION_ERROR', message);

before(async () => {
    cluster = await startCluster();
    calls = sessionsOf(cluster);
    agentId = await agentOf(calls);
});
after(() => cluster?.stop());

describe('a session', TEST_OPTIONS, () => {
    it('is made on one edge and known to the other', async () => {
        const userId = randomUUID();
        const made = await calls.create({ userId, metadata: { a: 1 } });
        assertShape(made, {
            sessionId: isUuid, channelId: isUuid, agentId, userId, createdAt: isIsoTime,
            lastActivity: isIsoTime, metadata: { a: 1 }, expiresAt: (at) => at > made.createdAt,
            timeoutConfig: TIMEOUTS, renewalCount: 0, isNearExpiration: false,
            timeRemaining: (left) => left > 29 * MINUTE && left <= 30 * MINUTE,
        });
        const { status, body } = await calls.get(`/${made.sessionId}`, 1);
        assert.equal(status, 200);
        assert.deepEqual({ ...body, timeRemaining: 0 }, { ...made, timeRemaining: 0 });
        const details = await calls.api(`/channels/${made.channelId}/details`);
        assert.equal(details.body.data.name, `session-${made.sessionId}`);
        assert.equal(details.body.data.type, 'DM');
        assert.equal(details.body.data.metadata.sessionId, made.sessionId);
        assert.deepEqual(details.body.data.metadata.participantCentralUserIds, [agentId]);
    });

    it('has its timeouts put right, or refused when they are none', async () => {
        const { timeoutConfig } = await calls.create({
            timeoutConfig: {
                timeoutMinutes: 1, maxDurationMinutes: 2, autoRenew: false,
                warningThresholdMinutes: '2.5',
            },
        });
        assert.deepEqual(timeoutConfig, {
            timeoutMinutes: 5, autoRenew: false, maxDurationMinutes: 5, warningThresholdMinutes: 2.5,
        });
        const most = await calls.create({
            timeoutConfig: { timeoutMinutes: 1e12, maxDurationMinutes: 1e300 },
        });
        assert.equal(most.timeoutConfig.timeoutMinutes, 1440);
        assert.equal(most.timeoutConfig.maxDurationMinutes, 2880);
        for (const config of [1, [], { timeoutMinutes: {} }, { timeoutMinutes: 'soon' },
            { autoRenew: 1 }]) {
            isInvalid(await calls.post('', { agentId, userId: agentId, timeoutConfig: config }),
                'Invalid timeout configuration: Invalid timeout configuration format');
        }
    });

    it('is refused without a user, with a wrong id, for an unknown agent', async () => {
        const userId = randomUUID();
        const missing = await calls.post('', { userId });
        isInvalid(missing, 'Missing required fields: agentId, userId');
        assert.deepEqual(missing.body.error.details.missingFields, ['agentId', 'userId']);
        isInvalid(await calls.post('', { agentId: 'x', userId }),
            'Invalid UUID format for field \'agentId\'');
        isInvalid(await calls.post('', { agentId, userId: 'x' }),
            'Invalid UUID format for field \'userId\'');
        isInvalid(await calls.post('', { agentId, userId, metadata: { a: 'x'.repeat(10240) } }),
            'Invalid metadata: Metadata exceeds maximum size of 10240 bytes');
        const unknown = randomUUID();
        assertRefused(await calls.post('', { agentId: unknown, userId }), 404, 'AGENT_NOT_FOUND',
            `Agent with ID '${unknown}' not found`);
    });

    it('that is not there is 404, whatever is asked of it', async () => {
        const id = randomUUID();
        const message = `Session with ID '${id}' not found`;
        for (const answer of [
            calls.get(`/${id}`), calls.del(`/${id}`), calls.post(`/${id}/renew`),
            calls.post(`/${id}/heartbeat`), calls.patch(`/${id}/timeout`, { timeoutMinutes: 1 }),
            calls.get(`/${id}/messages`), calls.post(`/${id}/messages`, { content: '' }),
        ]) assertRefused(await answer, 404, 'SESSION_NOT_FOUND', message);
        assertRefused(await calls.get('/%3Cscript%3E'), 404, 'SESSION_NOT_FOUND',
            'Session not found');
        assert.equal((await calls.patch(`/${id}`, {})).headers.get('allow'), 'GET, DELETE');
    });

    it('is renewed, kept alive, given another timeout, and deleted, on any edge', async () => {
        const { sessionId } = await calls.create({ timeoutConfig: { autoRenew: false } });
        const renewed = await calls.post(`/${sessionId}/renew`, {}, 1);
        assert.equal(renewed.status, 200);
        assert.equal(renewed.body.renewalCount, 1);
        assert.equal((await calls.post(`/${sessionId}/heartbeat`)).body.renewalCount, 1);
        const changed = await calls.patch(`/${sessionId}/timeout`,
            { timeoutMinutes: 60, autoRenew: true, warningThresholdMinutes: 61 }, 1);
        assert.equal(changed.status, 200);
        assert.deepEqual(changed.body.timeoutConfig,
            { ...TIMEOUTS, timeoutMinutes: 60, warningThresholdMinutes: 61 });
        assert.ok(changed.body.timeRemaining > 59 * MINUTE);
        assert.equal(changed.body.isNearExpiration, true);
        assert.equal((await calls.post(`/${sessionId}/heartbeat`)).body.renewalCount, 2);
        isInvalid(await calls.patch(`/${sessionId}/timeout`, { timeoutMinutes: 4 }),
            'Invalid timeout configuration: Timeout must be between 5 and 1440 minutes');
        isInvalid(await calls.patch(`/${sessionId}/timeout`, { timeoutMinutes: [] }),
            'Invalid timeout configuration: Invalid timeout configuration format');
        const gone = await calls.del(`/${sessionId}`, 1);
        assert.equal(gone.status, 200);
        const message = `Session ${sessionId} deleted successfully`;
        assert.deepEqual(gone.body, { success: true, message, data: { success: true, message } });
        assert.equal((await calls.get(`/${sessionId}`)).status, 404);
        assert.equal((await calls.del(`/${sessionId}`)).status, 404);
    });

    it('loses no renewal when both edges renew it at once', async () => {
        const { sessionId } = await calls.create();
        const answers = await Promise.all(Array.from({ length: 12 },
            (_, i) => calls.post(`/${sessionId}/renew`, {}, i % 2)));
        for (const { status } of answers) assert.equal(status, 200);
        assert.deepEqual(answers.map(({ body }) => body.renewalCount).sort((a, b) => a - b),
            Array.from({ length: 12 }, (_, i) => i + 1));
    });

    it('is listed and counted', async () => {
        const { body: before } = await calls.get('', 1);
        const made = await calls.create();
        const { body } = await calls.get('', 1);
        assert.equal(body.total, before.total + 1);
        assert.equal(body.sessions[0].sessionId, made.sessionId);
        assert.deepEqual(body.stats,
            { totalSessions: body.total, activeSessions: body.total, expiredSessions: 0 });
        assertShape((await calls.get('/health')).body, {
            status: 'healthy', activeSessions: body.total, timestamp: isIsoTime,
            expiringSoon: isCount, uptime: (seconds) => seconds > 0,
        });
        const page = await calls.get('?limit=2');
        assert.equal(page.body.sessions.length, 2);
        const next = await calls.get(`?limit=1000&before=${page.body.next}`, 1);
        assert.equal(next.body.sessions.length, body.total - 2);
        assert.equal(next.body.next, undefined);
        isInvalid(await calls.get('?limit=x'), 'Invalid limit or before');
    });
});

describe('the timeouts of a session', TEST_OPTIONS, () => {
    let file;
    let own;
    before(async () => {
        file = path.join(os.tmpdir(), `elizamq-agent-${randomUUID()}.json`);
        fs.writeFileSync(file, JSON.stringify({
            name: 'Patient', settings: {
                SESSION_TIMEOUT_MINUTES: '60', SESSION_WARNING_THRESHOLD_MINUTES: 10,
                SESSION_AUTO_RENEW: 'false',
            },
        }));
        own = await startCluster({
            edges: 1, args: { bridge: ['--agents', file] },
            env: { SESSION_MAX_TIMEOUT_MINUTES: '90', SESSION_MAX_DURATION_MINUTES: '100' },
        });
    });
    after(async () => {
        await own?.stop();
        fs.rmSync(file, { force: true });
    });

    it('are its own, else its agent\'s, else those of the edge', async () => {
        const rest = sessionsOf(own);
        const agent = await agentOf(rest);
        const make = async (timeoutConfig) => (
            await rest.create({ agentId: agent, timeoutConfig })).timeoutConfig;
        const usual = {
            timeoutMinutes: 60, autoRenew: false, maxDurationMinutes: 100,
            warningThresholdMinutes: 10,
        };
        assert.deepEqual(await make(), usual);
        assert.deepEqual(await make({ timeoutMinutes: 7, autoRenew: true }),
            { ...usual, timeoutMinutes: 7, autoRenew: true });
        assert.deepEqual(await make({ timeoutMinutes: 1000 }), { ...usual, timeoutMinutes: 90 });
    });
});

describe('what is said in a session', TEST_OPTIONS, () => {
    const isStatus = (status) => isIsoTime(status.lastActivity ?? new Date().toISOString())
        && status.wasRenewed === true && status.isNearExpiration === false;

    it('is answered later, with the message at once', async () => {
        const { sessionId, channelId, userId } = await calls.create({ metadata: { a: 1, b: 1 } });
        const attachments = [{ id: '1', url: '/a.png' }];
        const { status, body } = await calls.post(`/${sessionId}/messages`,
            { content: 'Hello', metadata: { b: 2 }, attachments });
        assert.equal(status, 201);
        assert.deepEqual(body.data,
            { userMessage: body.userMessage, sessionStatus: body.sessionStatus });
        assertShape(body.userMessage, {
            id: isUuid, channel_id: channelId, message_server_id: isUuid, author_id: userId,
            content: 'Hello', text: 'Hello', created_at: isPositive, source_type: 'user',
            author_display_name: 'User', attachments, raw_message: { content: 'Hello', attachments },
            metadata: { sessionId, agentId, userId, timeoutConfig: TIMEOUTS, a: 1, b: 2 },
            seq: isPositive, epoch: isPositive,
        });
        assertShape(body.sessionStatus, {
            expiresAt: (at) => at > new Date().toISOString(), renewalCount: 1, wasRenewed: true,
            isNearExpiration: false,
        });
        const messages = await until(async () => {
            const { body: page } = await calls.get(`/${sessionId}/messages`, 1);
            return page.messages.length === 2 && page;
        }, 'the agent answers');
        const [answer, question] = messages.messages;
        assertShape(question, {
            id: body.userMessage.id, content: 'Hello', authorId: userId, isAgent: false,
            createdAt: isIsoTime, metadata: (given) => given.sessionId === sessionId,
        });
        assert.equal(answer.isAgent, true);
        assert.equal(answer.authorId, agentId);
        assert.ok(answer.content.length > 0);
        assert.equal(messages.hasMore, false);
        assert.deepEqual(messages.cursors,
            { before: Date.parse(question.createdAt), after: Date.parse(answer.createdAt) });
    });

    it('is answered in the same answer, or as events', async () => {
        const { sessionId } = await calls.create();
        for (const [transport, edge] of [['http', 0], ['sync', 1]]) {
            const { status, body } = await calls.post(`/${sessionId}/messages`,
                { content: 'Hello', transport }, edge);
            assert.equal(status, 201);
            assert.equal(body.success, true);
            assert.ok(body.agentResponse.text.length > 0);
            assert.ok(isStatus(body.sessionStatus));
            assert.deepEqual(body.data, {
                userMessage: body.userMessage, agentResponse: body.agentResponse,
                sessionStatus: body.sessionStatus,
            });
        }
        const { response } = await calls.post(`/${sessionId}/messages`,
            { content: 'Hello', mode: 'stream' }, 1);
        assert.equal(response.status, 200);
        assert.match(response.headers.get('content-type'), /^text\/event-stream/);
        const events = parseEvents(await response.text());
        assert.equal(events[0].event, 'user_message');
        assert.equal(events.at(-1).event, 'done');
        const { body } = await calls.get(`/${sessionId}`);
        assert.equal(body.renewalCount, 3);
    });

    it('is refused when it is nothing, too long, or in no transport', async () => {
        const { sessionId } = await calls.create();
        const send = (body) => calls.post(`/${sessionId}/messages`, body);
        isInvalid(await send({}), 'Invalid content: Invalid message request format');
        isInvalid(await send({ content: 1 }), 'Invalid content: Invalid message request format');
        const empty = await send({ content: '' });
        isInvalid(empty, 'Invalid content: Content cannot be empty');
        assert.deepEqual(empty.body.error.details, { reason: 'Content cannot be empty' });
        isInvalid(await send({ content: 'x'.repeat(4001) }),
            'Invalid content: Content exceeds maximum length of 4000 characters');
        isInvalid(await send({ content: 'x', transport: 'pigeon' }),
            /^Invalid content: Invalid transport/);
        isInvalid(await send({ content: 'x', metadata: { a: 'x'.repeat(10240) } }),
            /^Invalid metadata/);
        assert.equal((await send({ content: '☺'.repeat(4000) })).status, 201);
        assert.equal((await calls.get(`/${sessionId}`)).body.renewalCount, 1);
    });

    it('is said once when it is sent again under its id', async () => {
        const { sessionId } = await calls.create();
        const message = { content: 'Once', messageId: randomUUID() };
        const first = await calls.post(`/${sessionId}/messages`, message, 0);
        const second = await calls.post(`/${sessionId}/messages`, message, 1);
        assert.equal(second.body.userMessage.id, first.body.userMessage.id);
        assert.equal(second.body.duplicate, true);
    });

    it('is read page by page in both directions, nothing left out or twice', async () => {
        const { sessionId } = await calls.create();
        const read = async (query) => (await calls.get(`/${sessionId}/messages${query}`)).body;
        assert.deepEqual(await read(''), { messages: [], hasMore: false });
        for (let i = 0; i < 8; i++) {
            await Promise.all([0, 1].map((edge) => calls.post(`/${sessionId}/messages`,
                { content: `Message ${i}.${edge}`, transport: 'http' }, edge)));
        }
        const all = (await read('?limit=100')).messages.map(({ id }) => id);
        assert.equal(all.length, 32);
        const backward = [];
        for (let page = await read('?limit=5'); ; page = await read(
            `?limit=5&before=${page.cursors.before}`)) {
            backward.push(...page.messages.map(({ id }) => id));
            if (!page.hasMore) break;
        }
        assert.deepEqual(backward, all);
        const forward = [];
        for (let page = await read('?limit=5&after=1'); ; page = await read(
            `?limit=5&after=${page.cursors.after}`)) {
            forward.unshift(...page.messages.map(({ id }) => id));
            if (!page.hasMore) break;
        }
        assert.deepEqual(forward, all);
        assert.equal((await read('?limit=1000')).messages.length, 32);
        assert.equal((await read('?limit=nonsense')).messages.length, 32);
        isInvalid(await calls.get(`/${sessionId}/messages?before=nonsense`),
            'Invalid pagination parameter \'before\': Must be a valid timestamp');
        isInvalid(await calls.get(`/${sessionId}/messages?after=nonsense`),
            'Invalid pagination parameter \'after\': Must be a valid timestamp');
    });
});

describe('the end of a session', TEST_OPTIONS, () => {
    let short;
    let shortCalls;
    before(async () => {
        short = await startCluster({
            args: {
                edge: ['--api-session-timeout-min', '100ms', '--api-session-kept', '3s',
                    '--api-session-timeout-max', '30m'],
            },
        });
        shortCalls = sessionsOf(short);
        agentId = await agentOf(shortCalls);
    });
    after(() => short?.stop());

    const seconds = (count) => count / 60;

    it('is warned of, then it is 410, then 404, and its row is swept', async () => {
        const { sessionId, expiresAt } = await shortCalls.create({
            timeoutConfig: { timeoutMinutes: seconds(1), warningThresholdMinutes: 1 },
        });
        const { body: info } = await shortCalls.get(`/${sessionId}`, 1);
        assert.equal(info.isNearExpiration, true);
        const { body: { expiringSoon } } = await shortCalls.get('/health');
        assert.equal(expiringSoon, 1);
        const gone = await until(async () => {
            const answer = await shortCalls.get(`/${sessionId}`, 1);
            return answer.status !== 200 && answer;
        }, 'it expires');
        assertRefused(gone, 410, 'SESSION_EXPIRED', `Session '${sessionId}' expired at ${expiresAt}`);
        for (const answer of [
            shortCalls.post(`/${sessionId}/renew`), shortCalls.get(`/${sessionId}/messages`),
            shortCalls.post(`/${sessionId}/messages`, { content: 'x' }),
            shortCalls.patch(`/${sessionId}/timeout`, { timeoutMinutes: 5 }),
        ]) assertRefused(await answer, 410, 'SESSION_EXPIRED', /expired at/);
        await until(async () => (await shortCalls.get(`/${sessionId}`)).status === 404,
            'it is not known any more');
        await until(async () => (await shortCalls.get()).body.stats.totalSessions === 0,
            'its row is gone');
    });

    it('comes at its longest duration, however often it is renewed', async () => {
        const { sessionId } = await shortCalls.create({
            timeoutConfig: { timeoutMinutes: seconds(1), maxDurationMinutes: seconds(2) },
        });
        const last = await until(async () => {
            const answer = await shortCalls.post(`/${sessionId}/renew`);
            return answer.status !== 200 && answer;
        }, 'it ends');
        assertRefused(last, 410, 'SESSION_EXPIRED', /expired at/);
    });

    it('does not come with a restart of everything', async () => {
        const { sessionId, channelId } = await shortCalls.create();
        await shortCalls.post(`/${sessionId}/messages`, { content: 'Hello', transport: 'http' });
        const before = (await shortCalls.get(`/${sessionId}`)).body;
        await short.router.restart('SIGKILL');
        await Promise.all(short.edges.map((edge) => edge.restart('SIGKILL')));
        const { status, body } = await shortCalls.get(`/${sessionId}`, 1);
        assert.equal(status, 200);
        assert.deepEqual({ ...body, timeRemaining: 0 }, { ...before, timeRemaining: 0 });
        assert.equal(body.channelId, channelId);
        const { body: page } = await shortCalls.get(`/${sessionId}/messages`);
        assert.equal(page.messages.length, 2);
    });
});
