// Channels over REST: details, participants, changes and deletion, on every edge, with the events
// that they cause.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const JSON_TYPE = { 'Content-Type': 'application/json' };

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

const patch = (path, body, options) => api(path, {
    method: 'PATCH', headers: JSON_TYPE, body: JSON.stringify(body), ...options,
});
const del = (path, options) => api(path, { method: 'DELETE', ...options });

const create = async (fields = {}) => {
    const { status, body } = await post('/channels', {
        name: 'A channel', message_server_id: NIL_UUID, ...fields,
    });
    assert.equal(status, 201);
    return body.data;
};

const member = async (channel, edge = 1, entityId = randomUUID()) => {
    const client = await clients.connect({ url: cluster.edges[edge].url, entityId });
    await client.join(channel);
    return client;
};

describe('a channel', TEST_OPTIONS, () => {
    it('tells its row and who takes part, on every edge', async () => {
        const user = randomUUID();
        const { id } = await create({
            participantCentralUserIds: [user, agentId], metadata: { colour: 'red' },
        });
        for (const edge of [0, 1]) {
            const { status, body } = await api(`/channels/${id}/details`, { edge });
            assert.equal(status, 200);
            assert.equal(body.data.name, 'A channel');
            assert.deepEqual(body.data.metadata, {
                colour: 'red', participantCentralUserIds: [user, agentId],
            });
            const participants = await api(`/channels/${id}/participants`, { edge });
            assert.deepEqual(participants.body.data, [user, agentId]);
            const agents = await api(`/channels/${id}/agents`, { edge });
            assert.deepEqual(agents.body.data,
                { channelId: id, participants: [user, agentId] });
        }
    });

    it('that is unknown has no details and nobody in it', async () => {
        const details = await api(`/channels/${randomUUID()}/details`);
        assert.equal(details.status, 404);
        assert.equal(details.body.error.message, 'Channel not found');
        const participants = await api(`/channels/${randomUUID()}/participants`);
        assert.equal(participants.status, 200);
        assert.deepEqual(participants.body.data, []);
        assert.equal((await patch(`/channels/${randomUUID()}`, { name: 'x' })).status, 404);
    });

    it('that came into being by a send lists who spoke, and who answered', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const ack = await client.send(channel, 'Hello');
        await client.reply(ack.messageId);
        await send(channel, 'Hello from REST');
        const { body } = await api(`/channels/${channel}/participants`);
        assert.deepEqual(new Set(body.data), new Set([client.entityId, agentId, 'rest-user']));
    });

    it('is changed, and everybody is told', async () => {
        const user = randomUUID();
        const { id } = await create({ participantCentralUserIds: [user] });
        const client = await member(id);
        const { status, body } = await patch(`/channels/${id}`, {
            name: 'Renamed', metadata: { a: 1, participantCentralUserIds: ['stale'] },
            participantCentralUserIds: [user, agentId],
        });
        assert.equal(status, 200);
        assert.equal(body.data.name, 'Renamed');
        assert.deepEqual(body.data.metadata, { a: 1 });
        const updated = await client.event('channelUpdated');
        assert.equal(updated.channelId, id);
        assert.deepEqual(updated.updates, body.data);
        const { body: participants } = await api(`/channels/${id}/participants`, { edge: 1 });
        assert.deepEqual(participants.data, [user, agentId]);
        const ack = await client.send(id, 'Hello');
        await client.reply(ack.messageId);
        for (const bad of [{ name: 7 }, { metadata: 'x' }, { participantCentralUserIds: [1] }]) {
            assert.equal((await patch(`/channels/${id}`, bad)).status, 400);
        }
    });

    it('gets and loses agents', async () => {
        const { id } = await create({ participantCentralUserIds: [randomUUID()] });
        const client = await member(id);
        assert.equal((await client.send(id, 'Anybody?')).code, 'no_agent');
        for (let i = 0; i < 2; i++) {
            const { status, body } = await post(`/channels/${id}/agents`, { agentId });
            assert.equal(status, 201);
            assert.deepEqual(body.data, {
                channelId: id, agentId, message: 'Agent added to channel successfully',
            });
        }
        const ack = await client.send(id, 'Hello');
        await client.reply(ack.messageId);
        const removed = await del(`/channels/${id}/agents/${agentId}`, { edge: 1 });
        assert.equal(removed.status, 200);
        const again = await del(`/channels/${id}/agents/${agentId}`);
        assert.equal(again.status, 404);
        assert.equal(again.body.error.message, 'Agent is not a participant in this channel');
        assert.equal((await client.send(id, 'Still there?')).code, 'no_agent');
        assert.equal((await post(`/channels/${id}/agents`, { agentId: 'eliza' })).status, 400);
        assert.equal((await post(`/channels/${randomUUID()}/agents`, { agentId })).status, 404);
    });

    it('that is deleted is gone, for whoever is in it too, until something is said', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        await client.say(channel, 'Hello');
        const { status } = await del(`/channels/${channel}`);
        assert.equal(status, 204);
        assert.deepEqual(await client.event('channelDeleted'),
            { channelId: channel, roomId: channel });
        assert.equal((await api(`/channels/${channel}/details`, { edge: 1 })).status, 404);
        assert.deepEqual(await getMessages(channel), []);
        assert.equal((await del(`/channels/${channel}`)).status, 204);
        await client.say(channel, 'And again');
        assert.equal((await api(`/channels/${channel}/details`)).status, 200);
        assert.deepEqual((await getMessages(channel)).map(({ text }) => text), ['And again']);
    });

    it('of two people is one, whoever asks first and where', async () => {
        const [a, b] = [randomUUID(), randomUUID()].sort();
        const ask = (one, two, edge) => api(
            `/dm-channel?currentUserId=${one}&targetUserId=${two}&dmServerId=${NIL_UUID}`, { edge });
        const answers = await Promise.all([ask(a, b, 0), ask(b, a, 1), ask(a, b, 1), ask(b, a, 0)]);
        assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
        assert.equal(new Set(answers.map(({ body }) => body.data.id)).size, 1);
        const { data } = answers[0].body;
        assert.equal(data.name, `DM-${a}-${b}`);
        assert.equal(data.type, 'DM');
        assert.deepEqual(data.metadata, { user1: a, user2: b });
        assert.equal((await ask(a, a, 0)).body.error.message,
            'Cannot create DM channel with oneself');
        assert.equal((await api(`/dm-channel?currentUserId=${a}`)).body.error.message,
            'Missing targetUserId or currentUserId');
    });

    it('gets a title from what was asked first', async () => {
        const channel = randomUUID();
        const title = () => post(`/channels/${channel}/generate-title`, { agentId });
        await send(channel, 'Why is the sky over the sea so very blue today, do you know?');
        const early = await title();
        assert.deepEqual(early.body.data, {
            title: null, channelId: channel, reason: 'Not enough messages to generate a title',
        });
        for (const text of ['Two', 'Three', 'Four']) await send(channel, text);
        assert.deepEqual((await title()).body.data,
            { title: 'Why is the sky over the sea so very blue today,', channelId: channel });
        assert.equal((await post(`/channels/${channel}/generate-title`, {})).status, 400);
        const nobody = await post(`/channels/${channel}/generate-title`,
            { agentId: randomUUID() });
        assert.equal(nobody.status, 404);
        assert.equal(nobody.body.error.message, 'Agent not found or not active');
    });

    it('answers other methods with those that it has', async () => {
        const { status, headers } = await api('/channels/x', { method: 'PUT' });
        assert.equal(status, 405);
        assert.equal(headers.get('allow'), 'PATCH, DELETE');
        const details = await del('/channels/x/details');
        assert.equal(details.headers.get('allow'), 'GET');
    });
});

describe('events', TEST_OPTIONS, () => {
    it('reach whoever was away when they happened', async () => {
        const channel = randomUUID();
        const ann = await member(channel, 0, 'ann');
        const { seq, epoch } = await ann.say(channel, 'One');
        const { messageId } = await ann.say(channel, 'Two');
        await del(`/channels/${channel}/messages/${messageId}`);
        const late = await clients.connect({ url: cluster.edges[1].url, entityId: 'bob' });
        await late.join(channel, { since: seq, sinceEpoch: epoch });
        const deleted = await late.event('messageDeleted');
        assert.equal(deleted.messageId, messageId);
        assert.deepEqual(late.broadcasts, []);
    });

    it('outlive the router', async () => {
        const channel = randomUUID();
        await send(channel, 'One');
        await patch(`/channels/${channel}`, { name: 'Kept', metadata: { x: [1] } });
        await cluster.router.restart('SIGKILL');
        await until(async () => (await api(`/channels/${channel}/details`)).status === 200,
            'the edge is served again');
        const { body } = await api(`/channels/${channel}/details`);
        assert.equal(body.data.name, 'Kept');
        assert.deepEqual(body.data.metadata.x, [1]);
    });
});
