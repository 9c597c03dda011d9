// Channels made by REST decide who answers; presence tells who is there.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID, assertShape, isIsoTime, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };

let cluster;
let api;
let post;
let send;
let getMessages;
let agentId;
const clients = new Clients();

before(async () => {
    cluster = await startCluster();
    ({ api, post, send, getMessages } = restOf(cluster));
    const { body } = await send(randomUUID(), 'Who are you?', { mode: 'sync' });
    agentId = body.agentResponse.senderId;
});
after(() => {
    clients.stop();
    return cluster?.stop();
});
afterEach(clients.stop);

const member = async (channel, edge = 1, entityId = randomUUID()) => {
    const client = await clients.connect({ url: cluster.edges[edge].url, entityId });
    await client.join(channel);
    return client;
};

describe('channels', TEST_OPTIONS, () => {
    const create = async (fields = {}) => {
        const { status, body } = await post('/channels', {
            name: 'A channel', message_server_id: NIL_UUID, ...fields,
        });
        assert.equal(status, 201);
        assert.equal(body.success, true);
        return body.data;
    };

    it('are made as rows', async () => {
        const data = await create({
            participantCentralUserIds: [randomUUID()], type: 'DM', metadata: { isDm: true },
        });
        assertShape(data, {
            id: isUuid, messageServerId: NIL_UUID, name: 'A channel', type: 'DM',
            metadata: { isDm: true }, createdAt: isIsoTime, updatedAt: isIsoTime,
        });
        const { body } = await post('/message-servers', { name: 'Other', sourceType: 'test' });
        const server = body.data.server.id;
        const other = await create({ message_server_id: undefined, server_id: server });
        assert.equal(other.messageServerId, server);
        assert.equal(other.type, 'GROUP');
        assert.deepEqual(other.metadata, {});
    });

    for (const participants of [undefined, []]) {
        it(`with participants ${JSON.stringify(participants)} are answered by the default agent`,
            async () => {
                const { id } = await create({ participantCentralUserIds: participants });
                const { body } = await send(id, 'Hello', { mode: 'sync' });
                assert.equal(body.agentResponse.senderId, agentId);
            });
    }

    it('with an agent among the participants are answered by it', async () => {
        const { id } = await create({ participantCentralUserIds: [randomUUID(), agentId] });
        const { body } = await send(id, 'Hello', { mode: 'sync' });
        assert.equal(body.agentResponse.senderId, agentId);
        const client = await member(id);
        const ack = await client.send(id, 'Hello');
        assert.equal(ack.code, undefined);
        await client.reply(ack.messageId);
    });

    it('with participants but no agent are answered by nobody', async () => {
        const { id } = await create({ participantCentralUserIds: [randomUUID()] });
        const client = await member(id);
        const ack = await client.send(id, 'By socket');
        assert.equal(ack.success, true);
        assert.equal(ack.code, 'no_agent');
        const { status, body } = await send(id, 'By websocket mode');
        assert.equal(status, 201);
        assert.equal(body.code, 'no_agent');
        for (const mode of ['sync', 'stream', 'http', 'sse']) {
            const refusal = await send(id, `By ${mode} mode`, { mode });
            assert.equal(refusal.status, 400);
            assert.deepEqual(refusal.body, { success: false, error: {
                code: 'no_agent', message: 'No agent found in channel participants',
            } });
        }
        await until(() => client.broadcasts.length === 6, 'all messages are broadcast');
        await client.settle(id);
        assert.deepEqual(client.broadcasts.map(({ text }) => text), ['By socket',
            'By websocket mode', 'By sync mode', 'By stream mode', 'By http mode', 'By sse mode']);
        assert.equal((await getMessages(id)).length, 6);
        assert.equal(client.received('thinking').length, 0);
    });

    it('what an agent says is not answered', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const { body } = await send(channel, 'I speak as the agent', { entityId: agentId });
        assert.equal(body.code, 'no_agent');
        const { messageId } = await client.send(channel, 'And I do not');
        await client.reply(messageId);
        assert.equal(client.broadcasts.length, 3);
    });
});

describe('presence', TEST_OPTIONS, () => {
    it('lists who is there, over all edges, in pages', async () => {
        const channel = randomUUID();
        await member(channel, 0, 'a');
        await member(channel, 1, 'a');
        await member(channel, 1, 'b');
        const { join } = await clients.connect({ url: cluster.url, entityId: 'c' })
            .then((client) => ({ join: client.join(channel, { displayName: 'Cecily' }) }));
        await join;
        const presence = async (query = '') => {
            const { status, body } = await api(`/channels/${channel}/presence${query}`);
            assert.equal(status, 200);
            return body;
        };
        const members = [
            { userId: 'a', connections: 2 }, { userId: 'b', connections: 1 },
            { userId: 'c', displayName: 'Cecily', connections: 1 },
        ];
        assert.deepEqual(await presence(), { success: true, data: {
            channelId: channel, roomId: channel, memberCount: 3, offset: 0, members,
        } });
        const pages = [];
        for (let offset = 0; offset < 4; offset++) {
            const { data } = await presence(`?limit=1&offset=${offset}`);
            assert.equal(data.memberCount, 3);
            assert.equal(data.offset, offset);
            pages.push(...data.members);
        }
        assert.deepEqual(pages, members);
        assert.deepEqual((await presence('?limit=0')).data.members, []);
    });

    it('of an unknown channel is empty', async () => {
        const { body } = await api(`/channels/${randomUUID()}/presence`);
        assert.equal(body.data.memberCount, 0);
        assert.deepEqual(body.data.members, []);
    });

    it('senders over REST are not present', async () => {
        const channel = randomUUID();
        await send(channel, 'Hello', { mode: 'sync' });
        assert.equal((await api(`/channels/${channel}/presence`)).body.data.memberCount, 0);
    });
});
