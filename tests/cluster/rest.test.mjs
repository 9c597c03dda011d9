// The messaging REST API in both of its dialects, and what sockets see of it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { request } from './raw.mjs';
import { parseEvents, restOf } from './rest.mjs';
import { NIL_UUID, assertShape, isObject, isPositive, isText, isTime, isUuid } from './shape.mjs';

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

// The same message in the dialect of the document and in that of the servers.
const DIALECTS = {
    document: (text, mode) => ({ text, entityId: 'rest-user', mode }),
    server: (text, transport) => ({
        content: text, author_id: 'rest-user', message_server_id: NIL_UUID, transport,
    }),
};

const rowShape = (channel, text) => ({
    id: isUuid, channel_id: channel, message_server_id: NIL_UUID, author_id: 'rest-user',
    content: text, text, created_at: isTime, source_type: 'eliza_gui',
    author_display_name: 'User', seq: isPositive, epoch: isPositive,
});

const responseShape = (question) => ({
    text: isText, thought: isText, actions: ['REPLY'], providers: [], simple: true,
    responseId: isUuid, inReplyTo: question, senderId: isUuid, senderName: 'Eliza',
});

for (const [dialect, write] of Object.entries(DIALECTS)) {
    describe(`the dialect of the ${dialect}`, TEST_OPTIONS, () => {
        for (const mode of ['websocket', undefined]) {
            it(`mode ${mode} answers at once; the reply comes over sockets`, async () => {
                const channel = randomUUID();
                const listener = await member(channel);
                const { status, body } = await post(`/channels/${channel}/messages`,
                    write('Hello', mode));
                assert.equal(status, 201);
                const shape = rowShape(channel, 'Hello');
                assertShape(body, { success: true, userMessage: isObject, data: body.userMessage });
                assertShape(body.userMessage, shape);
                const reply = await listener.reply(body.userMessage.id);
                assert.equal(reply.senderId, agentId);
                assertShape(listener.broadcasts[0], {
                    id: body.userMessage.id, seq: body.userMessage.seq,
                    epoch: body.userMessage.epoch, createdAt: body.userMessage.created_at,
                    senderId: 'rest-user', senderName: 'User', text: 'Hello', roomId: channel,
                    channelId: channel, serverId: NIL_UUID, messageServerId: NIL_UUID,
                    source: 'eliza_gui',
                });
            });
        }

        for (const mode of ['sync', 'http']) {
            it(`mode ${mode} answers with the reply, which is broadcast and stored`, async () => {
                const channel = randomUUID();
                const listener = await member(channel);
                const { status, body } = await post(`/channels/${channel}/messages`,
                    write('Hello', mode));
                assert.equal(status, 201);
                const { userMessage, agentResponse } = body;
                assertShape(body, {
                    success: true, userMessage: isObject, agentResponse: isObject,
                    data: { userMessage, agentResponse },
                });
                assertShape(userMessage, rowShape(channel, 'Hello'));
                assertShape(agentResponse, responseShape(userMessage.id));
                const reply = await listener.reply(userMessage.id);
                assert.equal(reply.id, agentResponse.responseId);
                assert.equal(reply.text, agentResponse.text);
                assert.deepEqual((await getMessages(channel)).map(({ id }) => id),
                    [reply.id, userMessage.id]);
            });
        }

        for (const mode of ['stream', 'sse']) {
            it(`mode ${mode} streams the reply, which is broadcast and stored`, async () => {
                const channel = randomUUID();
                const listener = await member(channel);
                const { status, headers, response } = await post(`/channels/${channel}/messages`,
                    write('Hello', mode));
                assert.equal(status, 200);
                assert.match(headers.get('content-type'), /^text\/event-stream/);
                assert.equal(headers.get('cache-control'), 'no-cache');
                const events = parseEvents(await response.text());
                const [first, ...chunks] = events;
                const last = chunks.pop();
                assert.equal(first.event, 'user_message');
                assertShape(first.data, rowShape(channel, 'Hello'));
                chunks.forEach(({ event, data }, index) => {
                    assert.equal(event, 'chunk');
                    assertShape(data, { messageId: last.data.responseId, chunk: isText, index });
                });
                assert.equal(last.event, 'done');
                assertShape(last.data, responseShape(first.data.id));
                assert.ok(chunks.length > 0);
                assert.equal(chunks.map(({ data }) => data.chunk).join(''), last.data.text);
                const reply = await listener.reply(first.data.id);
                assert.equal(reply.text, last.data.text);
                assert.equal((await getMessages(channel)).length, 2);
            });
        }
    });
}

