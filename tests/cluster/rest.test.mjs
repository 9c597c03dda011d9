// The messaging REST API in both of its dialects, and what sockets see of it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { CONTROL, Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { until } from '../lib/until.mjs';
import { request } from './raw.mjs';
import {
    NIL_UUID, assertShape, isIsoTime, isObject, isPositive, isText, isTime, isUuid,
} from './shape.mjs';

const TEST_OPTIONS = { timeout: 60000 };
const HISTORY_DEFAULT = 50;
const HISTORY_MAX = 1000;

let cluster;
let agentId;
const clients = new Clients();

const api = async (path, { edge = 0, ...options } = {}) => {
    const response = await fetch(`${cluster.edges[edge].url}/api/messaging${path}`, options);
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, headers: response.headers, response,
        body: isJson ? await response.json() : null };
};

const post = (path, body, options) => api(path, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    ...options,
});

const send = (channel, text, fields = {}, options = {}) => post(`/channels/${channel}/messages`,
    { text, entityId: 'rest-user', ...fields }, options);

const getMessages = async (channel, query = '') => {
    const { status, body } = await api(`/channels/${channel}/messages${query}`);
    assert.equal(status, 200);
    assert.equal(body.success, true);
    return body.data.messages;
};

// Events of an SSE body: [{event, data}].
const parseEvents = (text) => {
    assert.ok(text.endsWith('\n\n'));
    assert.ok(!text.includes('\r'));
    return text.slice(0, -2).split('\n\n').filter((block) => !block.startsWith(':')).map((block) => {
        const [event, data, ...rest] = block.split('\n');
        assert.deepEqual(rest, []);
        assert.ok(event.startsWith('event: ') && data.startsWith('data: '), block);
        return { event: event.slice(7), data: JSON.parse(data.slice(6)) };
    });
};

before(async () => {
    cluster = await startCluster();
    const { body } = await send(randomUUID(), 'Who are you?', { mode: 'sync' });
    agentId = body.agentResponse.senderId;
});
after(() => cluster?.stop());
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
        const { body } = await send(randomUUID(), 'Hello', { mode: 'websocket', transport: 'http' });
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

