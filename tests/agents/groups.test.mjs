// Several agents in one channel: who of them answers, and what they say to each other.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from '../cluster/rest.mjs';
import { json, startModelServer } from './model_server.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const idOf = (number) => `cccccccc-0000-4000-8000-00000000000${number}`;
const AGENTS = {
    Ann: { id: idOf(1) },
    Bob: { id: idOf(2) },
    Shy: { id: idOf(3), reply: 'mention' },
    Mute: { id: idOf(4), reply: 'never' },
};

const clients = new Clients();
afterEach(clients.stop);

describe('several agents in a channel', TEST_OPTIONS, () => {
    const dir = fs.mkdtempSync('/tmp/elizamq-groups-');
    let server;
    let cluster;
    let rest;

    const plain = ({ body }, response) => json(response, 200,
        { text: `${body.agentName} heard ${body.content.length} characters` });

    before(async () => {
        server = await startModelServer(plain);
        for (const [name, { id, ...policies }] of Object.entries(AGENTS)) {
            fs.writeFileSync(path.join(dir, `${name}.json`),
                JSON.stringify({ name, id, settings: { elizamq: policies } }));
        }
        cluster = await startCluster({
            edges: 2, args: {
                bridge: ['--agents', dir, '--runtime', 'http', '--http-url', server.origin],
                router: ['--agent-hops', '3'],
            },
        });
        rest = restOf(cluster);
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.stop();
        fs.rmSync(dir, { recursive: true });
    });
    beforeEach(() => {
        server.requests.length = 0;
        server.answer = plain;
    });

    const enter = async (names, fields = {}) => {
        const { body } = await rest.post('/channels', {
            name: 'a group', participantCentralUserIds: names.map((name) => AGENTS[name].id),
            ...fields,
        });
        const client = await clients.connect({ url: cluster.edges[1].url });
        await client.join(body.data.id);
        return { room: body.data.id, client };
    };

    // Who has answered that message when all is done.
    const answersTo = async (client, room, messageId, count) => {
        const found = () => client.broadcasts.filter(({ inReplyTo }) => inReplyTo === messageId);
        await until(() => found().length >= count, () => `${count} answers: ${found().length}`);
        await client.settle(room);
        return found().map(({ senderName }) => senderName).sort();
    };

    it('answer all, or only who is addressed', async () => {
        const { room, client } = await enter(['Ann', 'Bob', 'Shy', 'Mute']);
        let ack = await client.send(room, 'Hello all');
        assert.equal(ack.code, undefined);
        assert.deepEqual(await answersTo(client, room, ack.messageId, 2), ['Ann', 'Bob']);
        ack = await client.send(room, 'Hello @bob!');
        assert.deepEqual(await answersTo(client, room, ack.messageId, 1), ['Bob']);
        ack = await client.send(room, 'Hello @Shy and @Mute');
        assert.deepEqual(await answersTo(client, room, ack.messageId, 1), ['Shy']);
        const [{ id }] = client.broadcasts.filter(({ senderName }) => senderName === 'Shy');
        ack = await client.send(room, 'What do you mean?', { inReplyTo: id });
        assert.deepEqual(await answersTo(client, room, ack.messageId, 1), ['Shy']);
        ack = await client.send(room, 'I mean this', { metadata: { replyTo: id } });
        assert.deepEqual(await answersTo(client, room, ack.messageId, 1), ['Shy']);
    });

    it('say in the acknowledgement why nobody answers', async () => {
        const { room, client } = await enter(['Shy', 'Mute']);
        const ack = await client.send(room, 'Anybody?');
        assert.deepEqual([ack.success, ack.code, ack.reason], [true, 'no_agent', 'not_addressed']);
        const posted = await rest.send(room, 'Anybody?');
        assert.deepEqual([posted.status, posted.body.code, posted.body.reason],
            [201, 'no_agent', 'not_addressed']);
        const refused = await rest.send(room, 'Anybody?', { mode: 'sync' });
        assert.equal(refused.status, 400);
        assert.deepEqual(refused.body.error, {
            code: 'no_agent', message: 'No agent of the channel is addressed by the message',
        });
        const { body } = await rest.post('/channels', {
            name: 'people', participantCentralUserIds: [randomUUID()],
        });
        const other = await client.send(body.data.id, 'Anybody?');
        assert.deepEqual([other.code, other.reason], ['no_agent', 'no_agent_in_channel']);
        assert.equal(server.requests.length, 0);
    });

    it('answer always where it is only them and one person', async () => {
        const { room, client } = await enter(['Mute'], { type: 'DM' });
        const ack = await client.send(room, 'Hello');
        assert.deepEqual(await answersTo(client, room, ack.messageId, 1), ['Mute']);
    });

    it('talk to each other until they are stopped, which everybody sees', async () => {
        const { room, client } = await enter(['Ann', 'Bob', 'Mute']);
        const stranger = await clients.connect({ url: cluster.edges[0].url });
        await stranger.join(room);
        server.answer = ({ body }, response) => json(response, 200,
            { text: body.agentName === 'Ann' ? '@Bob, what now?' : '@Ann, what now?' });
        await client.send(room, '@Ann, begin');
        for (const viewer of [client, stranger]) {
            const { action, userId, roomId } = await viewer.event('controlMessage',
                (message) => message.action === 'agents_stopped');
            assert.deepEqual([action, userId, roomId], ['agents_stopped', AGENTS.Bob.id, room]);
        }
        await client.settle(room);
        const names = client.broadcasts.slice(1).map(({ senderName }) => senderName);
        assert.deepEqual(names, ['Ann', 'Bob', 'Ann', 'Bob']); /* three of them to each other */
        assert.equal(server.requests.length, 4);
        // A person's word lets them go on, and nobody's input is disabled.
        const { messageId } = await client.send(room, '@Bob, and you?');
        await client.reply(messageId);
        const own = client.received('controlMessage').filter(({ action }) => /input/.test(action));
        await client.event('controlMessage', ({ action }) => action === 'enable_input');
        assert.equal(own.filter(({ action }) => action === 'disable_input').length, 2);
    });

    it('answer an agent that runs elsewhere and addresses them', async () => {
        const { room, client } = await enter(['Ann', 'Bob']);
        const submitted = await rest.post('/submit', {
            channelId: room, messageServerId: '00000000-0000-0000-0000-000000000000',
            author_id: randomUUID(), content: '@Ann, are you there?', source_type: 'agent_response',
            raw_message: { text: '@Ann, are you there?' },
            metadata: { agentName: 'Far', agent_id: randomUUID() },
            channel_id: room, message_server_id: '00000000-0000-0000-0000-000000000000',
        });
        assert.equal(submitted.status, 201, JSON.stringify(submitted.body));
        const { senderName } = await client.event('messageBroadcast',
            (message) => message.senderId === AGENTS.Ann.id);
        assert.equal(senderName, 'Ann');
    });
});
