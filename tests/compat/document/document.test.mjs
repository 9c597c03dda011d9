// The examples of the specification document, unedited apart from URL and ids, do what it says: on
// every transport, on each of two edges and across them.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

import { rootDir, startCluster } from '../../lib/cluster.mjs';
import { until } from '../../lib/until.mjs';
import { assertExactlyOnce, assertReply, assertStreamed, converse } from './assertions.mjs';
import { findBlock, substitute } from './blocks.mjs';
import {
    MODERN_FIRST_TEXT, TRANSPORTS, modernClientCode, startMinimalClient, startModernClient,
} from './client.mjs';

const SHELL_TIMEOUT_MS = 20000;
const TEST_OPTIONS = { timeout: 300000 };

let cluster;
let clients = [];

before(async () => {
    cluster = await startCluster({ edges: 2 });
});
after(() => cluster?.stop());
afterEach(() => {
    for (const client of clients) client.stop();
    clients = [];
});

const start = (startClient, options) => {
    const client = startClient(options);
    clients.push(client);
    return client;
};

const startMinimal = async (options) => {
    const client = start(startMinimalClient, options);
    await client.event('room_joined');
    return client;
};

const assertTransport = async (client) => {
    const { engine } = client.socket.io;
    const expected = client.transport === 'polling' ? 'polling' : 'websocket';
    await until(() => engine.transport.name === expected, `the transport is ${expected}`);
};

for (const transport of Object.keys(TRANSPORTS)) {
    for (const edge of [0, 1]) {
        describe(`on edge ${edge + 1}, transport ${transport}`, TEST_OPTIONS, () => {
            const options = () => ({
                url: cluster.edges[edge].url, roomId: randomUUID(), transport,
            });

            it('the minimal client hears itself and the agent once', async () => {
                const client = await startMinimal(options());
                await assertTransport(client);
                client.send('Good morning');
                await converse(client, 'Good morning');
                assert.ok(client.hasPrinted('[SUCCESS] Connection established:'));
                assert.ok(client.hasPrinted('[SUCCESS] Message is for our room!'));
                assert.ok(client.hasPrinted('[SUCCESS] Message processing complete:'));
                assert.ok(!client.hasPrinted('[ERROR]'));
            });

            it('the modern client, which sends before it joins, does too', async () => {
                const client = start(startModernClient, options());
                const { reply } = await converse(client, MODERN_FIRST_TEXT);
                await assertTransport(client);
                const names = client.events.map(({ name, data }) => data?.id ?? name);
                assert.ok(names.indexOf('room_joined') < names.indexOf(reply.id),
                    'the reply overtook the join');
                const received = client.printed.filter(([what]) => what === 'Message received:');
                assert.equal(received.length, client.broadcasts.length);
            });

            it('an acknowledgement callback is called', async () => {
                const client = await startMinimal(options());
                client.run(`const text = 'Do you hear me?'; const messagePayload = (${
                    findBlock('3. Exact Message Format', 'javascript')})`);
                client.run(findBlock('Message Acknowledgments', 'javascript'));
                await until(() => client.hasPrinted('Message acknowledged:'), 'the callback');
                const { own } = await client.exchange('Do you hear me?');
                const [, ack] = client.printed.find(([what]) => what === 'Message acknowledged:');
                assert.equal(ack.success, true);
                assert.equal(ack.messageId, own.id);
                assert.equal(ack.clientMessageId, own.clientMessageId);
                assert.equal(ack.clientMessageId, client.run('messagePayload.payload.messageId'));
            });

            it('others are seen joining, typing and leaving, from the other edge', async () => {
                const watcher = await startMinimal(options());
                watcher.run(findBlock('Presence Tracking', 'javascript'));
                watcher.run(findBlock('Typing Indicators', 'javascript'));
                const other = await startMinimal({
                    ...options(), url: cluster.edges[1 - edge].url, roomId: watcher.roomId,
                });
                const about = (what) => until(() => watcher.hasPrinted(what), what);
                await about(`User ${other.entityId} joined room ${watcher.roomId}`);
                other.run(findBlock('Typing Indicators', 'javascript'));
                await about(`${other.entityId} is typing`);
                other.stop();
                await about(`User ${other.entityId} left room ${watcher.roomId}`);
                assert.ok(!watcher.hasPrinted(`${watcher.entityId} is typing`));
                assert.ok(!watcher.hasPrinted(`User ${watcher.entityId} joined`));
            });
        });
    }

    it(`two clients on two edges hear each other, ${transport}`, TEST_OPTIONS, async () => {
        const roomId = randomUUID();
        const [url1, url2] = cluster.edges.map(({ url }) => url);
        const minimal = await startMinimal({ url: url1, roomId, transport });
        const modern = start(startModernClient, { url: url2, roomId, transport });
        await modern.exchange(MODERN_FIRST_TEXT);
        minimal.send('Said on the first edge');
        modern.send('Said on the second edge');
        for (const client of [minimal, modern]) {
            await client.exchange(MODERN_FIRST_TEXT);
            await client.exchange('Said on the first edge');
            await client.exchange('Said on the second edge');
            assertExactlyOnce(client);
            assert.equal(client.broadcasts.length, 6);
        }
        const order = ({ broadcasts }) => broadcasts.map(({ id }) => id);
        assert.deepEqual(order(minimal), order(modern));
    });
}

