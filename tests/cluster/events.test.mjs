// Every event of the two ElizaOS documents that concerns messaging, with its exact members.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';

import {
    ACK, CONTROL, Clients, MESSAGE, ROOM_JOINING, THINKING,
} from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { Late, inTime, until } from '../lib/until.mjs';
import { NIL_UUID, assertShape, isPositive, isText, isTime, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const WORD_DELAY_MS = 40;

let cluster;
const clients = new Clients();

before(async () => {
    cluster = await startCluster({
        args: { bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`] },
    });
});
after(() => {
    clients.stop();
    return cluster?.stop();
});
afterEach(clients.stop);

const connect = (options = {}) => clients.connect({ url: cluster.edges[0].url, ...options });

// A room with two members, one on each edge.
const pair = async () => {
    const roomId = randomUUID();
    const alice = await connect();
    const bob = await connect({ url: cluster.edges[1].url });
    await alice.join(roomId);
    await bob.join(roomId);
    await alice.event('userJoined');
    return { roomId, alice, bob };
};

const place = (roomId) => ({ roomId, channelId: roomId });
const servers = { serverId: NIL_UUID, messageServerId: NIL_UUID };

describe('connecting', TEST_OPTIONS, () => {
    it('says who one is, then that one is connected', async () => {
        const client = await connect({ entityId: 'somebody with spaces' });
        await client.event('connection_established');
        assert.deepEqual(client.names, ['authenticated', 'connection_established']);
        assertShape(client.events[0].data, { entityId: 'somebody with spaces', timestamp: isTime });
        assertShape(client.events[1].data, {
            message: 'Connected to Eliza Socket.IO server', socketId: client.socket.id,
            edge: isText,
        });
    });

    it('two edges have two names', async () => {
        const edges = await Promise.all(cluster.edges.map(async ({ url }) => {
            const client = await connect({ url });
            return (await client.event('connection_established')).edge;
        }));
        assert.notEqual(edges[0], edges[1]);
    });

    it('gives guests an identity, which they speak and are seen under', async () => {
        const { roomId, alice } = await pair();
        const guest = await connect({ entityId: null });
        const { entityId } = await guest.event('authenticated');
        assert.ok(isUuid(entityId));
        await guest.join(roomId);
        const { userId } = await alice.event('userJoined', (data) => data.userId === entityId);
        assert.equal(userId, entityId);
        await guest.say(roomId, 'from a guest');
        const { senderId } = await alice.event('messageBroadcast');
        assert.equal(senderId, entityId);
    });

    it('takes an unusable identity for none', async () => {
        for (const entityId of [7, '', {}, 'x'.repeat(257), 'a\0b']) {
            const client = await connect({ entityId });
            assert.ok(isUuid((await client.event('authenticated')).entityId));
        }
    });

    it('refuses other namespaces, and the session goes on', async () => {
        const client = await connect();
        const other = client.socket.io.socket('/admin');
        const error = await new Promise((resolve, reject) => {
            other.on('connect_error', resolve).on('connect', reject).connect();
        });
        assert.equal(error.message, 'Invalid namespace');
        assert.equal((await client.join(randomUUID())).success, true);
    });

    it('needs no namespace to be refused politely', async () => {
        const socket = io(`${cluster.url}/admin`, { forceNew: true, transports: ['websocket'] });
        const error = await new Promise((resolve) => { socket.on('connect_error', resolve); });
        socket.disconnect();
        assert.equal(error.message, 'Invalid namespace');
    });
});

const joinedShape = (client, roomId, members) => ({
    message: `Socket ${client.socket.id} successfully joined channel ${roomId}.`,
    ...place(roomId), ...servers, epoch: isPositive, seq: 0, memberCount: members.length,
    members: (value) => {
        assert.deepEqual([...value].sort((a, b) => (a.userId < b.userId ? -1 : 1)), members);
        return true;
    },
});

describe('joining', TEST_OPTIONS, () => {
    it('is answered by channel_joined, room_joined and the ack', async () => {
        const roomId = randomUUID();
        const first = await connect({ entityId: 'a' });
        const second = await connect({ entityId: 'b', url: cluster.edges[1].url });
        await first.join(roomId, { displayName: 'Anna', agentId: 'some agent' });
        const ack = await second.join(roomId);
        assertShape(first.received('channel_joined')[0], {
            message: `Socket ${first.socket.id} successfully joined channel ${roomId}.`,
            ...place(roomId), agentId: 'some agent',
        });
        assertShape(first.received('room_joined')[0], {
            ...joinedShape(first, roomId, [{ userId: 'a', displayName: 'Anna' }]),
            agentId: 'some agent',
        });
        const shape = joinedShape(second, roomId, [
            { userId: 'a', displayName: 'Anna' }, { userId: 'b' }]);
        assertShape(second.received('room_joined')[0], shape);
        assertShape(ack, { ...shape, success: true });
        assert.deepEqual(second.names.slice(-2), ['channel_joined', 'room_joined']);
        assertShape(await first.event('userJoined'),
            { ...place(roomId), userId: 'b', memberCount: 2 });
        assert.deepEqual(second.received('userJoined'), []);
    });

    it('again is answered again, and no news to others', async () => {
        const { roomId, alice, bob } = await pair();
        const ack = await bob.join(roomId);
        assert.equal(ack.memberCount, 2);
        assert.equal(bob.received('room_joined').length, 2);
        await alice.settle(roomId);
        assert.equal(alice.received('userJoined').length, 1);
    });

    it('tells the newest seq and the epoch of the room', async () => {
        const { roomId, alice } = await pair();
        const { seq, epoch } = await alice.say(roomId, 'one');
        const late = await connect();
        const ack = await late.join(roomId);
        assert.equal(ack.seq, seq);
        assert.equal(ack.epoch, epoch);
        assert.equal(ack.replay, undefined);
        await late.settle(roomId);
        assert.deepEqual(late.broadcasts, []);
    });

    it('takes the identity of the join before that of the connection', async () => {
        const { roomId, alice } = await pair();
        const other = await connect({ entityId: 'as connected' });
        await other.join(roomId, { entityId: 'as joined' });
        await alice.event('userJoined', ({ userId }) => userId === 'as joined');
    });

    it('as somebody else leaves as the one before', async () => {
        const { roomId, alice, bob } = await pair();
        await bob.join(roomId, { entityId: 'bob renamed' });
        await alice.event('userJoined', ({ userId }) => userId === 'bob renamed');
        await alice.event('userLeft', ({ userId }) => userId === bob.entityId);
        assert.equal((await alice.join(roomId)).memberCount, 2);
    });

    for (const [name, payload] of Object.entries({
        'channelId and userId': (room, user) => ({ channelId: room, userId: user }),
        'channel_id and author_id': (room, user) => ({ channel_id: room, author_id: user }),
        'channelId before roomId': (room, user) => (
            { roomId: 'another room', channelId: room, entityId: user }),
    })) {
        it(`takes ${name}`, async () => {
            const { roomId, alice } = await pair();
            const client = await connect();
            const ack = await client.message(ROOM_JOINING, payload(roomId, 'aliased'));
            assert.equal(ack.roomId, roomId);
            await alice.event('userJoined', ({ userId }) => userId === 'aliased');
        });
    }

    it('works by the events "1" and 1 and by the type "1"', async () => {
        const { roomId, alice } = await pair();
        const client = await connect();
        const joins = [
            (payload) => client.emit('1', payload), (payload) => client.emit(1, payload),
            (payload) => client.emit('message', { type: '1', payload }),
        ];
        for (const [i, join] of joins.entries()) {
            const ack = await join({ roomId, entityId: `number-${i}` });
            assert.equal(ack.success, true);
            await alice.event('userJoined', ({ userId }) => userId === `number-${i}`);
        }
    });

    it('takes any text for a room and a user', async () => {
        for (const id of ['x', 'ä/ö?#%2F', ' ', '😀', '..', 'a'.repeat(256), '"\\\n']) {
            const client = await connect({ entityId: id });
            const ack = await client.join(id);
            assert.equal(ack.roomId, id);
            assert.deepEqual(ack.members, [{ userId: id }]);
        }
    });
});

const messageShape = (client, roomId, text) => ({
    id: isUuid, seq: isPositive, epoch: isPositive, createdAt: isTime,
    senderId: client.entityId, senderName: 'Tester', text, ...place(roomId), ...servers,
    source: 'cluster_test',
});

const replyShape = (question, chunks) => ({
    id: chunks[0].messageId, seq: question.seq + 1, epoch: question.epoch, createdAt: isTime,
    senderId: chunks[0].agentId, senderName: 'Eliza', text: isText, ...place(question.roomId),
    ...servers, source: 'agent_response', thought: isText, actions: ['REPLY'],
    inReplyTo: question.id,
});

describe('sending', TEST_OPTIONS, () => {
    it('reaches every member with what the sender gave, and no more', async () => {
        const { roomId, alice, bob } = await pair();
        const messageId = randomUUID();
        const attachments = [{ id: 'a', url: '/x.png', nested: { deep: [1, null, 'é'] } }];
        const metadata = { isDm: false, channelType: 'GROUP', number: 1.25, empty: {} };
        const ack = await alice.say(roomId, 'Hello', { messageId, attachments, metadata });
        const shape = { ...messageShape(alice, roomId, 'Hello'), attachments, metadata };
        assertShape(await bob.event('messageBroadcast'), shape);
        assertShape(alice.broadcasts[0], { ...shape, clientMessageId: messageId });
        const receipt = {
            clientMessageId: messageId, messageId: alice.broadcasts[0].id,
            status: 'received_by_server_and_processing', ...place(roomId),
            seq: alice.broadcasts[0].seq, epoch: alice.broadcasts[0].epoch,
        };
        assertShape(alice.received('messageAck')[0], receipt);
        assertShape(ack, { ...receipt, success: true });
        assert.deepEqual(alice.names.slice(-2), ['messageBroadcast', 'messageAck']);
        assert.deepEqual(bob.received('messageAck'), []);
    });

    it('leaves out what the sender did not give', async () => {
        const { roomId, alice, bob } = await pair();
        const ack = await alice.message(MESSAGE, { roomId, message: 'bare' });
        assertShape(await bob.event('messageBroadcast'), {
            ...messageShape(alice, roomId, 'bare'), senderName: 'User', source: 'socketio_client',
        });
        assertShape(ack, {
            messageId: isUuid, status: 'received_by_server_and_processing', ...place(roomId),
            seq: isPositive, epoch: isPositive, success: true,
        });
    });

    it('is answered by the agent: thinking, chunks, message, completion', async () => {
        const { roomId, alice, bob } = await pair();
        await alice.send(roomId, 'Hello');
        const question = await bob.event('messageBroadcast');
        await bob.event('messageComplete');
        const chunks = bob.received('messageStreamChunk');
        chunks.forEach((chunk, index) => assertShape(chunk, {
            ...place(roomId), messageId: isUuid, chunk: isText, index, agentId: isUuid,
            inReplyTo: question.id,
        }));
        const [, reply] = bob.broadcasts;
        assertShape(reply, replyShape(question, chunks));
        assert.equal(chunks.map(({ chunk }) => chunk).join(''), reply.text);
        const agentId = reply.senderId;
        const [thinks, thought] = bob.received('thinking');
        assertShape(thinks,
            { ...place(roomId), userId: agentId, displayName: 'Eliza', isThinking: true });
        assertShape(thought, { ...place(roomId), userId: agentId, isThinking: false });
        assertShape(bob.received('messageComplete')[0], {
            ...place(roomId), ...servers, messageId: reply.id, inReplyTo: question.id, agentId,
            success: true,
        });
        const order = ['messageBroadcast', 'thinking', ...chunks.map(() => 'messageStreamChunk'),
            'messageBroadcast', 'thinking', 'messageComplete'];
        assert.deepEqual(bob.names.slice(-order.length), order);
    });

    it('disables and enables the input of the asker, in all its tabs, and of nobody else',
        async () => {
            const { roomId, alice, bob } = await pair();
            const tab = await connect({ entityId: alice.entityId, url: cluster.edges[1].url });
            await tab.join(roomId);
            const { messageId } = await alice.send(roomId, 'Hello');
            const { senderId } = await bob.reply(messageId);
            for (const client of [alice, tab]) {
                await until(() => client.received('controlMessage').length === 2, 'both came');
                const [disable, enable] = client.received('controlMessage');
                const shape = { ...place(roomId), userId: senderId };
                assertShape(disable, { ...shape, action: 'disable_input' });
                assertShape(enable, { ...shape, action: 'enable_input' });
            }
            await bob.settle(roomId);
            assert.deepEqual(bob.received('controlMessage'), []);
        });

    it('of type MESSAGE asks no agent', async () => {
        const { roomId, alice, bob } = await pair();
        const ack = await alice.say(roomId, 'not a question');
        assert.equal(ack.code, undefined);
        const { messageId } = await alice.send(roomId, 'a question');
        await bob.reply(messageId);
        assert.deepEqual(bob.broadcasts.map(({ inReplyTo }) => inReplyTo),
            [undefined, undefined, messageId]);
    });

    it('without having joined brings the own copy and the reply, once', async () => {
        const { roomId, alice } = await pair();
        const outsider = await connect();
        const messageId = randomUUID();
        const ack = await outsider.send(roomId, 'Hello from outside', { messageId });
        const reply = await outsider.reply(ack.messageId);
        await outsider.event('messageComplete', ({ inReplyTo }) => inReplyTo === ack.messageId);
        assertShape(outsider.broadcasts[0], {
            ...messageShape(outsider, roomId, 'Hello from outside'), clientMessageId: messageId,
        });
        const chunks = outsider.received('messageStreamChunk');
        assert.equal(chunks.map(({ chunk }) => chunk).join(''), reply.text);
        await alice.say(roomId, 'not for outsiders');
        await outsider.join(roomId);
        assert.equal(outsider.broadcasts.length, 2);
        assert.equal(alice.broadcasts.length, 3);
    });

    it('names of any age do', async () => {
        const { roomId, alice, bob } = await pair();
        const server = randomUUID();
        for (const payload of [
            { channelId: roomId, author_id: 'one', text: 'alias', serverId: server },
            { channel_id: roomId, entityId: 'one', content: 'alias', server_id: server },
            { roomId, userId: 'one', message: 'alias', message_server_id: server,
                source_type: 'agent_of_old', message_id: 'alias-id' },
        ]) {
            const ack = await alice.message(MESSAGE, payload);
            const message = await bob.event('messageBroadcast', ({ id }) => id === ack.messageId);
            assert.equal(message.senderId, 'one');
            assert.equal(message.text, 'alias');
            assert.equal(message.serverId, server);
            assert.equal(message.messageServerId, server);
            assert.equal(message.source, payload.source_type ?? 'socketio_client');
            assert.equal(ack.clientMessageId, payload.message_id);
        }
    });

    it('works by the events "2" and 2 and by the type "2"', async () => {
        const { roomId, alice, bob } = await pair();
        const payload = { roomId, senderId: alice.entityId, message: 'numbered' };
        const acks = [
            await alice.emit('2', payload), await alice.emit(2, payload),
            await alice.emit('message', { type: '2', payload }),
        ];
        for (const { messageId } of acks) await bob.reply(messageId);
    });

    it('an attachment may stand alone, and texts of any script pass unharmed', async () => {
        const { roomId, alice, bob } = await pair();
        assert.equal((await alice.say(roomId, '', { attachments: [{ id: 1 }] })).success, true);
        const texts = [
            '日本語 עברית 😀', '"\\/\b\f\n\r\t', '\u2028\u2029\u0001\u007f', '<b>&amp;',
        ];
        for (const text of texts) await alice.say(roomId, text);
        await until(() => bob.broadcasts.length === texts.length + 1, 'all have come');
        assert.deepEqual(bob.broadcasts.map(({ text }) => text), ['', ...texts]);
    });

    it('the same messageId again is acknowledged as a duplicate, and nothing else', async () => {
        const { roomId, alice, bob } = await pair();
        const messageId = randomUUID();
        const first = await alice.send(roomId, 'once', { messageId });
        await bob.reply(first.messageId);
        const second = await alice.send(roomId, 'once', { messageId });
        assert.deepEqual(second, { ...first, duplicate: true });
        const other = await connect({ entityId: alice.entityId, url: cluster.edges[1].url });
        assert.deepEqual(await other.send(roomId, 'once', { messageId }), second);
        // Another sender, or another room, is another message.
        assert.notEqual((await bob.say(roomId, 'mine', { messageId })).messageId, first.messageId);
        const elsewhere = await alice.say(randomUUID(), 'there', { messageId });
        assert.equal(elsewhere.duplicate, undefined);
        await bob.settle(roomId);
        assert.deepEqual(bob.broadcasts.map(({ text, inReplyTo }) => inReplyTo ?? text),
            ['once', first.messageId, 'mine']);
    });
});

describe('the other types', TEST_OPTIONS, () => {
    it('typing is seen by the others, with exactly three members', async () => {
        const { roomId, alice, bob } = await pair();
        for (const isTyping of [true, false]) {
            const ack = await alice.emit('typing', { roomId, userId: alice.entityId, isTyping });
            assert.deepEqual(ack, { success: true });
            assertShape(await bob.event('userTyping', (data) => data.isTyping === isTyping),
                { roomId, userId: alice.entityId, isTyping });
        }
        await alice.settle(roomId);
        assert.deepEqual(alice.received('userTyping'), []);
    });

    it('ACK reaches the author', async () => {
        const { roomId, alice, bob } = await pair();
        const { messageId } = await alice.say(roomId, 'Did you get this?');
        for (const status of ['delivered', 'read']) {
            assert.deepEqual(await bob.message(ACK, { messageId, status }), { success: true });
            assertShape(await alice.event('messageAck', (data) => data.status === status),
                { messageId, status, userId: bob.entityId, ...place(roomId) });
        }
        await bob.settle(roomId);
        assert.deepEqual(bob.received('messageAck'), []);
    });

    it('ACK of what does not exist is refused', async () => {
        const { alice } = await pair();
        const refusal = await alice.message(ACK, { messageId: randomUUID(), status: 'read' });
        const shape = { error: isText, code: 'not_found', field: 'messageId' };
        assertShape(refusal, { success: false, ...shape });
        assertShape(await alice.event('messageError'), shape);
    });

    it('THINKING reaches the room', async () => {
        const { roomId, alice, bob } = await pair();
        const ack = await alice.message(THINKING, { roomId, isThinking: true });
        assert.deepEqual(ack, { success: true });
        assertShape(await bob.event('thinking'),
            { ...place(roomId), userId: alice.entityId, isThinking: true });
    });

    it('CONTROL reaches the room', async () => {
        const { roomId, alice, bob } = await pair();
        const ack = await alice.message(CONTROL, { channelId: roomId, action: 'disable_input' });
        assert.deepEqual(ack, { success: true });
        for (const client of [alice, bob]) {
            assertShape(await client.event('controlMessage'),
                { ...place(roomId), action: 'disable_input', userId: alice.entityId });
        }
    });

    it('CONTROL stop cancels the running reply; the next question is answered',
        () => inTime(async () => {
            const { roomId, alice, bob } = await pair();
            const { messageId } = await alice.send(roomId, 'Hello');
            await bob.event('messageStreamChunk');
            await bob.message(CONTROL, { channelId: roomId, action: 'stop' });
            const complete = await alice.event('messageComplete');
            if (complete.success) throw new Late('the stop');
            assertShape(complete, {
                ...place(roomId), ...servers, messageId: isUuid, inReplyTo: messageId,
                agentId: isUuid, success: false, code: 'cancelled',
            });
            await alice.event('controlMessage', ({ action }) => action === 'stop');
            await alice.event('controlMessage', ({ action }) => action === 'enable_input');
            await alice.event('thinking', ({ isThinking }) => !isThinking);
            const cancelled = alice.received('messageStreamChunk').length;
            const next = await alice.send(roomId, 'Bye');
            await alice.reply(next.messageId);
            const chunks = alice.received('messageStreamChunk').slice(cancelled);
            for (const { inReplyTo } of chunks) assert.equal(inReplyTo, next.messageId);
            assert.deepEqual(alice.broadcasts.map(({ id, inReplyTo }) => inReplyTo ?? id),
                [messageId, messageId, next.messageId, next.messageId]);
            assert.deepEqual(alice.broadcasts.map(({ metadata }) => metadata?.stopped),
                [undefined, true, undefined, undefined]);
        }));

    it('an event that is not ours is ignored, but its ack is answered', async () => {
        const { roomId, alice } = await pair();
        alice.socket.emit('subscribe_nothing', { a: 1 });
        assertShape(await alice.emit('subscribe_nothing'),
            { success: false, error: isText, code: 'unknown_type' });
        await alice.settle(roomId);
        assert.deepEqual(alice.received('messageError'), []);
    });

    it('every handler says the same over polling', async () => {
        const { roomId, bob } = await pair();
        const client = await connect({ transport: 'polling' });
        await client.join(roomId);
        const { messageId } = await client.send(roomId, 'Hello by poll');
        const reply = await client.reply(messageId);
        assert.deepEqual(reply, await bob.reply(messageId));
        await client.event('messageComplete');
        assert.deepEqual(client.received('messageStreamChunk'), bob.received('messageStreamChunk'));
    });
});
