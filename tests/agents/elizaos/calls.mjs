// Every method of the api-client's services, and what of the REST API it has no method for, in an
// order in which each finds what it needs. `s` is what a side remembers from its earlier answers.

import { randomUUID } from 'node:crypto';

import { until } from '../../lib/until.mjs';

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

const ANSWER_DEADLINE_MS = 60000;

const user = randomUUID();
const friend = randomUUID();
const nobody = randomUUID();
const world = randomUUID();
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const picture = () => new File([PNG], 'a.png', { type: 'image/png' });

const make = ({ api, s }, name, type) => api.messaging.createGroupChannel(
    { name, participantIds: [user, s.agentId], metadata: { type, a: 1 } });

// A question and its reply, both stored. Resolves with the channel.
const converse = async (side) => {
    const { id } = await make(side, 'Talk', 'DM');
    await side.raw('POST', `/api/messaging/channels/${id}/messages`, {
        author_id: user, content: 'Hello', message_server_id: NIL_UUID,
        source_type: 'client_chat', metadata: { user_display_name: 'Ann' },
    });
    await until(async () => (await side.api.messaging.getChannelMessages(id)).messages.length > 1,
        'the agent answers', ANSWER_DEADLINE_MS);
    return id;
};

// Before the calls, and not compared. The reply comes some time after the question.
export const prepare = async (side) => {
    const { s, api } = side;
    const { agents } = await api.agents.listAgents();
    s.agentId = agents[0].id;
    do {
        s.talk = await converse(side);
        [s.reply, s.question] = (await api.messaging.getChannelMessages(s.talk)).messages;
    } while (s.reply.created_at === s.question.created_at);
};

const post = ({ raw }, channel, fields) => raw('POST', `/api/messaging/channels/${channel}/messages`, {
    author_id: user, content: 'Hello', message_server_id: NIL_UUID, source_type: 'client_chat',
    ...fields,
});
const session = ({ raw, s }, method, path, body) => raw(
    method, `/api/messaging/sessions/${s.sessionId}${path}`, body);

