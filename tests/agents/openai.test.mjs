// The openai runtime against a server that answers well, badly, late, or not at all.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { freePort } from '../lib/ports.mjs';
import { Late, assertInTime, inTime, until } from '../lib/until.mjs';
import { parseEvents, restOf } from '../cluster/rest.mjs';
import {
    DONE, EVENT_STREAM, USAGE, delta, event, finish, json, startModelServer, stream,
} from './model_server.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const KEY = 'sk-a-secret-of-the-tests';
const IDLE_TIMEOUT_MS = 3000;
const TIMEOUTS = [
    '--runtime-first-byte-timeout', '3s', '--runtime-idle-timeout', `${IDLE_TIMEOUT_MS}ms`,
    '--runtime-connect-timeout', '3s', '--runtime-total-timeout', '20s',
];

const UNHEARD_MAX_MS = 3000;

const clients = new Clients();
afterEach(clients.stop);

describe('a chat completions server as the runtime', TEST_OPTIONS, () => {
    let server;
    let cluster;
    let rest;

    before(async () => {
        server = await startModelServer((_, response) => stream(response, ['unused']));
        const keyFile = path.join(fs.mkdtempSync('/tmp/elizamq-key-'), 'key');
        fs.writeFileSync(keyFile, `${KEY}\n`);
        cluster = await startCluster({
            edges: 1, args: {
                bridge: [
                    '--runtime', 'openai', '--openai-url', server.url, '--openai-model', 'm-1',
                    '--openai-key-file', keyFile, '--openai-temperature', '0.5',
                    '--openai-max-tokens', '100', '--log-level', 'debug', ...TIMEOUTS,
                ],
            },
        });
        rest = restOf(cluster);
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.stop();
    });
    beforeEach(() => {
        server.requests.length = 0;
    });

    const join = async (room) => {
        const client = await clients.connect({ url: cluster.url });
        await client.join(room);
        return client;
    };

    const ask = (room, text, fields) => rest.send(room, text, { mode: 'sync', ...fields });

    const chunksOf = (client) => client.received('messageStreamChunk').map(({ chunk }) => chunk);

    const metric = async (name) => {
        const metrics = await (await fetch(`${cluster.bridge.url}/metrics`)).text();
        return Number(new RegExp(`^elizamq_bridge_runtime_${name}{runtime="openai"} (\\d+)$`, 'm')
            .exec(metrics)[1]);
    };

    const triesFailed = () => metric('tries_failed_total');

    // Resolves with the name of the failure as the one who asked over SSE gets it.
    const failureOf = async (answer) => {
        server.answer = answer;
        const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
        const last = parseEvents(await response.text()).at(-1);
        assert.equal(last.event, 'error', JSON.stringify(last));
        return last.data;
    };

    it('streams to the room, and says with whose help', async () => {
        const room = randomUUID();
        const client = await join(room);
        server.answer = (_, response) => stream(response, ['Hel', 'lo ', 'there']);
        const { messageId } = await client.send(room, 'Hi');
        const reply = await client.reply(messageId);
        assert.equal(reply.text, 'Hello there');
        assert.deepEqual(reply.metadata,
            { model: 'mock-model', finishReason: 'stop', usage: USAGE });
        assert.equal(chunksOf(client).join(''), 'Hello there');
        const [{ path: where, headers, body }] = server.requests;
        assert.equal(where, '/v1/chat/completions');
        assert.equal(headers.authorization, `Bearer ${KEY}`);
        assert.equal(body.model, 'm-1');
        assert.equal(body.stream, true);
        assert.deepEqual(body.stream_options, { include_usage: true });
        assert.equal(body.temperature, 0.5);
        assert.equal(body.max_tokens, 100);
        assert.equal(body.messages.at(0).role, 'system');
        assert.deepEqual(body.messages.at(-1), { role: 'user', content: 'Hi' });
    });

    it('answers a caller of sync', async () => {
        server.answer = (_, response) => stream(response, ['fine']);
        const { status, body } = await ask(randomUUID(), 'How are you?');
        assert.equal(status, 201);
        assert.equal(body.agentResponse.text, 'fine');
    });

    it('sees what the history of the room shows, in its order', async () => {
        const room = randomUUID();
        const messageIds = [];
        server.answer = ({ body }, response) => stream(response, [`re ${body.messages.at(-1).content}`]);
        for (const text of ['one', 'two', 'three']) {
            const { body } = await ask(room, text);
            messageIds.push(body.userMessage.id);
        }
        const expected = [
            ['user', 'one'], ['assistant', 're one'], ['user', 'two'], ['assistant', 're two'],
            ['user', 'three'],
        ];
        assert.deepEqual(server.requests.at(-1).body.messages.slice(1)
            .map(({ role, content }) => [role, content]), expected);
        const shown = (await rest.getMessages(room)).map(({ content }) => content).reverse();
        assert.deepEqual(shown.slice(0, 5), expected.map(([, text]) => text));
    });

    it('sees the answer before, even of questions that came in one burst', async () => {
        const room = randomUUID();
        const client = await join(room);
        server.answer = ({ body }, response) => stream(response, [`re ${body.messages.at(-1).content}`]);
        const ids = await Promise.all(['a', 'b', 'c'].map(async (text) => {
            const { messageId } = await client.send(room, text);
            return messageId;
        }));
        for (const id of ids) await client.reply(id);
        assert.deepEqual(server.requests.at(-1).body.messages.slice(1).map(({ content }) => content)
            .filter((text) => text.startsWith('re ')), ['re a', 're b']);
    });

    it('tells people apart where there are several', async () => {
        const room = randomUUID();
        server.answer = (_, response) => stream(response, ['yes']);
        await ask(room, 'I am first', { entityId: 'ann', senderName: 'Ann' });
        await ask(room, 'and I am second', { entityId: 'bob', senderName: 'Bob' });
        const { messages } = server.requests.at(-1).body;
        const users = messages.filter(({ role }) => role === 'user');
        assert.match(users[0].content, /^.+: I am first$/);
        assert.match(users[1].content, /^.+: and I am second$/);
    });

    it('takes an answer in one piece', async () => {
        server.answer = (_, response) => json(response, 200, {
            model: 'm', usage: USAGE,
            choices: [{ message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
        });
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'whole');
        assert.deepEqual(body.agentResponse.metadata?.usage ?? USAGE, USAGE);
    });

    it('leaves out what the server does not know', async () => {
        server.answer = ({ body }, response) => (body.stream_options
            ? json(response, 400, { error: { message: 'unknown field stream_options' } })
            : stream(response, ['fine']));
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'fine');
        server.requests.length = 0;
        await ask(randomUUID(), 'Hello');
        assert.equal(server.requests.length, 1);
    });

    it('ends without [DONE]', async () => {
        server.answer = (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(delta('fine') + finish());
        };
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'fine');
    });

    it('never splits a character, wherever the bytes are cut', async () => {
        const text = 'Grüße 😀 你好 👩‍👩‍👧';
        const room = randomUUID();
        const client = await join(room);
        server.answer = async (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            const bytes = Buffer.from([...text].map(delta).join('') + finish() + DONE);
            for (let i = 0; i < bytes.length; i += 7) {
                response.write(bytes.subarray(i, i + 7));
                await new Promise(setImmediate);
            }
            response.end();
        };
        const { messageId } = await client.send(room, 'Hi');
        assert.equal((await client.reply(messageId)).text, text);
        assert.equal(chunksOf(client).join(''), text);
    });

    it('joins the halves of a character that came in two strings', async () => {
        const room = randomUUID();
        const client = await join(room);
        server.answer = (_, response) => stream(response, ['a\ud83d', '\ude00b', 'c\ud83d']);
        const { messageId } = await client.send(room, 'Hi');
        assert.equal((await client.reply(messageId)).text, 'a😀bc\ufffd');
        assert.equal(chunksOf(client).join(''), 'a😀bc\ufffd');
    });

    it('replaces bytes that are no UTF-8', async () => {
        server.answer = (_, response) => {
            response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=iso-8859-1' });
            response.end(Buffer.from(delta('caf\u00e9') + finish() + DONE, 'latin1'));
        };
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'caf\ufffd');
    });

    it('passes a NUL that is escaped', async () => {
        server.answer = (_, response) => stream(response, ['a\u0000b']);
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'a\u0000b');
    });

    it('tries again before the first text, as late as it is asked to', async () => {
        const times = [];
        server.answer = (_, response) => {
            times.push(performance.now());
            if (times.length === 1) json(response, 429, {}, { 'Retry-After': '1' });
            else if (times.length === 2) json(response, 500, 'broken');
            else stream(response, ['fine']);
        };
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'fine');
        assert.ok(times[1] - times[0] >= 1000);
    });

    it('follows a redirect on its host, and none to another', async () => {
        server.answer = ({ path: where }, response) => (where === '/v1/chat/completions'
            ? json(response, 307, {}, { Location: '/v2/chat' }) : stream(response, ['moved']));
        const { body } = await ask(randomUUID(), 'Hello');
        assert.equal(body.agentResponse.text, 'moved');
        const elsewhere = await startModelServer((_, response) => stream(response, ['stolen']));
        const error = await failureOf((_, response) => json(response, 307, {},
            { Location: `${elsewhere.url}/chat/completions` }));
        assert.ok(error);
        assert.equal(elsewhere.requests.length, 0);
        await elsewhere.stop();
    });

    it('names what went wrong', async () => {
        const room = randomUUID();
        const client = await join(room);
        server.answer = (_, response) => json(response, 403, {});
        await client.send(room, 'Hello');
        const complete = await client.event('messageComplete');
        assert.match(JSON.stringify(complete), /agent_refused/);
        await until(() => /event=run_failed .*status 403/.test(cluster.bridge.log),
            'the log says what the server answered');
    });

    const HOSTILE = {
        'an empty answer': (_, response) => json(response, 200, ''),
        'a stream without text': (_, response) => stream(response, []),
        'no JSON': (_, response) => json(response, 200, '<html>nothing here</html>'),
        'JSON of another shape': (_, response) => json(response, 200, '[1,2]'),
        'an event that is no JSON': (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(event('{"choices":[{"delta":') + DONE);
        },
        'NULs': (_, response) => json(response, 200, '\0\0\0\0'),
        'UTF-16': (_, response) => json(response, 200, Buffer.from('{"choices":[]}', 'utf16le')
            .toString('latin1')),
        'an error in the stream': (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(event({ error: { message: 'no credit left' } }));
        },
        'a stream that is cut off': (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.write(delta('half'), () => response.destroy());
        },
        'a stream that ends too early': (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(delta('half'));
        },
        'a stream that stalls': (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.write(delta('half'));
        },
        'a text that is too long': async (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            for (let i = 0; i < 40 && !response.destroyed; i++) {
                response.write(delta('x'.repeat(50000)));
                await new Promise(setImmediate);
            }
            response.end();
        },
        'an event without end': async (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.write('data: ');
            while (!response.destroyed) {
                response.write('x'.repeat(65536));
                await new Promise((resolve) => { setTimeout(resolve, 1); });
            }
        },
        'status 401': (_, response) => json(response, 401, { error: { message: `key ${KEY}` } }),
        'status 400': (_, response) => json(response, 400, 'no'),
    };
    for (const [name, answer] of Object.entries(HOSTILE)) {
        it(`says that it failed after ${name}`, async () => {
            assert.ok(await failureOf(answer));
        });
    }

    const ENDLESS = {
        'comments': [200, ': nothing\n\n'],
        'events without text': [200, delta('')],
        'a refusal': [500, 'nothing to say\n'],
    };
    for (const [name, [status, line]] of Object.entries(ENDLESS)) {
        it(`is not all that there is while it sends ${name}, without end and as fast as it can`,
            () => inTime(async () => {
                const block = line.repeat(65536 / line.length);
                const links = await readMetric(cluster.router, 'elizamq_router_bridges_lost_total');
                let slowest = 0;
                let isOver = false;
                const failure = failureOf((_, response) => {
                    response.writeHead(status, EVENT_STREAM);
                    const fill = () => {
                        while (response.write(block));
                    };
                    response.on('drain', fill);
                    fill();
                }).finally(() => { isOver = true; });
                while (!isOver) {
                    const start = performance.now();
                    await fetch(`${cluster.bridge.url}/healthz`);
                    slowest = Math.max(slowest, performance.now() - start);
                }
                assert.ok(await failure);
                if (slowest > UNHEARD_MAX_MS) throw new Late(`answered after ${slowest} ms`);
                assert.equal(await readMetric(cluster.router,
                    'elizamq_router_bridges_lost_total'), links);
            }));
    }

    it('goes on after all that, and has told its log no secret', async () => {
        server.answer = (_, response) => stream(response, ['fine']);
        await until(async () => (await ask(randomUUID(), 'Hello')).body.agentResponse?.text
            === 'fine', 'it answers');
        assert.ok(!cluster.bridge.log.includes(KEY));
        assert.ok(!cluster.bridge.log.includes('How are you?'));
        assert.match(cluster.bridge.log, /prompt .*messages=\d+ .*tokens=\d+/);
    });

    it('waits for a server that restarts, within its tries', async () => {
        const failed = await triesFailed();
        await server.stop();
        const answer = ask(randomUUID(), 'Are you there?');
        await until(async () => await triesFailed() > failed, 'it was tried');
        await server.start();
        server.answer = (_, response) => stream(response, ['back']);
        assert.equal((await answer).body.agentResponse.text, 'back');
    });

    it('a server that fails too often is left alone, and probed until it is back', async () => {
        await server.stop();
        const answers = Array.from({ length: 4 }, () => ask(randomUUID(), 'Hello'));
        await until(async () => await metric('breaker_open') === 1, 'the breaker opens');
        const tries = await metric('tries_total');
        answers.push(ask(randomUUID(), 'I wait'));
        await server.start();
        server.answer = (_, response) => stream(response, ['back']);
        assert.equal((await answers.at(-1)).body.agentResponse.text, 'back');
        await Promise.all(answers);
        assert.equal(await metric('breaker_open'), 0);
        assert.ok(await metric('tries_total') - tries <= answers.length + 3);
    });

    it('a server that dies within its answer leaves what it said, and the next question is answered',
        async () => {
            const room = randomUUID();
            const client = await join(room);
            server.answer = async (_, response) => {
                response.writeHead(200, EVENT_STREAM);
                response.write(delta('half of '));
                await client.event('messageStreamChunk');
                await server.stop();
            };
            await client.send(room, 'Hello');
            await client.event('messageComplete');
            assert.equal(chunksOf(client).join(''), 'half of ');
            await server.start();
            server.answer = (_, response) => stream(response, ['whole']);
            const { messageId } = await client.send(room, 'Hello again');
            assert.equal((await client.reply(messageId)).text, 'whole');
        });

    it('a stop ends the request', () => inTime(async () => {
        const room = randomUUID();
        const client = await join(room);
        let closed = false;
        let begun;
        server.answer = async (_, response) => {
            response.on('close', () => { closed = true; });
            response.writeHead(200, EVENT_STREAM);
            begun = performance.now();
            response.write(delta('one'));
        };
        await client.send(room, 'Talk');
        await client.event('messageStreamChunk');
        await client.message(6, { channelId: room, action: 'stop' });
        await until(() => closed, 'its connection is closed');
        assertInTime(begun, IDLE_TIMEOUT_MS - 500, 'it was closed'); // which it would be after that
    }));
});

describe('a chat completions server that is not there', TEST_OPTIONS, () => {
    let cluster;

    before(async () => {
        cluster = await startCluster({
            edges: 1, args: {
                bridge: [
                    '--runtime', 'openai', '--openai-url', `http://127.0.0.1:${await freePort()}/v1`,
                    '--openai-model', 'm-1', '--runtime-wait', '500ms',
                ],
            },
        });
    });
    after(() => cluster?.stop());

    it('cannot be reached, also by those who were to wait until it is back', async () => {
        const { send } = restOf(cluster);
        for (let i = 0; i < 4; i++) { // the breaker opens with the fifth try, of the second question
            const { status, body } = await send(randomUUID(), 'Hello', { mode: 'sync' });
            assert.deepEqual([status, body.error?.code], [502, 'agent_unreachable']);
        }
        assert.equal(await readMetric(cluster.bridge,
            'elizamq_bridge_runtime_breaker_open{runtime="openai"}'), 1);
    });
});