describe('modes', TEST_OPTIONS, () => {
    it('transport wins over mode', async () => {
        const { body } = await send(randomUUID(), 'Hello',
            { mode: 'websocket', transport: 'http' });
        assert.ok(body.agentResponse);
    });

    it('what a message carries is shown everywhere', async () => {
        const channel = randomUUID();
        const listener = await member(channel);
        const given = {
            attachments: [{ id: 'a' }], metadata: { x: [1] }, senderName: 'Ann', source: 'a_test',
        };
        const { body } = await send(channel, 'Hello', given);
        const { attachments, metadata, author_display_name: name, source_type: source } =
            body.userMessage;
        assert.deepEqual({ attachments, metadata, senderName: name, source }, given);
        const heard = await listener.event('messageBroadcast');
        for (const [field, value] of Object.entries(given)) assert.deepEqual(heard[field], value);
    });

    it('50 callers of sync get 50 answers, each to its own question', async () => {
        const channels = [randomUUID(), randomUUID(), randomUUID()];
        const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => send(
            channels[i % 3], `My number is ${i}`, { mode: 'sync' }, { edge: i % 2 })));
        for (const [i, { status, body }] of answers.entries()) {
            assert.equal(status, 201);
            assert.equal(body.userMessage.text, `My number is ${i}`);
            assert.equal(body.agentResponse.inReplyTo, body.userMessage.id);
        }
        const ids = new Set(answers.map(({ body }) => body.agentResponse.responseId));
        assert.equal(ids.size, 50);
    });

    it('20 streams at once do not mix', async () => {
        const channel = randomUUID();
        const bodies = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
            const { response } = await send(channel, `I am ${i}`, { mode: 'stream' },
                { edge: i % 2 });
            return parseEvents(await response.text());
        }));
        for (const [i, events] of bodies.entries()) {
            assert.equal(events[0].data.text, `I am ${i}`);
            const done = events.at(-1).data;
            assert.equal(done.inReplyTo, events[0].data.id);
            assert.equal(events.slice(1, -1).map(({ data }) => data.chunk).join(''), done.text);
        }
    });

    for (const mode of ['sync', 'stream']) {
        it(`the same messageId again in mode ${mode} gets the first reply`, async () => {
            const channel = randomUUID();
            const listener = await member(channel);
            const ask = async (edge) => {
                const { body, response } = await send(channel, 'Hello',
                    { mode, messageId: 'the same' }, { edge });
                if (body) return [body.userMessage, body.agentResponse];
                const events = parseEvents(await response.text());
                return [events[0].data, events.at(-1).data];
            };
            const [question, reply] = await ask(0);
            for (const edge of [0, 1]) {
                const [againQuestion, againReply] = await ask(edge);
                assert.deepEqual(againQuestion, question);
                assert.deepEqual(againReply, reply);
            }
            await listener.settle(channel);
            assert.equal(listener.broadcasts.length, 2);
        });
    }

    it('the same messageId again in mode websocket is a duplicate', async () => {
        const channel = randomUUID();
        const first = await send(channel, 'Hello', { messageId: 'the same' });
        const second = await send(channel, 'Hello', { messageId: 'the same' }, { edge: 1 });
        assert.equal(first.body.duplicate, undefined);
        assert.equal(second.status, 201);
        assert.deepEqual(second.body, { ...first.body, duplicate: true });
    });

    it('a repeat while the first one still waits gets the same reply', async () => {
        const channel = randomUUID();
        const answers = await Promise.all([0, 1, 0, 1].map((edge) => send(channel, 'Hello',
            { mode: 'sync', messageId: 'at once' }, { edge })));
        for (const { body } of answers) {
            assert.equal(body.agentResponse.responseId, answers[0].body.agentResponse.responseId);
        }
    });

    it('a repeat gets the first reply however much was said before it', async () => {
        const channel = randomUUID();
        const COUNT = 400;
        const asker = await member(channel, 0, 'rest-user');
        const texts = Array.from({ length: COUNT }, (_, i) => `I am number ${i}`);
        const acks = await Promise.all(texts.map((text, i) => (
            asker.send(channel, text, { messageId: `busy-${i}` }))));
        await until(() => asker.broadcasts.length === COUNT * 2, 'all questions are answered');
        for (const i of [0, 200, 399]) {
            const { status, body } = await send(channel, texts[i],
                { mode: 'sync', messageId: `busy-${i}` }, { edge: 1 });
            assert.equal(status, 201);
            const { id } = await asker.reply(acks[i].messageId);
            assert.equal(body.agentResponse.responseId, id);
        }
    });

    it('a caller who leaves changes nothing', async () => {
        const channel = randomUUID();
        const listener = await member(channel);
        for (const mode of ['sync', 'stream']) {
            const controller = new AbortController();
            const call = send(channel, 'Hello', { mode }, { signal: controller.signal });
            controller.abort();
            await call.catch(() => {});
        }
        const { body } = await send(channel, 'Are you there?', { mode: 'sync' });
        await listener.reply(body.userMessage.id);
    });
});

