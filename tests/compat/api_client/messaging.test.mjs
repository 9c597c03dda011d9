// Every method of the unmodified api-client's messaging service, called: method → result.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { loadApiClient } from './install.mjs';

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const user = randomUUID();
const friend = randomUUID();

let cluster;
let messaging;
let other;
let agentId;
const called = new Set();

before(async () => {
    const { ElizaClient } = await loadApiClient();
    cluster = await startCluster();
    const services = cluster.edges.map(({ url }) => ElizaClient.create({ baseUrl: url }).messaging);
    const noting = (service) => new Proxy(service, {
        get: (target, name) => {
            called.add(name);
            return target[name].bind(target);
        },
    });
    [messaging, other] = services.map(noting);
    const response = await fetch(`${cluster.url}/api/messaging/channels/first/messages`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'Who are you?', entityId: user, mode: 'sync' }),
    });
    agentId = (await response.json()).agentResponse.senderId;
});
after(() => cluster?.stop());

const group = (name = 'Group', participantIds = [user, agentId]) => messaging.createGroupChannel(
    { name, participantIds, metadata: { type: 'GROUP', message_server_id: NIL_UUID, a: 1 } });
const said = async () => {
    const channel = await group();
    const message = await messaging.postMessage(channel.id, 'Hello', { a: 1 });
    return { channel, message };
};
const throws = (promise, status) => assert.rejects(promise, (error) => error.status === status);

