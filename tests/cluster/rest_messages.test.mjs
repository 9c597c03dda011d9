// Messages over REST: one of them, edits, deletion, clearing, search, and those of agents and
// platforms that run elsewhere.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const JSON_TYPE = { 'Content-Type': 'application/json' };

let cluster;
let api;
let post;
let send;
let getMessages;
const clients = new Clients();

before(async () => {
    cluster = await startCluster();
    ({ api, post, send, getMessages } = restOf(cluster));
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

const member = async (channel, edge = 1, entityId = randomUUID()) => {
    const client = await clients.connect({ url: cluster.edges[edge].url, entityId });
    await client.join(channel);
    return client;
};

describe('a message', TEST_OPTIONS, () => {
    it('is read by its id', async () => {
        const channel = randomUUID();
        const { body: { userMessage } } = await send(channel, 'Read me');
        const { status, body } = await api(`/messages/${userMessage.id}`, { edge: 1 });
        assert.equal(status, 200);
        assert.deepEqual(body.data, (await getMessages(channel)).at(-1));
        assert.equal((await api(`/channels/${channel}/messages/${userMessage.id}`)).status, 200);
        assert.equal((await api(`/channels/other/messages/${userMessage.id}`)).status, 404);
        const unknown = await api(`/messages/${randomUUID()}`);
        assert.equal(unknown.status, 404);
        assert.equal(unknown.body.error.message, 'Message not found');
    });

    it('is edited, and everybody is told', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const { messageId } = await client.say(channel, 'Teh text', { metadata: { kept: true } });
        const { status, body } = await patch(`/messages/${messageId}`, { content: 'The text ☺' });
        assert.equal(status, 200);
        assert.equal(body.data.content, 'The text ☺');
        assert.equal(body.data.metadata.kept, true);
        assert.ok(body.data.updated_at >= body.data.created_at);
        const told = await client.event('messageUpdated');
        assert.equal(told.id, messageId);
        assert.equal(told.text, 'The text ☺');
        assert.deepEqual((await getMessages(channel)).map(({ content }) => content),
            ['The text ☺']);
        assert.equal((await patch(`/messages/${messageId}`, {})).status, 400);
        assert.equal((await patch(`/messages/${randomUUID()}`, { content: 'x' })).status, 404);
    });

    it('is deleted, and everybody is told', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const { messageId } = await client.say(channel, 'Away with it');
        await client.say(channel, 'Stays');
        assert.equal((await del(`/channels/${channel}/messages/${messageId}`)).status, 204);
        assert.deepEqual(await client.event('messageDeleted'),
            { messageId, channelId: channel, roomId: channel });
        assert.deepEqual((await getMessages(channel)).map(({ text }) => text), ['Stays']);
        assert.equal((await api(`/messages/${messageId}`)).status, 404);
        assert.equal((await del(`/channels/${channel}/messages/${messageId}`)).status, 204);
        assert.equal((await del(`/channels/unknown-one/messages/${messageId}`)).status, 204);
    });

    it('goes with all others when the channel is cleared', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        for (const text of ['a', 'b', 'c']) await client.say(channel, text);
        assert.equal((await del(`/channels/${channel}/messages`, { edge: 1 })).status, 204);
        assert.equal((await client.event('channelCleared')).channelId, channel);
        assert.deepEqual(await getMessages(channel), []);
        await client.say(channel, 'd');
        assert.deepEqual((await getMessages(channel)).map(({ text }) => text), ['d']);
    });

    it('whose sender names nobody comes from a guest', async () => {
        const channel = randomUUID();
        const { status, body } = await post(`/channels/${channel}/messages`,
            { content: 'From whom?', metadata: { a: 1 } });
        assert.equal(status, 201);
        assert.ok(isUuid(body.data.author_id));
        assert.equal((await post(`/channels/${channel}/messages`, { text: 'x' })).status, 400);
    });
});

describe('search', TEST_OPTIONS, () => {
    it('finds by words, channel, author and time, in pages', async () => {
        const channel = randomUUID();
        const word = `needle-${randomUUID()}`;
        for (const [entityId, text] of [['ann', `A ${word}`], ['bob', `b ${word.toUpperCase()}`],
            ['ann', 'hay']]) {
            await send(channel, text, { entityId });
        }
        const search = async (fields) => {
            const { status, body } = await post('/messages/search', fields, { edge: 1 });
            assert.equal(status, 200);
            return body.data.messages.map(({ content }) => content);
        };
        assert.deepEqual(await search({ query: word }), [`b ${word.toUpperCase()}`, `A ${word}`]);
        assert.deepEqual(await search({ query: word, authorId: 'ann' }), [`A ${word}`]);
        assert.deepEqual(await search({ query: word, limit: 1, offset: 1 }), [`A ${word}`]);
        assert.deepEqual(await search({ query: word, channelId: randomUUID() }), []);
        assert.deepEqual(await search({ channelId: channel, authorId: 'ann', from: 0 }),
            ['hay', `A ${word}`]);
        const future = new Date(Date.now() + 60000).toISOString();
        assert.deepEqual(await search({ query: word, from: future }), []);
        assert.equal((await search({ query: word, to: future })).length, 2);
        for (const bad of [{ query: 7 }, { limit: -1 }, { from: 'soon' },
            { query: 'x'.repeat(513) }]) {
            assert.equal((await post('/messages/search', bad)).status, 400);
        }
    });
});

