// A server of the chat completions API whose answers a test writes:
//
//     const server = await startModelServer(async (request, response) => { … });
//     server.url, server.requests: [{path, headers, body}], server.stop(), server.restart()
//
// and what to write most: stream(response, ['Hel', 'lo']).

import http from 'node:http';

import { freePort } from '../lib/ports.mjs';

const readBody = async (request) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts).toString();
};

const parse = (text) => {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
};

export const startModelServer = async (answer) => {
    const port = await freePort();
    const state = { answer };
    const requests = [];
    let server;

    const start = () => new Promise((resolve, reject) => {
        server = http.createServer(async (request, response) => {
            const body = parse(await readBody(request));
            const seen = { path: request.url, method: request.method, headers: request.headers, body };
            requests.push(seen);
            response.on('error', () => {});
            await state.answer(seen, response);
        });
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
    });

    const stop = () => new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
    });

    await start();
    return {
        port, requests, stop, start,
        origin: `http://127.0.0.1:${port}`, url: `http://127.0.0.1:${port}/v1`,
        set answer(value) {
            state.answer = value;
        },
    };
};

export const EVENT_STREAM = { 'Content-Type': 'text/event-stream' };

export const event = (data, name = null) => `${name === null ? '' : `event: ${name}\n`}`
    + `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

export const delta = (content) => event({
    id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'mock-model',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
});

export const finish = (reason = 'stop') => event({
    id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'mock-model',
    choices: [{ index: 0, delta: {}, finish_reason: reason }],
});

export const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };

export const usage = () => event({
    id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'mock-model', choices: [],
    usage: USAGE,
});

export const DONE = event('[DONE]');

// Streams the pieces, each in a write of its own.
export const stream = async (response, pieces, between = async () => {}) => {
    response.writeHead(200, EVENT_STREAM);
    for (const piece of pieces) {
        response.write(delta(piece));
        await between();
    }
    response.end(finish() + usage() + DONE);
};

export const json = (response, status, body, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
};