// A method, or several that belong together, and what comes of calling them.
const table = {
    getCurrentMessageServer: async () => assert.deepEqual(
        await messaging.getCurrentMessageServer(), { messageServerId: NIL_UUID }),
    listMessageServers: async () => assert.equal(
        (await messaging.listMessageServers()).messageServers[0].id, NIL_UUID),
    'createMessageServer, deleteMessageServer': async () => {
        const { server } = await messaging.createMessageServer({ name: 'S', sourceType: 'test' });
        assert.equal(server.name, 'S');
        assert.deepEqual(await other.deleteMessageServer(server.id), { success: true });
        await throws(messaging.deleteMessageServer(server.id), 404);
    },
    'syncMessageServerChannels, getMessageServerChannels': async () => {
        const { server } = await messaging.createMessageServer({ name: 'S', sourceType: 'test' });
        const channels = [{ name: 'general', type: 'GROUP', sourceId: '1' }];
        assert.deepEqual(await messaging.syncMessageServerChannels(server.id, { channels }),
            { synced: 1 });
        const listed = await other.getMessageServerChannels(server.id);
        assert.deepEqual(listed.channels.map(({ name }) => name), ['general']);
    },
    createGroupChannel: async () => {
        const channel = await group();
        assert.equal(channel.name, 'Group');
        assert.deepEqual(channel.metadata, { a: 1 });
    },
    createChannel: async () => assert.equal(
        (await messaging.createChannel({ name: 'Plain', type: 'GROUP' })).name, 'Plain'),
    getOrCreateDmChannel: async () => {
        const participantIds = [user, friend];
        const [one, two] = await Promise.all([messaging, other].map(
            (service) => service.getOrCreateDmChannel({ participantIds })));
        assert.deepEqual(one, two);
        assert.equal(one.type, 'DM');
    },
    'getChannelDetails, getChannelParticipants': async () => {
        const { id } = await group();
        assert.equal((await other.getChannelDetails(id)).id, id);
        assert.deepEqual(await other.getChannelParticipants(id), [user, agentId]);
        await throws(messaging.getChannelDetails(randomUUID()), 404);
    },
    'addAgentToChannel, removeAgentFromChannel': async () => {
        const { id } = await group('Agents', [user]);
        assert.equal((await messaging.addAgentToChannel(id, agentId)).agentId, agentId);
        assert.deepEqual(await other.getChannelParticipants(id), [user, agentId]);
        assert.equal((await other.removeAgentFromChannel(id, agentId)).agentId, agentId);
        await throws(messaging.removeAgentFromChannel(id, agentId), 404);
    },
    'addUserToChannel, addUsersToChannel, removeUserFromChannel': async () => {
        const { id } = await group('Users', [user]);
        await messaging.addUserToChannel(id, friend);
        assert.deepEqual(await other.getChannelParticipants(id), [user, friend]);
        await other.addUsersToChannel(id, [friend, agentId]);
        assert.deepEqual(await messaging.getChannelParticipants(id), [user, friend, agentId]);
        await messaging.removeUserFromChannel(id, friend);
        assert.deepEqual(await other.getChannelParticipants(id), [user, agentId]);
    },
    updateChannel: async () => {
        const { id } = await group();
        const changed = await messaging.updateChannel(id, { name: 'New', metadata: { b: 2 } });
        assert.equal(changed.name, 'New');
        assert.deepEqual(changed.metadata, { b: 2 });
        await throws(messaging.updateChannel(randomUUID(), { name: 'x' }), 404);
    },
    deleteChannel: async () => {
        const { id } = await group();
        await messaging.deleteChannel(id);
        await throws(other.getChannelDetails(id), 404);
    },
    'postMessage, getMessage, getChannelMessages': async () => {
        const { channel, message } = await said();
        assert.equal(message.content, 'Hello');
        assert.equal((await other.getMessage(message.id)).content, 'Hello');
        const { messages } = await other.getChannelMessages(channel.id, { limit: 50 });
        assert.equal(messages.at(-1).id, message.id);
        await throws(messaging.getMessage(randomUUID()), 404);
    },
    updateMessage: async () => {
        const { message } = await said();
        assert.equal((await messaging.updateMessage(message.id, 'Bye')).content, 'Bye');
        assert.equal((await other.getMessage(message.id)).content, 'Bye');
    },
    'deleteMessage, clearChannelHistory': async () => {
        const { channel, message } = await said();
        await messaging.deleteMessage(channel.id, message.id);
        await throws(other.getMessage(message.id), 404);
        await messaging.clearChannelHistory(channel.id);
    },
    searchMessages: async () => {
        const word = `word${randomUUID()}`;
        const { id } = await group();
        await messaging.postMessage(id, `A ${word}`);
        const { messages } = await other.searchMessages({ query: word, from: new Date(0) });
        assert.deepEqual(messages.map(({ content }) => content), [`A ${word}`]);
    },
    generateChannelTitle: async () => {
        const { id } = await group('Title', [user]);
        assert.equal((await messaging.generateChannelTitle(id, agentId)).title, null);
        for (const text of ['Hello there', 'b', 'c', 'd']) await messaging.postMessage(id, text);
        assert.equal((await other.generateChannelTitle(id, agentId)).title, 'Hello there');
        await throws(messaging.generateChannelTitle(id, randomUUID()), 404);
    },
    'submitMessage, completeMessage': async () => {
        const { channel, message } = await said();
        const reply = await messaging.submitMessage({
            agentId, channelId: channel.id, content: 'Hi', inReplyToMessageId: message.id,
        });
        assert.equal(reply.content, 'Hi');
        assert.equal(reply.authorId, agentId);
        assert.deepEqual(
            await other.completeMessage({ messageId: reply.id, status: 'completed' }),
            { success: true });
    },
    ingestExternalMessages: async () => {
        const messages = [{ id: 'm', authorId: 'a', content: 'Hi', timestamp: Date.now() }];
        assert.deepEqual(await messaging.ingestExternalMessages(
            { platform: 'test', channelId: randomUUID(), messages }), { processed: 1 });
    },
};

describe('the api-client\'s messaging service', { timeout: 300000 }, () => {
    for (const [methods, call] of Object.entries(table)) it(methods, call);

    it('has no method that is not called here', () => {
        const methods = Object.getOwnPropertyNames(
            Object.getPrototypeOf(messaging)).filter((name) => name !== 'constructor');
        assert.deepEqual(methods.filter((name) => !called.has(name)), []);
    });
});