describe('agents that run elsewhere', TEST_OPTIONS, () => {
    const full = (channel, fields = {}) => ({
        channel_id: channel, message_server_id: NIL_UUID, author_id: randomUUID(), content: 'Hi',
        source_type: 'agent_response', raw_message: { thought: 'hm', actions: ['REPLY'] }, ...fields,
    });

    it('submit their messages under their own ids, once', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const question = await client.say(channel, 'A question');
        const messageId = randomUUID();
        const message = full(channel, {
            messageId, in_reply_to_message_id: question.messageId, agentName: 'Remote',
        });
        const { status, body } = await post('/submit', message);
        assert.equal(status, 201);
        assert.equal(body.data.id, messageId);
        const reply = await client.reply(question.messageId);
        assert.equal(reply.id, messageId);
        assert.equal(reply.senderName, 'Remote');
        assert.equal(reply.thought, 'hm');
        assert.deepEqual(reply.actions, ['REPLY']);
        await client.event('messageComplete', ({ inReplyTo }) => inReplyTo === question.messageId);
        const again = await post('/submit', message, { edge: 1 });
        assert.ok([201, 409].includes(again.status));
        const elsewhere = await post('/submit', { ...message, channel_id: randomUUID() });
        assert.ok([201, 409].includes(elsewhere.status));
        const [newest] = await getMessages(channel);
        assert.equal(newest.id, messageId);
        assert.equal(newest.inReplyToRootMessageId, question.messageId);
        assert.equal((await getMessages(channel)).length, 2);
    });

    it('say what they do, and how it went, as one message', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        await client.say(channel, 'Do it');
        const { body } = await post('/action', full(channel, {
            content: 'Executing action: DANCE', source_type: 'agent_action',
            raw_message: { actionStatus: 'executing' },
        }));
        const { id } = body.data;
        await client.event('messageBroadcast', (message) => message.id === id);
        const { status } = await patch(`/action/${id}`, { raw_message: { actionStatus: 'completed' } });
        assert.equal(status, 200);
        const told = await client.event('messageBroadcast',
            (message) => message.id === id && message.rawMessage.actionStatus === 'completed');
        assert.equal(told.text, 'Executing action: DANCE');
        assert.equal((await patch(`/action/${randomUUID()}`, {})).status, 404);
        assert.equal((await patch('/action/x', {})).status, 400);
    });

    it('are told what is missing', async () => {
        for (const field of ['channel_id', 'author_id', 'content']) {
            const { status, body } = await post('/submit', full('x', { [field]: undefined }));
            assert.equal(status, 400);
            assert.match(body.error.message, /^Missing required fields: channel_id/);
        }
        const bad = await post('/submit', full('x', { messageId: 'x' }));
        assert.equal(bad.body.error.message, 'Invalid messageId format');
    });

    it('say that they are through', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const { messageId } = await client.say(channel, 'A question');
        const old = await post('/complete', { channel_id: channel, server_id: NIL_UUID });
        assert.equal(old.status, 200);
        assert.equal(old.body.message, 'Completion event emitted');
        const fresh = await post('/complete', { messageId, status: 'failed', error: 'no idea' });
        assert.equal(fresh.status, 200);
        const told = await client.event('messageComplete', ({ error }) => error === 'no idea');
        assert.equal(told.messageId, messageId);
        assert.equal(told.success, false);
        assert.equal((await post('/complete', { messageId: randomUUID() })).status, 404);
        assert.equal((await post('/complete', {})).status, 400);
    });
});

describe('platforms', TEST_OPTIONS, () => {
    it('hand in messages, which are answered', async () => {
        const channel = randomUUID();
        const client = await member(channel);
        const message = {
            channel_id: channel, message_server_id: NIL_UUID, author_id: 'discord-7',
            content: 'Hello from outside', author_display_name: 'Dora', source_type: 'discord',
            source_id: 'm1',
        };
        const { status, body } = await post('/ingest-external', message);
        assert.equal(status, 202);
        assert.equal(body.message, 'Message ingested and published to bus');
        const shown = await client.event('messageBroadcast', ({ text }) => text === message.content);
        assert.equal(shown.senderName, 'Dora');
        assert.equal(shown.source, 'discord');
        await client.reply(body.data.messageId);
        await post('/ingest-external', message, { edge: 1 });
        assert.equal((await getMessages(channel)).length, 2);
        const bad = await post('/ingest-external', { channel_id: channel });
        assert.equal(bad.status, 400);
        assert.equal(bad.body.error.message, 'Invalid external message payload');
    });

    it('hand in many at once', async () => {
        const channel = randomUUID();
        const messages = [1, 2, 3].map((n) => (
            { id: `x${n}`, authorId: 'dora', content: `Number ${n}`, timestamp: n }));
        const { status, body } = await post('/ingest-external',
            { platform: 'telegram', channelId: channel, messages });
        assert.equal(status, 202);
        assert.deepEqual(body.data, { processed: 3 });
        const texts = (await getMessages(channel)).filter(({ authorId }) => authorId === 'dora');
        assert.deepEqual(texts.map(({ content }) => content),
            ['Number 3', 'Number 2', 'Number 1']);
        for (const bad of [[], [{}], Array(101).fill(messages[0])]) {
            assert.equal((await post('/ingest-external',
                { platform: 'telegram', channelId: channel, messages: bad })).status, 400);
        }
    });
});