describe('the other snippets', TEST_OPTIONS, () => {
    it('the debugging snippets show every event', async () => {
        const client = await startMinimal({ url: cluster.url, roomId: randomUUID() });
        client.run(findBlock('1. Verify Events', 'javascript'));
        client.send('Hello');
        await until(() => client.printed.some(([what, name]) => what === 'Event received:'
            && name === 'messageBroadcast'), 'onAny() sees the broadcast');
        await until(() => client.printed.some(([what, data]) => what === 'Event:'
            && data?.[0] === 'messageBroadcast'), 'onevent() sees the broadcast');
    });

    it('polling can be forced', async () => {
        const client = await startMinimal({ url: cluster.url, roomId: randomUUID() });
        client.run(`{ ${findBlock('4. Transport Issues', 'javascript')}
            globalThis.polling = socket; }`);
        const polling = client.run('polling');
        await until(() => polling.connected, 'connected over polling');
        assert.equal(polling.io.engine.transport.name, 'polling');
    });

    it('the modern client runs as a program of its own', async () => {
        const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-document-'));
        fs.symlinkSync(path.join(rootDir, 'tests', 'node_modules'),
            path.join(directory, 'node_modules'));
        const file = path.join(directory, 'client.mjs');
        fs.writeFileSync(file, modernClientCode({
            url: cluster.url, entityId: randomUUID(), roomId: randomUUID(),
        }));
        // The document's code expects the global crypto, which Node.js 18 hides behind a flag.
        const flags = globalThis.crypto ? [] : ['--experimental-global-webcrypto'];
        const program = spawn(process.execPath, [...flags, file],
            { stdio: ['ignore', 'pipe', 'inherit'] });
        let output = '';
        program.stdout.setEncoding('utf8').on('data', (text) => { output += text; });
        try {
            const count = () => output.split('Message received:').length - 1;
            await until(() => count() >= 2, () => `two messages are printed: ${output}`);
            assert.equal(count(), 2);
        } finally {
            program.kill('SIGKILL');
            fs.rmSync(directory, { recursive: true });
        }
    });
});

const parseEvents = (text) => text.split('\n\n').filter(Boolean).map((block) => {
    const [, name, data] = /^event: (\w+)\ndata: (.*)(\nid: [\w.]+)?$/.exec(block) ?? [];
    assert.ok(name, `not an event: ${block}`);
    return { name, data: JSON.parse(data) };
});

for (const edge of [0, 1]) {
    describe(`the curl examples on edge ${edge + 1}`, TEST_OPTIONS, () => {
        const roomId = randomUUID();

        const curl = async (heading) => {
            const command = substitute(findBlock(heading, 'bash'), {
                '/api/': `${cluster.edges[edge].url}/api/`,
                '{channelId}': roomId,
                '"..."': `"${randomUUID()}"`,
            });
            const { stdout } = await promisify(execFile)('sh', ['-c', command],
                { timeout: SHELL_TIMEOUT_MS });
            return stdout;
        };

        it('websocket: answers at once, the reply comes as a broadcast', async () => {
            const client = await startMinimal({ url: cluster.edges[1 - edge].url, roomId });
            const { success, userMessage } = JSON.parse(await curl('WebSocket Mode (Default)'));
            assert.equal(success, true);
            assert.equal(userMessage.text, 'Hello');
            const { own, reply } = await client.exchange('Hello');
            assert.equal(own.id, userMessage.id);
            assertReply(client, reply);
            assertStreamed(client, reply);
        });

        it('stream: the chunks concatenate to the text of done', async () => {
            const events = parseEvents(await curl('Stream Mode (SSE)'));
            const chunks = events.slice(1, -1).map(({ data }) => data);
            const done = events.at(-1).data;
            assert.deepEqual(events.map(({ name }) => name),
                ['user_message', ...chunks.map(() => 'chunk'), 'done']);
            assert.equal(events[0].data.text, 'Hello');
            assert.ok(events[0].data.id);
            assert.ok(chunks.length > 0);
            assert.deepEqual(chunks.map(({ index }) => index), chunks.map((_, index) => index));
            assert.equal(new Set(chunks.map(({ messageId }) => messageId)).size, 1);
            assert.equal(chunks.map(({ chunk }) => chunk).join(''), done.text);
            assert.ok(Array.isArray(done.actions));
        });

        it('stream: the JavaScript client reads it', async () => {
            const client = await startMinimal({ url: cluster.edges[edge].url, roomId });
            const code = substitute(findBlock('Stream Mode (SSE)', 'javascript'), {
                '{channelId}': roomId,
                "'...'": `'${randomUUID()}'`,
            });
            await client.run(`(async () => { ${code} })()`);
            const data = client.printed.filter(([what]) => what === 'Chunk:').map(([, d]) => d);
            const text = data.map(({ chunk }) => chunk ?? '').join('');
            assert.equal(data[0].text, 'Hello');
            assert.equal(text, data.at(-1).text);
            assert.notEqual(text, '');
        });

        it('sync: waits for the answer', async () => {
            const { success, userMessage, agentResponse } = JSON.parse(await curl('Sync Mode'));
            assert.equal(success, true);
            assert.equal(userMessage.text, 'Hello');
            assert.ok(userMessage.id);
            assert.notEqual(agentResponse.text, '');
            assert.equal(typeof agentResponse.text, 'string');
            assert.ok(Array.isArray(agentResponse.actions));
        });
    });
}