export const calls = {
    'server.checkHealth': ({ api }) => api.server.checkHealth(),
    'server.ping': ({ api }) => api.server.ping(),
    'server.hello': ({ api }) => api.server.hello(),
    'server.getStatus': ({ api }) => api.server.getStatus(),
    'server.getDebugInfo': ({ api }) => api.server.getDebugInfo(),
    'server.submitLogs': ({ api }) => api.server.submitLogs([]),
    'system.getGlobalLogs': ({ api }) => api.system.getGlobalLogs({ limit: 5 }),
    'system.getEnvironment': ({ api }) => api.system.getEnvironment(),
    'system.updateLocalEnvironment': ({ api }) => api.system.updateLocalEnvironment({ A: 'b' }),
    'GET /api/system/version': ({ raw }) => raw('GET', '/api/system/version'),
    'GET /api/system/config': ({ raw }) => raw('GET', '/api/system/config'),
    'GET /healthz': ({ raw }) => raw('GET', '/healthz'),
    'GET /health': ({ raw }) => raw('GET', '/health'),
    'GET of no path': ({ raw }) => raw('GET', '/api/nothing'),

    'agents.listAgents': ({ api }) => api.agents.listAgents(),
    'agents.getAgent': ({ api, s }) => api.agents.getAgent(s.agentId),
    'agents.getAgent of none': ({ api }) => api.agents.getAgent(nobody),
    'agents.getAgent of no id': ({ api }) => api.agents.getAgent('x'),
    'agents.getAgentPanels': ({ api, s }) => api.agents.getAgentPanels(s.agentId),
    'agents.getAgentLogs': async ({ api, s }) => {
        s.logs = await api.agents.getAgentLogs(s.agentId, { type: 'run_event' });
    },
    'agents.getWorlds': ({ api }) => api.agents.getWorlds(),
    'agents.addAgentToWorld': ({ api, s }) => api.agents.addAgentToWorld(s.agentId, NIL_UUID),
    'agents.updateAgentWorldSettings': ({ api, s }) => api.agents.updateAgentWorldSettings(
        s.agentId, NIL_UUID, { mood: 'calm' }),
    'agents.addAgentToMessageServer': ({ api, s }) => api.agents.addAgentToMessageServer(
        NIL_UUID, s.agentId),
    'agents.getAgentsForMessageServer': ({ api }) => api.agents.getAgentsForMessageServer(NIL_UUID),
    'agents.getMessageServersForAgent': ({ api, s }) => api.agents.getMessageServersForAgent(
        s.agentId),

    'runs.listRuns': async ({ api, s }) => {
        s.runs = (await api.runs.listRuns(s.agentId)).runs;
    },
    'runs.getRun': ({ api, s }) => api.runs.getRun(s.agentId, s.runs[0].runId, s.runs[0].roomId),
    'runs.getRun of none': ({ api, s }) => api.runs.getRun(s.agentId, nobody),

    'memory.getAgentMemories': async ({ api, s }) => {
        s.memories = (await api.memory.getAgentMemories(s.agentId)).memories;
    },
    'memory.getAgentMemories of a channel': ({ api, s }) => api.memory.getAgentMemories(s.agentId,
        { channelId: s.talk }),
    'memory.getAgentMemories, facts': ({ api, s }) => api.memory.getAgentMemories(s.agentId,
        { tableName: 'facts' }),
    'memory.getRoomMemories': ({ api, s }) => api.memory.getRoomMemories(s.agentId, s.talk),
    'memory.getRoomMemories, the question': ({ api, s }) => api.memory.getRoomMemories(
        s.agentId, s.talk, { before: s.memories[1].createdAt + 1 }),
    'memory.getAgentInternalMemories': ({ api, s }) => api.memory.getAgentInternalMemories(
        s.agentId, s.talk, false),
    'memory.listAgentRooms': async ({ api, s }) => {
        const { rooms } = await api.memory.listAgentRooms(s.agentId);
        s.room = rooms.find(({ channelId }) => channelId === s.talk);
    },
    'memory.getRoom': ({ api, s }) => api.memory.getRoom(s.agentId, s.room.id),
    'memory.getRoom of none': ({ api, s }) => api.memory.getRoom(s.agentId, nobody),
    'agents.deleteAgentLog': ({ api, s }) => api.agents.deleteAgentLog(s.agentId, s.logs.at(-1).id),

    'messaging.getCurrentMessageServer': ({ api }) => api.messaging.getCurrentMessageServer(),
    'messaging.listMessageServers': ({ api }) => api.messaging.listMessageServers(),
    'messaging.createMessageServer': async ({ api, s }) => {
        s.server = (await api.messaging.createMessageServer({
            name: 'S', sourceType: 'test', sourceId: '1', metadata: { a: 1 },
        })).server;
    },
    'messaging.getMessageServerChannels': ({ api }) => api.messaging.getMessageServerChannels(
        NIL_UUID),
    'messaging.syncMessageServerChannels': ({ api, s }) => api.messaging.syncMessageServerChannels(
        s.server.id, { channels: [{ name: 'general', type: 'GROUP', sourceId: '1' }] }),
    'messaging.deleteMessageServer': ({ api, s }) => api.messaging.deleteMessageServer(s.server.id),
    'GET /api/messaging/central-servers': ({ raw }) => raw('GET', '/api/messaging/central-servers'),
    'messaging.createGroupChannel': async (side) => {
        side.s.channel = (await make(side, 'Group', 'GROUP')).id;
    },
    'messaging.createChannel': ({ api }) => api.messaging.createChannel(
        { name: 'Plain', type: 'GROUP' }),
    'messaging.getOrCreateDmChannel': ({ api }) => api.messaging.getOrCreateDmChannel(
        { participantIds: [user, friend] }),
    'messaging.getChannelDetails': ({ api, s }) => api.messaging.getChannelDetails(s.channel),
    'messaging.getChannelDetails of none': ({ api }) => api.messaging.getChannelDetails(nobody),
    'messaging.getChannelParticipants': ({ api, s }) => api.messaging.getChannelParticipants(
        s.channel),
    'messaging.addAgentToChannel': ({ api, s }) => api.messaging.addAgentToChannel(
        s.channel, s.agentId),
    'GET …/channels/:channel/agents': ({ raw, s }) => raw(
        'GET', `/api/messaging/channels/${s.channel}/agents`),
    'messaging.removeAgentFromChannel': ({ api, s }) => api.messaging.removeAgentFromChannel(
        s.channel, s.agentId),
    'messaging.removeAgentFromChannel once more': ({ api, s }) => (
        api.messaging.removeAgentFromChannel(s.channel, s.agentId)),
    'messaging.addUserToChannel': ({ api, s }) => api.messaging.addUserToChannel(s.channel, friend),
    'messaging.addUsersToChannel': ({ api, s }) => api.messaging.addUsersToChannel(
        s.channel, [friend, nobody]),
    'messaging.removeUserFromChannel': ({ api, s }) => api.messaging.removeUserFromChannel(
        s.channel, nobody),
    'messaging.updateChannel': ({ api, s }) => api.messaging.updateChannel(
        s.channel, { name: 'New', metadata: { b: 2 } }),
    'messaging.updateChannel of none': ({ api }) => api.messaging.updateChannel(
        nobody, { name: 'New' }),
    'messaging.generateChannelTitle': ({ api, s }) => api.messaging.generateChannelTitle(
        s.channel, s.agentId),
    'messaging.generateChannelTitle of no agent': ({ api, s }) => (
        api.messaging.generateChannelTitle(s.channel, nobody)),

    'messaging.postMessage': ({ api, s }) => api.messaging.postMessage(s.channel, 'Hello', { a: 1 }),
    'POST …/messages': (side) => post(side, side.s.talk, { metadata: { a: 1 } }),
    'POST …/messages, http': (side) => post(side, side.s.talk, { transport: 'http' }),
    'POST …/messages, sse': (side) => post(side, side.s.talk, { transport: 'sse' }),
    'POST …/messages, bogus': (side) => post(side, side.s.talk, { transport: 'bogus' }),
    'POST …/messages without content': (side) => post(side, side.s.talk, { content: '' }),
    'messaging.getChannelMessages': ({ api, s }) => api.messaging.getChannelMessages(
        s.talk, { before: s.reply.created_at + 1 }),
    'messaging.getChannelMessages, the question': ({ api, s }) => api.messaging.getChannelMessages(
        s.talk, { limit: 1, before: s.reply.created_at }),
    'messaging.getMessage': ({ api, s }) => api.messaging.getMessage(s.question.id),
    'messaging.updateMessage': ({ api, s }) => api.messaging.updateMessage(s.question.id, 'Hello!'),
    'messaging.searchMessages': ({ api, s }) => api.messaging.searchMessages(
        { query: 'Hello', channelId: s.talk }),
    'messaging.submitMessage': ({ api, s }) => api.messaging.submitMessage({
        agentId: s.agentId, channelId: s.channel, content: 'Hi', inReplyToMessageId: s.question.id,
    }),
    'POST /api/messaging/submit': ({ raw, s }) => raw('POST', '/api/messaging/submit', {
        channel_id: s.channel, message_server_id: NIL_UUID, author_id: s.agentId, content: 'Hi',
        in_reply_to_message_id: s.question.id, source_type: 'agent_response',
        raw_message: { text: 'Hi', thought: 'hm', actions: ['REPLY'] }, metadata: { a: 1 },
    }),
    'POST /api/messaging/action': async ({ raw, s }) => {
        const { data } = await raw('POST', '/api/messaging/action', {
            channel_id: s.channel, message_server_id: NIL_UUID, author_id: s.agentId,
            content: 'Executing action: X', source_type: 'agent_action',
            raw_message: { text: 'Executing action: X', actions: ['X'], actionStatus: 'executing' },
        });
        s.action = data.id;
    },
    'PATCH /api/messaging/action/:id': ({ raw, s }) => raw(
        'PATCH', `/api/messaging/action/${s.action}`, {
            content: 'Done', raw_message: { text: 'Done', actionStatus: 'completed' },
        }),
    'messaging.completeMessage': ({ api, s }) => api.messaging.completeMessage(
        { messageId: s.reply.id, status: 'completed' }),
    'messaging.ingestExternalMessages': ({ api, s }) => api.messaging.ingestExternalMessages({
        platform: 'test', channelId: s.channel,
        messages: [{ id: 'm', authorId: 'a', content: 'Hi', timestamp: Date.now() }],
    }),
    'POST /api/messaging/ingest-external': ({ raw, s }) => raw(
        'POST', '/api/messaging/ingest-external', {
            channel_id: s.channel, message_server_id: NIL_UUID, author_id: user, content: 'Hi',
            source_type: 'test', source_id: 'm',
        }),

    'sessions.checkHealth': ({ api }) => api.sessions.checkHealth(),
    'sessions.createSession': async ({ api, s }) => {
        s.sessionId = (await api.sessions.createSession({
            agentId: s.agentId, userId: user, metadata: { a: 1 },
            timeoutConfig: { timeoutMinutes: 10 },
        })).sessionId;
    },
    'sessions.createSession of no agent': ({ api }) => api.sessions.createSession(
        { agentId: nobody, userId: user }),
    'sessions.createSession without a user': ({ api, s }) => api.sessions.createSession(
        { agentId: s.agentId }),
    'sessions.getSession': ({ api, s }) => api.sessions.getSession(s.sessionId),
    'sessions.getSession of none': ({ api }) => api.sessions.getSession(nobody),
    'sessions.sendMessage': ({ api, s }) => api.sessions.sendMessage(s.sessionId,
        { content: 'Hello', metadata: { b: 1 } }),
    'sessions.getMessages': async ({ api, s, forget }) => {
        await until(async () => {
            forget();
            return (await api.sessions.getMessages(s.sessionId)).messages.length > 1;
        }, 'the agent answers', ANSWER_DEADLINE_MS);
        await api.sessions.getMessages(s.sessionId, { limit: 1 });
    },
    'sessions.sendMessage, too long': ({ api, s }) => api.sessions.sendMessage(s.sessionId,
        { content: 'x'.repeat(4001) }),
    'sessions.sendMessageSync': ({ api, s }) => api.sessions.sendMessageSync(s.sessionId,
        { content: 'Hello' }),
    'POST …/sessions/:session/messages, sse': (side) => session(side, 'POST', '/messages',
        { content: 'Hello', transport: 'sse' }),
    'POST …/sessions/:session/renew': (side) => session(side, 'POST', '/renew', {}),
    'POST …/sessions/:session/heartbeat': (side) => session(side, 'POST', '/heartbeat', {}),
    'PATCH …/sessions/:session/timeout': (side) => session(side, 'PATCH', '/timeout',
        { timeoutMinutes: 20 }),
    'PATCH …/sessions/:session/timeout, out of range': (side) => session(side, 'PATCH', '/timeout',
        { timeoutMinutes: 1 }),
    'sessions.listSessions': ({ api }) => api.sessions.listSessions(),
    'sessions.deleteSession': ({ api, s }) => api.sessions.deleteSession(s.sessionId),

    // poll, createAndPoll, createAndPollWithBackoff and ask are create and getJob, repeated.
    'jobs.health': ({ api }) => api.jobs.health(),
    'jobs.create, jobs.getJob': async ({ api, s }) => {
        const { jobId } = await api.jobs.create(
            { userId: user, agentId: s.agentId, content: 'Hello', metadata: { a: 1 } });
        await api.jobs.getJob(jobId);
    },
    'jobs.create without a user': ({ api }) => api.jobs.create({ content: 'Hello' }),
    'jobs.getJob of none': ({ api }) => api.jobs.getJob(nobody),
    'jobs.list': ({ api }) => api.jobs.list({ limit: 1 }),

    'media.uploadAgentMedia': ({ api, s }) => api.media.uploadAgentMedia(s.agentId,
        { file: picture(), filename: 'b.png', contentType: 'image/png' }),
    'media.uploadChannelMedia': ({ api, s }) => api.media.uploadChannelMedia(s.channel, picture()),
    'media.uploadChannelMedia of a type that is none': ({ api, s }) => api.media.uploadChannelMedia(
        s.channel, new File(['<svg/>'], 'a.svg', { type: 'image/svg+xml' })),

    'memory.createRoom': ({ api, s }) => api.memory.createRoom(s.agentId,
        { name: 'Den', metadata: { a: 1 } }),
    'memory.updateMemory': ({ api, s }) => api.memory.updateMemory(s.agentId, s.memories[0].id,
        { content: { text: 'Changed' } }),
    'memory.updateAgentInternalMemory': ({ api, s }) => api.memory.updateAgentInternalMemory(
        s.agentId, s.memories[0].id, { content: { text: 'Again' } }),
    'memory.deleteMemory': ({ api, s }) => api.memory.deleteMemory(s.agentId, s.memories[0].id),
    'memory.deleteAgentInternalMemory': ({ api, s }) => api.memory.deleteAgentInternalMemory(
        s.agentId, s.memories[1].id),
    'memory.deleteGroupMemory': ({ api, s }) => api.memory.deleteGroupMemory(s.talk, s.question.id),
    'memory.clearRoomMemories': ({ api, s }) => api.memory.clearRoomMemories(s.agentId, s.talk),
    'memory.deleteAllAgentInternalMemories': ({ api, s }) => (
        api.memory.deleteAllAgentInternalMemories(s.agentId, s.talk)),
    'memory.clearAgentMemories': ({ api, s }) => api.memory.clearAgentMemories(s.agentId),
    'memory.createWorldFromMessageServer': ({ api, s }) => api.memory.createWorldFromMessageServer(
        world, { name: 'World', worldId: world, agentIds: [s.agentId], source: 'test' }),
    'memory.clearWorldMemories': ({ api }) => api.memory.clearWorldMemories(NIL_UUID),
    'memory.deleteWorld': ({ api }) => api.memory.deleteWorld(world),
    'memory.clearGroupChat': ({ api, s }) => api.memory.clearGroupChat(s.talk),

    'messaging.deleteMessage': ({ api, s }) => api.messaging.deleteMessage(s.talk, s.reply.id),
    'messaging.clearChannelHistory': ({ api, s }) => api.messaging.clearChannelHistory(s.talk),
    'messaging.deleteChannel': ({ api, s }) => api.messaging.deleteChannel(s.channel),
    'server.clearLogs': ({ api }) => api.server.clearLogs(),
    'system.deleteGlobalLogs': ({ api }) => api.system.deleteGlobalLogs(),

    'agents.createAgent': async ({ api, s }) => {
        s.made = (await api.agents.createAgent(
            { characterJson: { name: 'Made', bio: ['A new one.'] } })).id;
    },
    'agents.updateAgent': ({ api, s }) => api.agents.updateAgent(s.made, { system: 'Be brief.' }),
    'agents.startAgent': ({ api, s }) => api.agents.startAgent(s.made),
    'agents.stopAgent': ({ api, s }) => api.agents.stopAgent(s.made),
    'agents.deleteAgent': ({ api, s }) => api.agents.deleteAgent(s.made),
    'agents.startAgent of none': ({ api }) => api.agents.startAgent(nobody),
    'agents.removeAgentFromMessageServer': ({ api, s }) => api.agents.removeAgentFromMessageServer(
        NIL_UUID, s.agentId),
};

// What is not called, and why.
export const uncalled = {
    'server.stopServer': 'it would end the real server; ours refuses it with 403',
    'system.deleteLog': 'the client itself refuses it',
    'jobs.poll': 'getJob, repeated',
    'jobs.createAndPoll': 'create and getJob, repeated',
    'jobs.createAndPollWithBackoff': 'create and getJob, repeated',
    'jobs.ask': 'create and getJob, repeated',
    'system.buildUrl': 'asks nothing', 'system.getHeaders': 'asks nothing',
};
