// Rooms that are closed to all but their participants (--data-isolation): over sockets and REST, on
// every edge, whatever a stranger knows of them.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import nodePath from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { CONTROL, Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { until } from '../lib/until.mjs';
import { startBalancer } from './balancer.mjs';
import { parseEvents } from './rest.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const DENIED = "Access denied: You don't have permission to join this channel";
const WORD_DELAY_MS = 100;
const clients = new Clients();

let cluster;
let agentId;

// What that user is answered: {status, body}. viewer null: somebody who says nothing.
const as = (viewer, { edge = 0, of = () => cluster, ...headers } = {}) => (
    async (method, path, body) => {
        const response = await fetch(`${of().edges[edge].url}/api${path}`, {
            method,
            headers: {
                ...viewer === null ? {} : { 'X-Entity-Id': viewer }, ...headers,
                ...body === undefined ? {} : { 'Content-Type': 'application/json' },
            },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await response.text();
        const isJson = response.headers.get('content-type')?.startsWith('application/json');
        return { status: response.status, body: isJson ? JSON.parse(text) : text };
    });

const connect = (entityId, edge = 0, rest = {}) => (
    clients.connect({ url: cluster.edges[edge].url, entityId, ...rest }));

// A channel of that user's with these others, and something said in it.
const makeChannel = async (owner, others = []) => {
    const { status, body } = await as(owner)('POST', '/messaging/channels', {
        name: 'closed', participantCentralUserIds: others,
    });
    assert.equal(status, 201);
    const channel = body.data.id;
    const sent = await as(owner)('POST', `/messaging/channels/${channel}/messages`, {
        author_id: owner, content: 'for us alone',
    });
    assert.equal(sent.status, 201);
    return { channel, messageId: sent.body.data.id };
};

const participantsOf = async (viewer, channel) => (
    (await as(viewer)('GET', `/messaging/channels/${channel}/participants`)).body.data.toSorted());

// A third party by whose message it is seen that nothing was on its way.
const assertNothingOf = async (stranger, channel, speaker) => {
    const own = randomUUID();
    await stranger.join(own);
    await speaker.say(channel, 'still for us');
    await stranger.settle(own);
    assert.deepEqual(stranger.events.filter(({ data }) => data?.roomId === channel), []);
};

describe('where rooms are closed', TEST_OPTIONS, () => {
    let ada;
    let bob;
    let eve;

    before(async () => {
        cluster = await startCluster({
            env: { ENABLE_DATA_ISOLATION: 'true' },
            args: { bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`] },
        });
        agentId = (await as('any')('GET', '/agents')).body.data.agents[0].id;
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
    });
    afterEach(clients.stop);
    const meet = () => { [ada, bob, eve] = ['ada', 'bob', 'eve'].map((name) => `${name}-${randomUUID()}`); };

    it('says so', async () => {
        const { body } = await as(null)('GET', '/system/config');
        assert.deepEqual(body, { success: true, data: { requiresAuth: true } });
    });

    it('answers a stranger over REST as if the channel were not there', async () => {
        meet();
        const { channel, messageId } = await makeChannel(ada, [bob]);
        const path = `/messaging/channels/${channel}`;
        const nowhere = `/messaging/channels/${randomUUID()}`;
        const requests = [
            ['GET', '/details'], ['GET', '/participants'], ['GET', '/presence'], ['GET', '/agents'],
            ['GET', '/messages'], ['GET', `/messages/${messageId}`], ['GET', '/messages?after=1'],
            ['GET', `/messages/${messageId}/stream`], ['POST', `/messages/${messageId}/stop`, {}],
            ['PATCH', '', { name: 'mine' }], ['PATCH', '', { participantCentralUserIds: [eve] }],
            ['PATCH', `/messages/${messageId}`, { content: 'mine' }],
            ['POST', '/agents', { agentId }], ['DELETE', `/agents/${agentId}`],
            ['POST', '/generate-title', { agentId }],
            ['DELETE', `/messages/${messageId}`], ['DELETE', '/messages'], ['DELETE', ''],
        ];
        const plain = ({ status, body }, id) => JSON.stringify({ status, body }).replaceAll(id, '…');
        for (const [method, below, body] of requests) {
            const what = `${method} …${below}`;
            const here = await as(eve, { edge: 1 })(method, path + below, body);
            const there = await as(eve)(method, nowhere + below, body);
            assert.equal(plain(here, channel), plain(there, nowhere.slice(-36)), what);
            assert.ok(!JSON.stringify(here.body).includes('for us alone'), what);
        }
        const { body } = await as(bob, { edge: 1 })('GET', `${path}/messages`);
        assert.deepEqual(body.data.messages.map(({ text }) => text), ['for us alone']);
        assert.equal((await as(bob)('GET', `${path}/details`)).body.data.name, 'closed');
        assert.equal((await as(bob)('GET', `${path}/messages/${messageId}`)).status, 200);
        assert.deepEqual(await participantsOf(bob, channel), [ada, bob].toSorted());
    });

    it('refuses what a stranger says there, under every path', async () => {
        meet();
        const { channel } = await makeChannel(ada);
        const text = { channel_id: channel, author_id: eve, content: 'let me in' };
        for (const [path, body] of [
            [`/messaging/channels/${channel}/messages`, text],
            [`/messaging/channels/${channel}/messages`, { ...text, transport: 'http' }],
            [`/messaging/channels/${channel}/messages`, { ...text, transport: 'sse' }],
            [`/messaging/central-channels/${channel}/messages`, text],
            ['/messaging/submit', { ...text, source_type: 'test', raw_message: {} }],
            ['/messaging/action', { ...text, source_type: 'test', raw_message: {} }],
            ['/messaging/ingest-external', text],
        ]) {
            for (const viewer of [eve, null]) {
                const { status, body: said } = await as(viewer)('POST', path, body);
                assert.equal(status, 403, path);
                assert.deepEqual(said.error, { code: 'access_denied', message: DENIED });
            }
        }
        // Neither is it said as somebody who may.
        const forged = await as(eve)('POST', `/messaging/channels/${channel}/messages`,
            { author_id: ada, content: 'as ada' });
        assert.equal(forged.status, 403);
        const complete = await as(eve)('POST', '/messaging/complete',
            { channel_id: channel, server_id: '00000000-0000-0000-0000-000000000000' });
        assert.equal(complete.status, 404);
        const { body } = await as(ada)('GET', `/messaging/channels/${channel}/messages`);
        assert.equal(body.data.messages.length, 1);
    });

    it('finds, lists and remembers for a stranger what is the stranger\'s own', async () => {
        meet();
        const { channel } = await makeChannel(ada, [agentId]);
        const own = await makeChannel(eve, [agentId]);
        for (const [viewer, expected] of [[ada, channel], [eve, own.channel]]) {
            const call = as(viewer, { edge: 1 });
            const found = await call('POST', '/messaging/messages/search', { query: 'for us' });
            assert.deepEqual(found.body.data.messages.map(({ channelId }) => channelId), [expected]);
            const elsewhere = await call('POST', '/messaging/messages/search',
                { query: 'for us', channelId: viewer === ada ? own.channel : channel });
            assert.deepEqual(elsewhere.body.data.messages, []);
            const listed = await call('GET',
                '/messaging/message-servers/00000000-0000-0000-0000-000000000000/channels');
            assert.deepEqual(listed.body.data.channels.map(({ id }) => id), [expected]);
            const rooms = await call('GET', `/memory/${agentId}/rooms`);
            assert.deepEqual(rooms.body.data.rooms.map(({ id }) => id), [expected]);
            const runs = await call('GET', `/agents/${agentId}/runs`);
            assert.deepEqual(new Set(runs.body.data.runs.map(({ roomId }) => roomId)),
                new Set([expected]));
            const memories = await call('GET', `/memory/${agentId}/memories`);
            assert.deepEqual(new Set(memories.body.data.memories.map(({ roomId }) => roomId)),
                new Set([expected]));
            const run = runs.body.data.runs[0].runId;
            const other = viewer === ada ? eve : ada;
            assert.equal((await call('GET', `/agents/${agentId}/runs/${run}`)).status, 200);
            assert.equal((await as(other)('GET', `/agents/${agentId}/runs/${run}`)).status, 404);
        }
    });

    it('keeps sessions and jobs to those they are for', async () => {
        const [owner, other] = [randomUUID(), randomUUID()];
        const made = await as(owner)('POST', '/messaging/sessions', { agentId, userId: owner });
        assert.equal(made.status, 201);
        const { sessionId, channelId } = made.body;
        const below = `/messaging/sessions/${sessionId}`;
        const message = { content: 'Hello' };
        for (const [method, path, body] of [
            ['GET', ''], ['GET', '/messages'], ['POST', '/messages', message], ['POST', '/renew', {}],
            ['POST', '/heartbeat', {}], ['PATCH', '/timeout', { timeoutMinutes: 30 }], ['DELETE', ''],
        ]) {
            const { status, body: said } = await as(other)(method, below + path, body);
            assert.equal(status, 404, `${method} ${path}`);
            assert.equal(said.error.code, 'SESSION_NOT_FOUND');
        }
        const forged = await as(other)('POST', '/messaging/sessions', { agentId, userId: owner });
        assert.equal(forged.status, 403);
        assert.equal((await as(owner, { edge: 1 })('POST', `${below}/messages`, message)).status, 201);
        const { body } = await as(other)('GET', '/messaging/sessions');
        assert.deepEqual(body.sessions, []);
        assert.equal((await as(owner)('GET', '/messaging/sessions')).body.sessions.length, 1);
        const job = await as(owner)('POST', '/messaging/jobs', { userId: owner, ...message });
        assert.equal(job.status, 201);
        assert.equal((await as(other)('GET', `/messaging/jobs/${job.body.jobId}`)).status, 404);
        assert.equal((await as(owner)('GET', `/messaging/jobs/${job.body.jobId}`)).status, 200);
        assert.deepEqual((await as(other)('GET', '/messaging/jobs')).body.jobs, []);
        const client = await connect(owner);
        assert.equal((await client.join(channelId)).success, true);
    });

    it('makes a direct channel for those it is between', async () => {
        meet();
        const path = `/messaging/dm-channel?currentUserId=${ada}&targetUserId=${bob}`;
        assert.equal((await as(eve)('GET', path)).status, 403);
        const made = await as(ada)('GET', path);
        assert.equal(made.status, 200);
        assert.equal((await as(eve)('GET', path)).status, 403);
        assert.equal((await as(null)('GET', path)).body.data.id, made.body.data.id);
        assert.deepEqual(await participantsOf(bob, made.body.data.id), [ada, bob].toSorted());
    });

    it('lets a stranger neither join nor speak nor signal over a socket', async () => {
        meet();
        const { channel } = await makeChannel(ada, [bob]);
        const [owner, member, stranger] = await Promise.all([
            connect(ada), connect(bob, 1), connect(eve, 1)]);
        await owner.join(channel);
        assert.equal((await member.join(channel)).memberCount, 2);
        for (const fields of [{}, { since: 1 }, { since: Date.now() - 60000 }, { entityId: ada }]) {
            const { success, code, error } = await stranger.join(channel, fields);
            assert.deepEqual({ success, code, error },
                { success: false, code: 'access_denied', error: DENIED });
        }
        assert.equal(stranger.received('messageError')[0].error, DENIED);
        for (const answer of [await stranger.send(channel, 'let me in'),
            await stranger.say(channel, 'let me in'),
            await stranger.say(channel, 'as ada', { senderId: ada })]) {
            assert.equal(answer.code, 'access_denied');
        }
        owner.events.length = 0;
        for (const userId of [eve, ada]) {
            await stranger.emit('typing', { roomId: channel, userId, isTyping: true });
            await stranger.message(CONTROL, { channelId: channel, userId, action: 'stop' });
        }
        await assertNothingOf(stranger, channel, member);
        await owner.event('messageBroadcast', ({ text }) => text === 'still for us');
        assert.deepEqual(owner.names, ['messageBroadcast']);
    });

    it('gives a room that comes into being to whoever joins or speaks first', async () => {
        meet();
        const [first, second] = await Promise.all([connect(ada), connect(eve, 1)]);
        const [joined, spoken] = [randomUUID(), randomUUID()];
        assert.equal((await first.join(joined)).success, true);
        assert.equal((await second.join(joined)).code, 'access_denied');
        assert.equal((await first.say(spoken, 'mine')).success, true);
        assert.equal((await second.say(spoken, 'mine')).code, 'access_denied');
        for (const room of [joined, spoken]) {
            assert.deepEqual(await participantsOf(ada, room), [ada, agentId].toSorted());
        }
        const direct = randomUUID();
        await first.say(direct, 'hello', { metadata: { isDm: true, targetUserId: eve } });
        assert.equal((await second.join(direct)).success, true);
        const answered = await first.send(joined, 'I am unhappy.');
        await first.reply(answered.messageId, 30000);
    });

    it('lets in whom a participant adds, and keeps that over a restart', async () => {
        meet();
        const { channel } = await makeChannel(ada, [agentId]);
        const owner = await connect(ada);
        const added = await connect(bob, 1);
        await owner.join(channel);
        assert.equal((await added.join(channel)).code, 'access_denied');
        const patched = await as(ada)('PATCH', `/messaging/channels/${channel}`,
            { participantCentralUserIds: [ada, bob, agentId] });
        assert.equal(patched.status, 200);
        assert.equal((await added.join(channel)).success, true);
        const own = randomUUID();
        await owner.join(own);
        await cluster.router.restart('SIGKILL');
        await until(async () => (await as(ada)('GET', `/messaging/channels/${own}/details`)).status === 200,
            'the router serves again');
        const stranger = await connect(eve);
        assert.equal((await stranger.join(channel)).code, 'access_denied');
        assert.equal((await stranger.join(own)).code, 'access_denied');
        await owner.say(channel, 'after the restart');
        await added.event('messageBroadcast', ({ text }) => text === 'after the restart');
        assert.equal((await as(ada, { edge: 1 })('GET', `/messaging/channels/${own}/details`)).status, 200);
    });

    it('ends the membership of whom a participant removes, at once and on every edge', async () => {
        meet();
        const { channel } = await makeChannel(ada, [bob, agentId]);
        const [owner, removed, tab] = await Promise.all([connect(ada), connect(bob), connect(bob, 1)]);
        for (const client of [owner, removed, tab]) await client.join(channel);
        // A caller who follows an answer, and one who has asked without joining.
        const following = as(bob, { edge: 1 })('POST', `/messaging/channels/${channel}/messages`, {
            author_id: bob, content: 'I am unhappy, and I would like to talk.', transport: 'sse',
        });
        await owner.event('messageStreamChunk');
        await as(ada)('PATCH', `/messaging/channels/${channel}`,
            { participantCentralUserIds: [ada, agentId] });
        for (const client of [removed, tab]) {
            const left = await client.event('room_left');
            assert.deepEqual(left, { channelId: channel, roomId: channel, reason: 'removed' });
        }
        const gone = await owner.event('userLeft', ({ userId }) => userId === bob);
        assert.equal(gone.memberCount, 1);
        const { body } = await following;
        assert.equal(parseEvents(body).at(-1).event, 'error');
        assert.equal(parseEvents(body).at(-1).data.code, 'access_denied');
        const seen = [removed, tab].map((client) => client.events.length);
        await owner.say(channel, 'without bob');
        await owner.event('messageBroadcast', ({ inReplyTo }) => inReplyTo !== undefined, 30000);
        for (const [i, client] of [removed, tab].entries()) {
            assert.equal((await client.join(channel)).code, 'access_denied');
            assert.deepEqual(client.names.slice(seen[i]), ['messageError']);
        }
        assert.deepEqual((await as(bob)('GET', `/messaging/channels/${channel}/messages`)).body.data,
            { messages: [] });
    });

    it('stops an agent that is removed from answering there', async () => {
        meet();
        const { channel } = await makeChannel(ada, [agentId]);
        const owner = await connect(ada);
        await owner.join(channel);
        const question = await owner.send(channel, 'I am unhappy, and I would like to talk.');
        await owner.event('messageStreamChunk');
        const { status } = await as(ada)('DELETE', `/messaging/channels/${channel}/agents/${agentId}`);
        assert.equal(status, 200);
        await owner.event('messageComplete', ({ code }) => code === 'cancelled');
        assert.equal(owner.broadcasts.filter(({ inReplyTo }) => inReplyTo === question.messageId).length, 0);
        assert.equal((await owner.send(channel, 'Hello?')).code, 'no_agent');
    });

    it('puts everybody out of a channel that is deleted, and gives its id to the next', async () => {
        meet();
        const { channel } = await makeChannel(ada, [bob]);
        const [owner, member, next] = await Promise.all([connect(ada), connect(bob, 1), connect(eve)]);
        await owner.join(channel);
        await member.join(channel);
        assert.equal((await as(ada)('DELETE', `/messaging/channels/${channel}`)).status, 204);
        await member.event('channelDeleted');
        await member.event('room_left');
        assert.equal((await next.join(channel)).success, true);
        await next.say(channel, 'mine now');
        assert.equal((await member.join(channel)).code, 'access_denied');
        assert.equal(member.broadcasts.length, 0);
        const { body } = await as(eve)('GET', `/messaging/channels/${channel}/messages`);
        assert.deepEqual(body.data.messages.map(({ text }) => text), ['mine now']);
    });

    // Bob in Ada's channel and in a room of his own, behind a proxy that can be cut.
    const behindProxy = async (body) => {
        meet();
        const { channel } = await makeChannel(ada, [bob]);
        const own = randomUUID();
        const proxy = await startProxy(cluster.edges[0].url);
        try {
            const client = await connect(bob, 0, { url: proxy.url });
            await client.join(channel);
            await client.join(own);
            await body({ channel, own, proxy, client });
        } finally {
            await proxy.close();
        }
    };

    it('does not recover a client into a room that it was removed from', () => behindProxy(
        async ({ channel, own, proxy, client }) => {
            const before = client.socket.id;
            proxy.cut();
            await until(() => !client.socket.connected, 'it is disconnected');
            await as(ada)('PATCH', `/messaging/channels/${channel}`, { participantCentralUserIds: [ada] });
            await as(ada)('POST', `/messaging/channels/${channel}/messages`,
                { author_id: ada, content: 'without bob' });
            proxy.mend();
            await until(() => client.socket.connected, 'it is connected again', 30000);
            assert.equal(client.socket.recovered, false);
            assert.notEqual(client.socket.id, before);
            assert.equal((await client.join(channel)).code, 'access_denied');
            assert.equal((await client.join(own)).success, true);
            assert.deepEqual(client.broadcasts, []);
        }));

    it('recovers one that was removed while it was there into the rooms that are left', () => behindProxy(
        async ({ channel, own, proxy, client }) => {
            await as(ada)('PATCH', `/messaging/channels/${channel}`, { participantCentralUserIds: [ada] });
            await client.event('room_left');
            await client.settle(own);
            proxy.cut();
            await until(() => !client.socket.connected, 'it is disconnected');
            proxy.mend();
            await until(() => client.socket.connected, 'it is connected again', 30000);
            assert.equal(client.socket.recovered, true);
            await client.say(own, 'still here');
            await client.event('messageBroadcast', ({ text }) => text === 'still here');
            assert.equal((await client.join(channel)).code, 'access_denied');
        }));

    it('knows a session that moves between edges for whose it is', async () => {
        const [first, second] = cluster.edges.map(({ url }) => url);
        const balancer = await startBalancer([first, second, second]); // not all upgrades stay
        const moved = async () => (await Promise.all(cluster.edges.map(
            (edge) => readMetric(edge, 'elizamq_edge_moved_in_total')))).reduce((a, b) => a + b);
        try {
            for (let i = 0; i === 0 || await moved() === 0; i++) {
                assert.ok(i < 50);
                meet();
                const { channel } = await makeChannel(ada, [bob]);
                const client = await connect(bob, 0, { url: balancer.url, transport: 'upgrade' });
                await client.join(channel);
                await until(() => client.socket.io.engine.transport.name === 'websocket',
                    'it has upgraded');
                assert.equal((await client.say(channel, 'as ada', { senderId: ada })).code,
                    'access_denied');
                assert.equal((await client.say(channel, 'as bob')).success, true);
                await client.event('messageBroadcast', ({ text }) => text === 'as bob');
                await as(ada)('PATCH', `/messaging/channels/${channel}`,
                    { participantCentralUserIds: [ada] });
                await client.event('room_left');
            }
        } finally {
            clients.stop();
            await balancer.close();
        }
    });

    it('takes who says nothing for nobody, and who names itself in the body for that', async () => {
        meet();
        const { channel } = await makeChannel(ada);
        const nobody = as(null);
        assert.deepEqual((await nobody('GET', `/messaging/channels/${channel}/messages`)).body.data,
            { messages: [] });
        const path = `/messaging/channels/${channel}/messages`;
        assert.equal((await nobody('POST', path, { entityId: ada, text: 'hello' })).status, 201);
        const guest = await clients.connect({ url: cluster.url, entityId: null });
        assert.equal((await guest.join(channel)).code, 'access_denied');
        assert.equal((await guest.join(channel, { entityId: ada })).success, true);
    });
});

describe('who somebody is, where rooms are closed', TEST_OPTIONS, () => {
    const KEY = 'the key of this house';
    const SECRET = 'a secret that is long enough for HS256';
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const tokenOf = (sub) => {
        const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub })}`;
        return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
    };
    const path = '/messaging/channels/closed/messages';
    let closed;
    let dir;
    before(async () => {
        dir = fs.mkdtempSync(nodePath.join(os.tmpdir(), 'elizamq-isolation-'));
        const file = nodePath.join(dir, 'secret');
        fs.writeFileSync(file, SECRET);
        closed = await startCluster({
            edges: 1, bridge: false, env: { ELIZA_SERVER_AUTH_TOKEN: KEY },
            args: { router: ['--data-isolation'], edge: ['--jwt-key-file', file] },
        });
        const sent = await keyed('ada')('POST', path, { entityId: 'ada', text: 'for us alone' });
        assert.equal(sent.status, 201);
    });
    after(async () => {
        clients.stop();
        await closed?.stop();
        fs.rmSync(dir, { recursive: true, force: true });
    });
    const of = () => closed;
    const keyed = (viewer) => as(viewer, { of, 'X-API-KEY': KEY });
    const texts = async (call) => (await call('GET', path)).body.data.messages.map(({ text }) => text);

    it('the header says, to whom the key lets in', async () => {
        assert.deepEqual(await texts(keyed('ada')), ['for us alone']);
        assert.deepEqual(await texts(keyed('eve')), []);
        assert.equal((await as('ada', { of })('GET', path)).status, 401);
        assert.equal((await keyed('x'.repeat(257))('GET', path)).status, 400);
    });

    it('the key alone is an operator\'s, who sees everything', async () => {
        assert.deepEqual(await texts(keyed(null)), ['for us alone']);
        const all = await keyed(null)('GET',
            '/messaging/message-servers/00000000-0000-0000-0000-000000000000/channels');
        assert.deepEqual(all.body.data.channels.map(({ id }) => id), ['closed']);
        const said = await keyed(null)('POST', path, { entityId: 'bob', text: 'from outside' });
        assert.equal(said.status, 201);
        assert.deepEqual(await texts(keyed('bob')), ['from outside', 'for us alone']);
    });

    it('a token\'s subject is, whatever else is said', async () => {
        const bearer = (sub, viewer = null) => as(viewer, { of, Authorization: `Bearer ${tokenOf(sub)}` });
        assert.equal((await texts(bearer('ada'))).at(-1), 'for us alone');
        assert.deepEqual(await texts(bearer('eve')), []);
        assert.equal((await bearer('eve', 'ada')('GET', path)).status, 403);
        const connectWith = (sub) => clients.connect({
            url: closed.url, entityId: null, options: { auth: { token: tokenOf(sub) } } });
        const [ada, eve] = await Promise.all([connectWith('ada'), connectWith('eve')]);
        assert.equal((await ada.join('closed')).success, true);
        assert.equal((await eve.join('closed')).code, 'access_denied');
        assert.equal((await eve.join('closed', { entityId: 'ada' })).code, 'identity_mismatch');
    });
});

describe('where rooms are closed and an edge is cut off', TEST_OPTIONS, () => {
    let closed;
    let proxy;
    before(async () => {
        const port = await freePort();
        proxy = await startProxy(`http://127.0.0.1:${port}`);
        closed = await startCluster({
            bridge: false, args: {
                router: ['--data-isolation', '--bus-timeout', '500ms',
                    '--bind-edges', `tcp://127.0.0.1:${port}`],
                edge: (index) => ['--bus-timeout', '500ms', '--isolation-timeout', '0',
                    '--rejoin-entity', '--router',
                    index === 0 ? proxy.url.replace('http:', 'tcp:') : `tcp://127.0.0.1:${port}`],
            },
        });
    });
    after(async () => {
        clients.stop();
        await closed?.stop();
        await proxy?.close();
    });

    const remove = (ada, channel) => as(ada, { of: () => closed, edge: 1 })('PATCH',
        `/messaging/channels/${channel}`, { participantCentralUserIds: [ada] });
    const makeRoom = async () => {
        const [ada, bob] = [`ada-${randomUUID()}`, `bob-${randomUUID()}`];
        const { body } = await as(ada, { of: () => closed, edge: 1 })('POST', '/messaging/channels',
            { name: 'closed', participantCentralUserIds: [bob] });
        return { ada, bob, channel: body.data.id };
    };

    it('who was removed meanwhile is out when it is back, and has missed what was said', async () => {
        const { ada, bob, channel } = await makeRoom();
        const removed = await clients.connect({ url: closed.edges[0].url, entityId: bob });
        const owner = await clients.connect({ url: closed.edges[1].url, entityId: ada });
        await removed.join(channel);
        await owner.join(channel);
        proxy.cut();
        await until(async () => !await closed.edges[0].isReady(), 'the edge is cut off');
        assert.equal((await remove(ada, channel)).status, 200);
        await owner.say(channel, 'without bob');
        proxy.mend();
        await removed.event('room_left', undefined, 30000);
        await until(() => closed.edges[0].isReady(), 'the edge is back');
        assert.equal((await removed.join(channel)).code, 'access_denied');
        assert.deepEqual(removed.broadcasts, []);
    });

    it('--rejoin-entity puts nobody back where it was removed', async () => {
        const { ada, bob, channel } = await makeRoom();
        const own = randomUUID();
        const connectBob = () => clients.connect({ url: closed.edges[1].url, entityId: bob });
        const first = await connectBob();
        await first.join(channel);
        await first.join(own);
        first.socket.io.engine.close(); // lost, not left
        first.stop();
        assert.equal((await remove(ada, channel)).status, 200);
        const second = await connectBob();
        const { roomId } = await second.event('room_joined');
        assert.equal(roomId, own);
        assert.equal((await second.join(channel)).code, 'access_denied');
        assert.deepEqual(second.received('room_joined').map((data) => data.roomId), [own]);
    });
});
