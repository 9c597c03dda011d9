// Every method of the unmodified api-client's sessions service, called: method → result.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { loadApiClient } from './install.mjs';
import { noteCalls } from './noting.mjs';

const userId = randomUUID();

let cluster;
let sessions;
let other;
let agentId;
let assertAllCalled;

before(async () => {
    const { ElizaClient } = await loadApiClient();
    cluster = await startCluster();
    const [first, second] = cluster.edges.map(({ url }) => ElizaClient.create({ baseUrl: url }));
    ({ service: sessions, assertAllCalled } = noteCalls(first.sessions));
    other = second.sessions;
    const response = await fetch(`${cluster.url}/api/messaging/channels/first/messages`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'Who are you?', entityId: userId, mode: 'sync' }),
    });
    agentId = (await response.json()).agentResponse.senderId;
});
after(() => cluster?.stop());

const create = (fields) => sessions.createSession({ agentId, userId, ...fields });
const throws = (promise, status, code) => assert.rejects(promise,
    (error) => error.status === status && error.code === code);

const table = {
    checkHealth: async () => assert.equal((await sessions.checkHealth()).status, 'healthy'),
    'createSession, getSession': async () => {
        const { sessionId } = await create({ metadata: { platform: 'test' } });
        const session = await other.getSession(sessionId);
        assert.deepEqual(session.metadata, { platform: 'test' });
        assert.equal((await sessions.getSession(sessionId)).channelId, session.channelId);
        await throws(sessions.getSession(randomUUID()), 404, 'SESSION_NOT_FOUND');
        await throws(sessions.createSession({ agentId: randomUUID(), userId }), 404,
            'AGENT_NOT_FOUND');
    },
    sendMessage: async () => {
        const { sessionId } = await create();
        const { userMessage, sessionStatus } = await sessions.sendMessage(sessionId,
            { content: 'Hello', metadata: { a: 1 } });
        assert.equal(userMessage.content, 'Hello');
        assert.equal(sessionStatus.wasRenewed, true);
        await throws(sessions.sendMessage(sessionId, { content: 'x'.repeat(4001) }), 400,
            'VALIDATION_ERROR');
    },
    sendMessageSync: async () => {
        const { sessionId } = await create();
        const { agentResponse } = await sessions.sendMessageSync(sessionId, { content: 'Hello' });
        assert.ok(agentResponse.text.length > 0);
    },
    getMessages: async () => {
        const { sessionId } = await create();
        for (let i = 0; i < 3; i++) {
            await sessions.sendMessageSync(sessionId, { content: `Hello ${i}` });
        }
        const all = await other.getMessages(sessionId);
        assert.equal(all.messages.length, 6);
        assert.equal(all.messages[0].isAgent, true);
        const first = await sessions.getMessages(sessionId, { limit: 2 });
        assert.equal(first.hasMore, true);
        const rest = await other.getMessages(sessionId, { before: new Date(first.cursors.before) });
        assert.deepEqual([...first.messages, ...rest.messages], all.messages);
        const newer = await sessions.getMessages(sessionId, { after: rest.cursors.after });
        assert.deepEqual(newer.messages, first.messages);
    },
    deleteSession: async () => {
        const { sessionId } = await create();
        assert.equal((await sessions.deleteSession(sessionId)).success, true);
        await throws(other.getSession(sessionId), 404, 'SESSION_NOT_FOUND');
    },
    listSessions: async () => {
        const { sessionId } = await create();
        const { sessions: list, total } = await sessions.listSessions();
        assert.equal(list[0].sessionId, sessionId);
        assert.equal(total, list.length);
    },
};

describe('the api-client\'s sessions service', { timeout: 300000 }, () => {
    for (const [methods, call] of Object.entries(table)) it(methods, call);
    it('has no method that is not called here', () => assertAllCalled());
});