it('the old name central-channels does all the same', TEST_OPTIONS, async () => {
    const channel = randomUUID();
    const { status, body } = await post(`/central-channels/${channel}/messages`,
        { text: 'Hello', entityId: 'rest-user', mode: 'sync' });
    assert.equal(status, 201);
    assert.ok(body.agentResponse.text);
    assert.equal((await api(`/central-channels/${channel}/presence`)).status, 200);
    assert.equal((await post('/central-channels', { name: 'x' })).status, 201);
});

describe('HTTP', TEST_OPTIONS, () => {
    const path = `/api/messaging/channels/${randomUUID()}/messages`;
    const ORIGIN = 'https://example.org';

    it('HEAD is GET without a body', async () => {
        const head = await request(cluster.url, { method: 'HEAD', path });
        const get = await request(cluster.url, { path });
        assert.equal(head.status, 200);
        assert.equal(head.body, '');
        assert.equal(head.headers['content-length'], get.headers['content-length']);
        assert.equal(head.headers['content-type'], get.headers['content-type']);
    });

    it('the origin is allowed by name', async () => {
        for (const options of [{ path }, { path: '/api/nothing' }, {
            path, method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' },
        }, { path, method: 'POST', body: '{"text":"x","entityId":"x","mode":"sync"}',
            headers: { 'Content-Type': 'application/json' } }]) {
            const { headers } = await request(cluster.url, {
                ...options, headers: { ...options.headers, Origin: ORIGIN },
            });
            assert.equal(headers['access-control-allow-origin'], ORIGIN);
            assert.equal(headers['access-control-allow-credentials'], 'true');
            assert.match(headers.vary, /Origin/);
        }
        const { headers } = await request(cluster.url, { path });
        assert.ok([undefined, '*'].includes(headers['access-control-allow-origin']));
    });

    it('preflights are answered', async () => {
        const { status, headers, body } = await request(cluster.url, {
            method: 'OPTIONS', path, headers: {
                Origin: ORIGIN, 'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'content-type',
            },
        });
        assert.equal(status, 204);
        assert.equal(body, '');
        assert.equal(headers['access-control-allow-origin'], ORIGIN);
        assert.match(headers['access-control-allow-methods'], /GET.*POST/);
        assert.match(headers['access-control-allow-headers'], /Content-Type/i);
    });

    it('streams allow their origin, too', async () => {
        const { headers, status } = await request(cluster.url, {
            method: 'POST', path, headers: { Origin: ORIGIN, 'Content-Type': 'application/json' },
            body: '{"text":"Hello","entityId":"x","mode":"stream"}',
        });
        assert.equal(status, 200);
        assert.equal(headers['access-control-allow-origin'], ORIGIN);
    });
});
