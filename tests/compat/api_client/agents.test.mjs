// Every method of the unmodified api-client's services for agents, their runs and memories, the
// server and the system: method → result.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { NIL_UUID, converse, servicesOf, throws } from './services.mjs';

let cluster;
let agentId;
let uncalled;
let one; // the services on one edge
let other; // on the other

before(async () => {
    cluster = await startCluster();
    let services;
    ({ services, agentId, uncalled } = await servicesOf(
        cluster, ['agents', 'runs', 'memory', 'server', 'system', 'audio']));
    [one, other] = services;
});
after(() => cluster?.stop());

const ask = (channel, text = 'Hello') => converse(cluster.url, channel, text);
const done = { success: true };
const world = randomUUID();

const table = {
    'agents.listAgents, agents.getAgent': async () => {
        const { agents: [agent] } = await one.agents.listAgents();
        assert.equal(agent.status, 'active');
        assert.equal((await other.agents.getAgent(agent.id)).name, agent.name);
        await throws(one.agents.getAgent(randomUUID()), 404);
    },
    'agents.stopAgent, agents.startAgent': async () => {
        assert.deepEqual(await one.agents.stopAgent(agentId), { message: 'Agent stopped' });
        assert.equal((await other.agents.getAgent(agentId)).status, 'inactive');
        assert.equal((await other.agents.startAgent(agentId)).status, 'active');
        await throws(one.agents.startAgent(randomUUID()), 404);
    },
    'agents.createAgent, agents.updateAgent, agents.deleteAgent': async () => {
        const characterJson = { name: 'New' };
        for (const call of [() => one.agents.createAgent({ characterJson }),
            () => one.agents.updateAgent(agentId, { name: 'Other' }),
            () => one.agents.deleteAgent(agentId)]) {
            await assert.rejects(call, ({ status, code }) => status === 403 && code === 'READ_ONLY');
        }
    },
    'agents.getAgentPanels': async () => assert.deepEqual(
        await one.agents.getAgentPanels(agentId), { panels: [] }),
    'agents.getWorlds, memory.createWorldFromMessageServer, memory.deleteWorld': async () => {
        const params = { messageServerId: world, name: 'World' };
        assert.equal((await one.memory.createWorldFromMessageServer(world, params)).worldId, world);
        const { worlds } = await other.agents.getWorlds();
        assert.equal(worlds.find(({ id }) => id === world).name, 'World');
        await other.memory.clearWorldMemories(world);
        assert.deepEqual(await other.memory.deleteWorld(world), done);
        await throws(one.memory.deleteWorld(world), 404);
    },
    'agents.addAgentToWorld, agents.updateAgentWorldSettings': async () => {
        assert.equal((await one.agents.addAgentToWorld(agentId, NIL_UUID)).agentId, agentId);
        assert.deepEqual(
            await one.agents.updateAgentWorldSettings(agentId, NIL_UUID, { mood: 'calm' }),
            { agentId, worldId: NIL_UUID, settings: { mood: 'calm' } });
    },
    'agents.addAgentToMessageServer, agents.removeAgentFromMessageServer': async () => {
        await one.agents.removeAgentFromMessageServer(NIL_UUID, agentId);
        assert.deepEqual((await other.agents.getAgentsForMessageServer(NIL_UUID)).agents, []);
        await one.agents.addAgentToMessageServer(NIL_UUID, agentId);
        assert.deepEqual((await other.agents.getMessageServersForAgent(agentId)).messageServers,
            [NIL_UUID]);
    },
    'runs.listRuns, runs.getRun': async () => {
        const channel = randomUUID();
        const { user, question, reply } = await ask(channel);
        const { runs, total, hasMore } = await other.runs.listRuns(agentId, { roomId: channel });
        assert.equal(total, 1);
        assert.equal(hasMore, false);
        const [run] = runs;
        assert.ok(run.endedAt >= run.startedAt);
        assert.equal(run.durationMs, run.endedAt - run.startedAt);
        assert.deepEqual(
            { ...run, runId: '', startedAt: 0, endedAt: 0, durationMs: 0 },
            {
                runId: '', status: 'completed', startedAt: 0, endedAt: 0, durationMs: 0,
                messageId: question, roomId: channel, entityId: user,
                metadata: { replyId: reply },
                counts: { actions: 0, modelCalls: 1, errors: 0, evaluators: 0 },
            });
        const detail = await one.runs.getRun(agentId, run.runId, channel);
        assert.deepEqual(detail.summary, run);
        assert.deepEqual(detail.events.map(({ type }) => type), ['RUN_STARTED', 'RUN_ENDED']);
        assert.equal((await one.runs.listRuns(agentId, { status: 'error' })).total, 0);
        assert.equal((await one.runs.listRuns(agentId, { to: run.startedAt - 1 })).runs
            .some(({ runId }) => runId === run.runId), false);
        await throws(one.runs.getRun(agentId, randomUUID()), 404);
        await throws(one.runs.listRuns(randomUUID()), 404);
        await throws(one.runs.listRuns(agentId, { status: 'odd' }), 400);
    },
    'runs.listRuns, page by page': async () => {
        const channel = randomUUID();
        for (let i = 0; i < 3; i++) await ask(channel, `Question ${i}`);
        const page = await one.runs.listRuns(agentId, { roomId: channel, limit: 2 });
        assert.equal(page.runs.length, 2);
        assert.equal(page.total, 3);
        assert.equal(page.hasMore, true);
        assert.ok(page.runs[0].startedAt >= page.runs[1].startedAt);
    },
    'agents.getAgentLogs, agents.deleteAgentLog': async () => {
        const channel = randomUUID();
        const { question } = await ask(channel);
        const [log, ...more] = await one.agents.getAgentLogs(agentId, { roomId: channel });
        assert.deepEqual(more, []);
        assert.equal(log.type, 'run_event');
        assert.equal(log.body.source, 'messageHandler');
        assert.equal(log.roomId, channel);
        assert.equal(log.body.messageId, question);
        assert.deepEqual(await one.agents.deleteAgentLog(agentId, log.id), done);
        assert.deepEqual(await other.agents.getAgentLogs(agentId, { roomId: channel }), []);
        assert.deepEqual(await one.agents.getAgentLogs(agentId, { type: 'action' }), []);
    },
    'memory.getAgentMemories, memory.getRoomMemories, memory.getAgentInternalMemories': async () => {
        const channel = randomUUID();
        const { user, question, reply } = await ask(channel, 'What do you remember?');
        for (const list of [
            await one.memory.getAgentMemories(agentId, { limit: 2 }),
            await other.memory.getRoomMemories(agentId, channel),
            await one.memory.getAgentMemories(agentId, { channelId: channel }),
            await one.memory.getAgentMemories(agentId, { roomId: channel }),
            await other.memory.getAgentInternalMemories(agentId, channel, false),
        ]) {
            assert.deepEqual(list.memories.map(({ id }) => id), [reply, question]);
            const [answer, asked] = list.memories;
            assert.equal(asked.content.text, 'What do you remember?');
            assert.equal(asked.entityId, user);
            assert.equal(asked.roomId, channel);
            assert.equal(answer.content.inReplyTo, question);
            assert.equal(answer.content.responseId, reply);
            assert.deepEqual(asked.metadata, {
                type: 'message', timestamp: asked.createdAt, entityName: 'User',
                source: 'eliza_gui', sourceId: question,
                raw: { senderId: user, senderName: 'User' },
            });
            assert.equal(answer.entityId, agentId);
        }
        assert.deepEqual(await one.memory.getAgentMemories(agentId, { tableName: 'facts' }),
            { memories: [] });
    },
    'memory.updateMemory, memory.updateAgentInternalMemory': async () => {
        const channel = randomUUID();
        const { question } = await ask(channel);
        const text = async () => (await other.memory.getRoomMemories(agentId, channel)).memories
            .find(({ id }) => id === question).content.text;
        const changed = await one.memory.updateMemory(agentId, question,
            { content: { text: 'Changed' } });
        assert.equal(changed.id, question);
        assert.equal(changed.message, 'Memory updated successfully');
        assert.equal(await text(), 'Changed');
        await one.memory.updateAgentInternalMemory(agentId, question, { content: 'Again' });
        assert.equal(await text(), 'Again');
        await throws(one.memory.updateMemory(agentId, randomUUID(), { content: 'x' }), 404);
    },
    'memory.deleteMemory, memory.deleteAgentInternalMemory, memory.deleteGroupMemory': async () => {
        const channel = randomUUID();
        const { question, reply } = await ask(channel);
        const last = await ask(channel, 'Forget me');
        const deleted = { message: 'Memory deleted successfully' };
        assert.deepEqual(await one.memory.deleteMemory(agentId, question), deleted);
        assert.deepEqual(await one.memory.deleteAgentInternalMemory(agentId, reply), deleted);
        assert.deepEqual(await one.memory.deleteGroupMemory(channel, last.reply), done);
        const { memories } = await other.memory.getRoomMemories(agentId, channel);
        assert.deepEqual(memories.map(({ id }) => id), [last.question]);
    },
    'memory.clearRoomMemories, memory.deleteAllAgentInternalMemories, memory.clearGroupChat':
        async () => {
            const channel = randomUUID();
            for (const clear of [
                () => one.memory.clearRoomMemories(agentId, channel),
                () => one.memory.deleteAllAgentInternalMemories(agentId, channel),
                () => one.memory.clearGroupChat(channel),
            ]) {
                await ask(channel);
                assert.deepEqual(await clear(), done);
                assert.deepEqual((await other.memory.getRoomMemories(agentId, channel)).memories,
                    []);
            }
        },
    'memory.clearAgentMemories': async () => {
        const channels = [randomUUID(), randomUUID()];
        for (const channel of channels) await ask(channel);
        assert.deepEqual(await one.memory.clearAgentMemories(agentId),
            { message: 'All agent memories cleared successfully' });
        assert.deepEqual((await other.memory.getAgentMemories(agentId)).memories, []);
        for (const channel of channels) {
            assert.deepEqual((await one.memory.getRoomMemories(agentId, channel)).memories, []);
        }
    },
    'memory.clearWorldMemories': async () => {
        const channel = randomUUID();
        await ask(channel);
        assert.deepEqual(await one.memory.clearWorldMemories(NIL_UUID), done);
        assert.deepEqual((await other.memory.getRoomMemories(agentId, channel)).memories, []);
    },
    'memory.createRoom, memory.getRoom, memory.listAgentRooms': async () => {
        const made = await one.memory.createRoom(agentId, { name: 'Den', metadata: { a: 1 } });
        assert.equal(made.name, 'Den');
        assert.deepEqual(made.metadata, { a: 1 });
        assert.equal(made.source, 'client');
        assert.ok(Number.isSafeInteger(made.createdAt));
        assert.deepEqual(await other.memory.getRoom(agentId, made.id),
            { ...made, worldName: 'Default Server' });
        const { rooms } = await other.memory.listAgentRooms(agentId);
        assert.deepEqual(rooms[0], made);
        await throws(one.memory.getRoom(agentId, randomUUID()), 404);
    },
    'server.checkHealth, server.ping, server.hello, server.getStatus': async () => {
        assert.equal((await one.server.checkHealth()).status, 'OK');
        assert.equal((await one.server.ping()).pong, true);
        assert.equal((await one.server.hello()).message, 'Hello World!');
        assert.equal((await one.server.getStatus()).agentCount, 1);
    },
    'server.getDebugInfo': async () => assert.ok(
        (await one.server.getDebugInfo()).servers.some(({ id }) => id === NIL_UUID)),
    'server.submitLogs, server.clearLogs, system.getGlobalLogs, system.deleteGlobalLogs': async () => {
        assert.ok(Array.isArray((await one.server.submitLogs([])).logs));
        const { logs, count, level, levels } = await one.system.getGlobalLogs({ limit: 5 });
        assert.equal(logs.length, count);
        assert.equal(level, 'all');
        assert.ok(levels.includes('info'));
        assert.equal((await one.server.clearLogs()).status, 'success');
        assert.equal((await one.system.deleteGlobalLogs()).status, 'success');
        await assert.rejects(one.system.deleteLog('x')); /* by the client itself */
    },
    'server.stopServer': () => throws(one.server.stopServer(), 403),
    'system.getEnvironment, system.updateLocalEnvironment': async () => {
        assert.deepEqual(await one.system.getEnvironment(), {});
        await throws(one.system.updateLocalEnvironment({ variables: { A: 'b' } }), 403);
    },
    'audio.*': async () => {
        const audio = new Blob(['sound']);
        await throws(one.audio.speechConversation(agentId, { audio }), 501);
        await throws(one.audio.transcribe(agentId, { audio }), 501);
        await throws(one.audio.processSpeech(agentId, audio), 501);
        await throws(one.audio.synthesizeAudioMessage(agentId, { text: 'x' }), 501);
        await assert.rejects(one.audio.generateSpeech(agentId, { text: 'x' }), /501/);
    },
};

describe('the api-client\'s services for agents and the server', { timeout: 300000 }, () => {
    for (const [methods, call] of Object.entries(table)) it(methods, call);

    it('have no method that is not called here', () => {
        for (const name of ['agents', 'runs', 'memory', 'server', 'system', 'audio']) {
            const helpers = ['buildUrl', 'getHeaders', // of the system service
                'requestBinary', 'processAudioInput', 'isBase64String', 'isBuffer'];
            assert.deepEqual(uncalled(name).filter((it) => !helpers.includes(it)), []);
        }
    });
});
