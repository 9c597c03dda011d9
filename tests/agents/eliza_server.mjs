// The sessions API of an ElizaOS server, as 1.7.2, 1.6 and 1.5 have it (shapes observed on the real
// one). Sessions live in memory and end with it.
//
//     const server = await startElizaServer({ version: '1.7' });
//     server.sessions, server.requests, server.answerWith(async function* (content) { yield … })

import { randomUUID } from 'node:crypto';

import { EVENT_STREAM, event, json, startModelServer } from './model_server.mjs';

const SESSIONS = '/api/messaging/sessions';
const CONTENT_MAX = 4000;

const failure = (response, status, code, message) => json(response, status, {
    error: { code, message, timestamp: new Date().toISOString() },
});

export const startElizaServer = async ({ version = '1.7', key = null } = {}) => {
    const sessions = new Map();
    let answer = async function* echo(content) {
        yield 'You said: ';
        yield content;
    };
    let statusOfSends = null;

    const create = ({ body }, response) => {
        if (!body.agentId || !body.userId) {
            failure(response, 400, 'VALIDATION_ERROR', 'Missing required fields: agentId, userId');
            return;
        }
        const session = {
            sessionId: randomUUID(), channelId: randomUUID(), agentId: body.agentId,
            userId: body.userId, createdAt: new Date().toISOString(), metadata: body.metadata ?? {},
        };
        sessions.set(session.sessionId, { ...session, messages: [] });
        json(response, 201, session);
    };

    const store = (session, content, isAgent) => {
        const message = {
            id: randomUUID(), content, isAgent, authorId: isAgent ? session.agentId : session.userId,
            createdAt: new Date().toISOString(), metadata: isAgent ? { thought: 'hm', actions: ['REPLY'] } : {},
        };
        session.messages.push(message);
        return message;
    };

    const whole = async (session, content) => {
        let text = '';
        for await (const piece of answer(content)) text += piece;
        return { thought: 'hm', actions: ['REPLY'], providers: [], text, simple: true };
    };

    const respond = async (session, { content, transport = 'websocket' }, response) => {
        const userMessage = store(session, content, false);
        if (version !== '1.7') {
            setTimeout(async () => store(session, (await whole(session, content)).text, true), 50);
            const { isAgent, ...flat } = userMessage;
            json(response, 201, version === '1.5' ? flat
                : { ...flat, createdAt: Date.parse(flat.createdAt) });
        } else if (transport === 'http') {
            json(response, 201, {
                success: true, userMessage, agentResponse: await whole(session, content),
            });
        } else {
            response.writeHead(200, EVENT_STREAM);
            response.write(event({ id: userMessage.id, content }, 'user_message'));
            const messageId = randomUUID();
            let index = 0;
            let text = '';
            try {
                for await (const chunk of answer(content)) {
                    response.write(event({ messageId, chunk, index: index++ }, 'chunk'));
                    text += chunk;
                }
                response.end(event({
                    thought: 'hm', actions: ['REPLY'], providers: [], text, simple: true,
                    responseId: messageId, inReplyTo: userMessage.id,
                }, 'done'));
            } catch (error) {
                response.end(event({ error: error.message }, 'error'));
            }
        }
    };

    const send = async (session, { body }, response) => {
        if (typeof body.content !== 'string' || body.content === '') {
            failure(response, 400, 'VALIDATION_ERROR', 'Invalid content');
        } else if (body.content.length > CONTENT_MAX) {
            failure(response, 400, 'VALIDATION_ERROR', 'Content exceeds maximum length of 4000 characters');
        } else if (statusOfSends !== null) {
            failure(response, statusOfSends, 'SESSION_EXPIRED', 'Session expired');
            statusOfSends = null;
        } else {
            await respond(session, body, response);
        }
    };

    const list = (session, { path }, response) => {
        const after = Number(new URL(path, 'http://x').searchParams.get('after'));
        const messages = session.messages.filter(({ createdAt }) => Date.parse(createdAt) > after);
        json(response, 200, { messages: messages.reverse(), hasMore: false });
    };

    const server = await startModelServer(async (request, response) => {
        const [path] = request.path.split('?');
        const [id, tail] = path.slice(SESSIONS.length + 1).split('/');
        if (key !== null && request.headers['x-api-key'] !== key) {
            json(response, 401, { error: 'API key required' });
        } else if (path === SESSIONS) {
            create(request, response);
        } else if (!sessions.has(id)) {
            failure(response, 404, 'SESSION_NOT_FOUND', `Session with ID '${id}' not found`);
        } else if (tail === 'messages' && request.method === 'POST') {
            await send(sessions.get(id), request, response);
        } else {
            list(sessions.get(id), request, response);
        }
    });

    return {
        ...server, sessions, requests: server.requests,
        answerWith: (value) => { answer = value; },
        // The next send gets this status.
        refuseNext: (status) => { statusOfSends = status; },
        // As after a restart: nobody knows the sessions.
        forget: () => sessions.clear(),
    };
};