describe('history', TEST_OPTIONS, () => {
    const channel = randomUUID();
    const COUNT = 60;
    let all;    // oldest first

    before(async () => {
        const author = await clients.connect({ url: cluster.url, entityId: 'author' });
        for (let i = 0; i < COUNT; i++) {
            const before = Date.now();
            await author.say(channel, `message ${i}`, { messageId: `own-${i}` });
            await until(() => Date.now() > before + 1, 'the next one is later');
        }
        all = (await getMessages(channel, `?limit=${HISTORY_MAX}`)).reverse();
        assert.deepEqual(all.map(({ content }) => content),
            Array.from({ length: COUNT }, (_, i) => `message ${i}`));
        const times = all.map(({ created_at: at }) => at);
        assert.equal(new Set(times).size, COUNT);
        clients.stop();
    });

    const newestFirst = (from, to) => all.slice(from, to).reverse();

    it('shows whole rows', async () => {
        const asked = randomUUID();
        const { body } = await send(asked, 'Hello', { mode: 'sync', metadata: { given: 1 } });
        const [reply, question] = await getMessages(asked);
        const shared = {
            id: isUuid, channelId: asked, roomId: asked, messageServerId: NIL_UUID,
            createdAt: isIsoTime, updatedAt: isIsoTime, created_at: isTime, updated_at: isTime,
            seq: isPositive, epoch: isPositive,
        };
        assertShape(question, {
            ...shared, authorId: 'rest-user', senderName: 'User', content: 'Hello', text: 'Hello',
            rawMessage: { text: 'Hello' }, sourceType: 'eliza_gui',
            metadata: { given: 1, user_display_name: 'User' }, inReplyToRootMessageId: null,
        });
        const { text, thought } = body.agentResponse;
        assertShape(reply, {
            ...shared, authorId: agentId, senderName: 'Eliza', content: text, text,
            rawMessage: { text, thought, actions: ['REPLY'] }, sourceType: 'agent_response',
            metadata: { agentName: 'Eliza', thought, actions: ['REPLY'] },
            inReplyToRootMessageId: question.id,
        });
        assert.equal(Date.parse(reply.createdAt), reply.created_at);
        assert.equal(all[3].sourceId, 'own-3');
    });

    it('comes newest first, 50 at a time', async () => {
        assert.deepEqual(await getMessages(channel), newestFirst(COUNT - HISTORY_DEFAULT));
    });

    it('limit', async () => {
        assert.deepEqual(await getMessages(channel, '?limit=0'), []);
        assert.deepEqual(await getMessages(channel, '?limit=1'), newestFirst(COUNT - 1));
        assert.deepEqual(await getMessages(channel, '?limit=60'), newestFirst(0));
        assert.deepEqual(await getMessages(channel, '?limit=1000000'), newestFirst(0));
    });

    for (const [name, format] of [
        ['milliseconds', (ms) => ms], ['an ISO time', (ms) => new Date(ms).toISOString()],
        ['an ISO time of another zone', (ms) => encodeURIComponent(
            `${new Date(ms + 7200000).toISOString().slice(0, -1)}+02:00`)],
    ]) {
        const at = (index) => format(all[index].created_at);

        it(`before, exclusive, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?before=${at(10)}`), newestFirst(0, 10));
            assert.deepEqual(await getMessages(channel, `?before=${at(10)}&limit=3`),
                newestFirst(7, 10));
            assert.deepEqual(await getMessages(channel, `?before=${at(0)}`), []);
        });

        it(`after, exclusive: the oldest ones after it, newest first, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?after=${at(50)}`), newestFirst(51));
            assert.deepEqual(await getMessages(channel, `?after=${at(10)}&limit=3`),
                newestFirst(11, 14));
            assert.deepEqual(await getMessages(channel, `?after=${at(COUNT - 1)}`), []);
        });

        it(`after and before, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?after=${at(10)}&before=${at(15)}`),
                newestFirst(11, 15));
        });
    }

    it('can be paged back to the beginning', async () => {
        const pages = [];
        let page = await getMessages(channel, '?limit=7');
        while (page.length > 0) {
            pages.push(...page);
            page = await getMessages(channel, `?limit=7&before=${page.at(-1).createdAt}`);
        }
        assert.deepEqual(pages, newestFirst(0));
    });

    it('of large messages can be paged in both directions', async () => {
        const large = randomUUID();
        const ids = [];
        for (let i = 0; i < 8; i++) {
            const before = Date.now();
            const { body } = await send(large, `${i}`.repeat(900000), { entityId: agentId });
            ids.push(body.userMessage.id);
            await until(() => Date.now() > before + 1, 'the next one is later');
        }
        const walk = async (query, next) => {
            const found = [];
            let page = await getMessages(large, query);
            while (page.length > 0) {
                found.push(page.map(({ id }) => id));
                page = await getMessages(large, next(page));
            }
            return found;
        };
        const backward = await walk('', (page) => `?before=${page.at(-1).created_at}`);
        assert.deepEqual(backward.flat(), [...ids].reverse());
        const forward = await walk('?after=1', (page) => `?after=${page[0].created_at}`);
        assert.deepEqual(forward.flatMap((page) => page.reverse()), ids);
    });

    it('of an unknown channel is empty', async () => {
        assert.deepEqual(await getMessages(randomUUID()), []);
    });

    it('is the same on every edge and under the old name', async () => {
        const { body } = await api(`/central-channels/${channel}/messages`, { edge: 1 });
        assert.deepEqual(body.data.messages, newestFirst(COUNT - HISTORY_DEFAULT));
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
        const server = randomUUID();
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
        assert.equal(headers['access-control-allow-origin'], undefined);
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

describe('while the agent takes its time', TEST_OPTIONS, () => {
    const WORD_DELAY_MS = 100;
    const SYNC_TIMEOUT_MS = 500;
    const IMPATIENT_EDGE = 2;
    let slow;
    let proxy;      // between the first edge and the router

    before(async () => {
        const port = await freePort();
        proxy = await startProxy(`http://127.0.0.1:${port}`);
        const edgeArgs = [
            ['--router', proxy.url.replace('http', 'tcp')], [],
            ['--sync-timeout', `${SYNC_TIMEOUT_MS}ms`, '--stream-comment', '100ms'],
        ];
        slow = await startCluster({
            edges: 3, args: {
                router: ['--bind-edges', `tcp://127.0.0.1:${port}`],
                bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`],
                edge: (index) => ['--router', `tcp://127.0.0.1:${port}`, ...edgeArgs[index]],
            },
        });
    });
    after(async () => {
        await slow?.stop();
        await proxy?.close();
    });

    const ask = (edge, channel, fields) => request(slow.edges[edge].url, {
        method: 'POST', path: `/api/messaging/channels/${channel}/messages`,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'Hello', entityId: 'rest-user', ...fields }),
    });

    const listen = async (channel) => {
        const client = await clients.connect({ url: slow.edges[1].url });
        await client.join(channel);
        return client;
    };

    it('a repeat by way of another edge gets the same reply', async () => {
        const channel = randomUUID();
        const fields = { mode: 'sync', messageId: 'asked again' };
        const first = ask(0, channel, fields);
        await until(async () => (await fetch(
            `${slow.edges[1].url}/api/messaging/channels/${channel}/messages`).then(
            (response) => response.json())).data.messages.length === 1, 'the first is stored');
        const second = ask(1, channel, fields);
        const third = ask(1, channel, { ...fields, mode: 'stream' });
        const { agentResponse } = JSON.parse((await first).body);
        assert.deepEqual(JSON.parse((await second).body).agentResponse, agentResponse);
        const events = parseEvents((await third).body);
        assert.equal(events.at(-1).event, 'done');
        assert.deepEqual(events.at(-1).data, agentResponse);
    });

    it('a reply given while the edge had lost the router arrives', async () => {
        const channel = randomUUID();
        const listener = await listen(channel);
        const answer = ask(0, channel, { mode: 'sync' });
        await listener.event('messageStreamChunk');
        proxy.cut();
        const [, reply] = await until(() => listener.broadcasts.length === 2
            && listener.broadcasts, 'the reply is given');
        proxy.mend();
        const { status, body } = await answer;
        assert.equal(status, 201);
        assert.equal(JSON.parse(body).agentResponse.responseId, reply.id);
    });

    it('a caller of sync is told when it takes too long; the reply follows', async () => {
        const channel = randomUUID();
        const listener = await listen(channel);
        const { status, body, headers } = await ask(IMPATIENT_EDGE, channel, { mode: 'sync' });
        assert.equal(status, 504);
        const { error, success } = JSON.parse(body);
        assert.equal(success, false);
        assertShape(error, { code: 'timeout', message: isText });
        assert.ok(Number(headers['retry-after']) > 0);
        await until(() => listener.broadcasts.length === 2, 'the reply is given');
    });

    it('a silent stream is kept alive by comments', async () => {
        const channel = randomUUID();
        const { body } = await ask(IMPATIENT_EDGE, channel, { mode: 'stream', text: 'Hello' });
        assert.match(body, /^: /m);
        const events = parseEvents(body);
        assert.equal(events.at(-1).event, 'done');
    });

    it('a stop ends the wait', async () => {
        const channel = randomUUID();
        const listener = await listen(channel);
        const sync = ask(0, channel, { mode: 'sync' });
        await listener.event('messageStreamChunk');
        await listener.message(CONTROL, { channelId: channel, action: 'stop' });
        const { status, body } = await sync;
        assert.equal(status, 201);
        assert.deepEqual(JSON.parse(body).agentResponse, { text: '', actions: [], cancelled: true });
        const before = listener.received('messageStreamChunk').length;
        const stream = ask(0, channel, { mode: 'stream' });
        await until(() => listener.received('messageStreamChunk').length > before, 'it is answered');
        await listener.message(CONTROL, { channelId: channel, action: 'stop' });
        assert.equal(parseEvents((await stream).body).at(-1).data.cancelled, true);
    });
});
