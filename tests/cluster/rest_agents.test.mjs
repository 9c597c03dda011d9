// Agents over REST: who is registered, stopping and starting, and what a server is asked.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { NIL_UUID, assertShape, isIsoTime, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const JSON_TYPE = { 'Content-Type': 'application/json' };

let cluster;
let agentId;

before(async () => { cluster = await startCluster(); });
after(() => cluster?.stop());

// Resolves with {status, headers, body}; `edge` chooses one.
const call = async (path, { edge = 0, ...options } = {}) => {
    const response = await fetch(`${cluster.edges[edge].url}${path}`, options);
    const text = await response.text();
    return {
        status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null,
    };
};
const post = (path, body, options) => call(path, {
    method: 'POST', headers: JSON_TYPE, body: body && JSON.stringify(body), ...options,
});
const data = async (answer, expected = 200) => {
    const { status, body } = await answer;
    assert.equal(status, expected, JSON.stringify(body));
    assert.equal(body.success, true);
    return body.data;
};
const refused = async (answer, status, code) => {
    const { status: got, body } = await answer;
    assert.equal(got, status);
    assert.equal(body.success, false);
    assert.equal(body.error.code, code);
    assert.ok(body.error.message);
};
const ask = (channel, text) => post(`/api/messaging/channels/${channel}/messages`,
    { text, entityId: 'user', mode: 'sync' });

describe('agents over REST', TEST_OPTIONS, () => {
    it('are listed with what they are', async () => {
        const { agents } = await data(call('/api/agents'));
        assert.equal(agents.length, 1);
        assertShape(agents[0], {
            id: isUuid, name: 'Eliza', characterName: 'Eliza', status: 'active',
            bio: 'Answers with the eliza runtime.',
        });
        agentId = agents[0].id;
        assert.deepEqual((await data(call('/api/agents', { edge: 1 }))).agents, agents);
    });

    it('are shown one by one, without secrets', async () => {
        const agent = await data(call(`/api/agents/${agentId}`));
        const isNumber = (value) => typeof value === 'number';
        assertShape(agent, {
            id: agentId, enabled: true, server_id: null, createdAt: isNumber, updatedAt: isNumber,
            name: 'Eliza', username: '', system: '', bio: ['Answers with the eliza runtime.'],
            messageExamples: [], postExamples: [], topics: [], adjectives: [], knowledge: [],
            plugins: [], settings: { secrets: {} }, style: {}, status: 'active', runtime: 'eliza',
        });
        assert.deepEqual(await data(call(`/api/agents/${agentId}/panels`)), []);
        await refused(call('/api/agents/nobody'), 400, 'INVALID_ID');
        await refused(call(`/api/agents/${randomUUID()}`), 404, 'NOT_FOUND');
    });

    it('answer nothing while they are stopped, also over a restart', async () => {
        const channel = randomUUID();
        assert.deepEqual(await data(post(`/api/agents/${agentId}/stop`)),
            { message: 'Agent stopped' });
        assert.equal((await data(call(`/api/agents/${agentId}`, { edge: 1 }))).status, 'inactive');
        assert.equal((await ask(channel, 'Are you there?')).status, 400);
        await cluster.router.kill();
        cluster.router.start();
        await cluster.router.waitReady();
        await Promise.all(cluster.edges.map((edge) => edge.waitReady()));
        assert.equal((await data(call(`/api/agents/${agentId}`))).enabled, false);
        assert.equal((await call('/health')).status, 503);
        await until(async () => (await data(post(`/api/agents/${agentId}/start`))).status
            === 'active', 'the agent runs');
        assert.equal((await ask(channel, 'And now?')).status, 201);
        await refused(post(`/api/agents/${randomUUID()}/start`), 404, 'NOT_FOUND');
        await refused(post('/api/agents/nobody/stop'), 400, 'INVALID_ID');
    });
});

describe('the server\'s own endpoints', TEST_OPTIONS, () => {
    it('say that it is there', async () => {
        assert.equal((await call('/api/server/ping')).body.pong, true);
        assert.deepEqual((await call('/api/server/hello')).body, { message: 'Hello World!' });
        assertShape((await call('/api/server/status')).body,
            { status: 'ok', agentCount: 1, timestamp: isIsoTime });
        for (const path of ['/health', '/api/server/health']) {
            const { status, body } = await call(path);
            assert.equal(status, 200);
            assert.equal(body.status, 'OK');
            assert.deepEqual(body.dependencies, { agents: 'healthy' });
            assert.equal(body.agentCount, 1);
        }
        const { body } = await call('/api/system/version');
        assert.equal(body.version, '1.7.2');
        assert.equal(typeof body.uptime, 'number');
    });

    it('show its message servers, for every kind of client', async () => {
        const { body } = await call('/api/server/debug/servers');
        assert.equal(body.count, 1);
        assert.equal(body.servers[0].id, NIL_UUID);
        assert.deepEqual(body.data, { servers: body.servers, count: 1 });
    });

    it('show and change nothing of its environment, and do not stop it', async () => {
        assert.deepEqual(await data(call('/api/system/env/local')), {});
        await refused(post('/api/system/env/local', { content: { A: 'b' } }), 403, 'READ_ONLY');
        await refused(post('/api/server/stop'), 403, 'forbidden');
        assert.deepEqual(await data(call('/api/system/config')), { requiresAuth: false });
    });

    it('have no ear for speech', async () => {
        const body = new FormData();
        body.append('file', new Blob(['x']));
        await refused(call(`/api/audio/${agentId}/transcriptions`, { method: 'POST', body }),
            501, 'NOT_IMPLEMENTED');
    });
});
