// Message servers over REST, under their new and old names.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID, assertShape, isIsoTime, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };

let cluster;
let api;
let post;
let agentId;

before(async () => {
    cluster = await startCluster();
    let send;
    ({ api, post, send } = restOf(cluster));
    const { body } = await send(randomUUID(), 'Who are you?', { mode: 'sync' });
    agentId = body.agentResponse.senderId;
});
after(() => cluster?.stop());

const del = (path) => api(path, { method: 'DELETE' });
const data = async (answer, expected = 200) => {
    const { status, body } = await answer;
    assert.equal(status, expected);
    assert.equal(body.success, true);
    return body.data;
};

describe('message servers', TEST_OPTIONS, () => {
    it('begin with one, the current one', async () => {
        assert.deepEqual(await data(api('/message-server/current')), { messageServerId: NIL_UUID });
        const [first, second] = await Promise.all([0, 1].map(
            (edge) => data(api('/message-servers', { edge }))));
        assert.deepEqual(first, second);
        assertShape(first.messageServers[0], {
            id: NIL_UUID, name: 'Default Server', sourceType: 'eliza_default',
            createdAt: isIsoTime, updatedAt: isIsoTime,
        });
        assert.deepEqual((await data(api('/central-servers'))).servers, first.messageServers);
    });

    it('are made, listed on every edge, and deleted when they are empty', async () => {
        const { server } = await data(post('/message-servers',
            { name: 'Mine', sourceType: 'test', sourceId: 's', metadata: { a: 1 } }), 201);
        assertShape(server, {
            id: isUuid, name: 'Mine', sourceType: 'test', sourceId: 's', metadata: { a: 1 },
            createdAt: isIsoTime, updatedAt: isIsoTime,
        });
        const { messageServers } = await data(api('/message-servers', { edge: 1 }));
        assert.deepEqual(messageServers.find(({ id }) => id === server.id), server);
        const { id } = await data(post('/channels',
            { name: 'In it', message_server_id: server.id }), 201);
        const { channels } = await data(api(`/message-servers/${server.id}/channels`));
        assert.deepEqual(channels.map((channel) => channel.id), [id]);
        const full = await del(`/message-servers/${server.id}`);
        assert.equal(full.status, 409);
        await del(`/channels/${id}`);
        assert.equal((await del(`/message-servers/${server.id}`)).status, 204);
        assert.equal((await del(`/message-servers/${server.id}`)).status, 404);
        assert.equal((await del(`/message-servers/${NIL_UUID}`)).status, 403);
    });

    it('of a wrong kind are refused', async () => {
        const missing = await post('/message-servers', { name: 'x' });
        assert.equal(missing.status, 400);
        assert.equal(missing.body.error.message, 'Missing required fields: name, sourceType');
        assert.equal((await api('/message-servers/x/channels')).body.error.message,
            'Invalid messageServerId');
        const nowhere = await post('/channels', { name: 'x', message_server_id: randomUUID() });
        assert.equal(nowhere.status, 404);
        const unknown = await data(api(`/message-servers/${randomUUID()}/channels`));
        assert.deepEqual(unknown, { channels: [] });
    });

    it('list their channels newest first, in pages', async () => {
        const { server } = await data(post('/servers', { name: 'P', sourceType: 'test' }), 201);
        const ids = [];
        for (let i = 0; i < 3; i++) {
            const { id } = await data(post('/channels',
                { name: `${i}`, server_id: server.id }), 201);
            ids.unshift(id);
        }
        const first = await data(api(`/message-servers/${server.id}/channels?limit=2`));
        assert.deepEqual(first.channels.map(({ id }) => id), ids.slice(0, 2));
        const rest = await data(api(
            `/central-servers/${server.id}/channels?limit=2&before=${first.next}`));
        assert.deepEqual(rest.channels.map(({ id }) => id), ids.slice(2));
        assert.equal(rest.next, undefined);
    });

    it('take channels over, each once', async () => {
        const { server } = await data(post('/message-servers',
            { name: 'Sync', sourceType: 'test' }), 201);
        const channels = ['a', 'b'].map((name) => ({ name, type: 'GROUP', sourceId: `id-${name}` }));
        for (let i = 0; i < 2; i++) {
            assert.deepEqual(await data(post(`/message-servers/${server.id}/sync-channels`,
                { channels }, { edge: i })), { synced: 2 });
        }
        const listed = await data(api(`/message-servers/${server.id}/channels`));
        assert.deepEqual(listed.channels.map(({ name }) => name).sort(), ['a', 'b']);
        for (const bad of [{}, { channels: [1] }, { channels: [{ name: 'x' }] }]) {
            assert.equal((await post(`/message-servers/${server.id}/sync-channels`, bad)).status,
                400);
        }
    });

    it('have agents', async () => {
        const agents = (edge = 0) => data(api(`/message-servers/${NIL_UUID}/agents`, { edge }));
        const other = randomUUID();
        assert.deepEqual(await agents(), { messageServerId: NIL_UUID, agents: [agentId] });
        assert.deepEqual(await data(post(`/servers/${NIL_UUID}/agents`, { agentId: other }), 201), {
            messageServerId: NIL_UUID, agentId: other,
            message: 'Agent added to message server successfully',
        });
        assert.deepEqual((await agents(1)).agents, [agentId, other]);
        assert.deepEqual(await data(api(`/agents/${other}/message-servers`)),
            { agentId: other, messageServers: [NIL_UUID] });
        await data(del(`/message-servers/${NIL_UUID}/agents/${other}`));
        await data(del(`/message-servers/${NIL_UUID}/agents/${other}`));
        assert.deepEqual((await agents()).agents, [agentId]);
        assert.deepEqual((await data(api(`/agents/${other}/servers`))).messageServers, []);
        const foreign = await api(`/message-servers/${randomUUID()}/agents`);
        assert.equal(foreign.status, 403);
        assert.equal(foreign.body.error.message, 'Cannot access agents for a different server');
        assert.equal((await api('/agents/x/message-servers')).body.error.message,
            'Invalid agentId format');
    });
});
