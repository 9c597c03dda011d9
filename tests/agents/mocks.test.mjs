// The openai runtime against two mocks of that API which others wrote: each with its own idea of
// what a stream, a usage and an error look like. `tests/run test agents` installs them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { buildDir, startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { until } from '../lib/until.mjs';
import { parseEvents, restOf } from '../cluster/rest.mjs';

const KEY = 'a-key-of-the-tests';
const MODEL = 'gpt-4o-mini';
const TEXT = 'Grüße! This is what the mock has to say, in several pieces. 😀';
const packages = path.join(buildDir, 'agents-reference/node_modules');
const isInstalled = fs.existsSync(packages);

const dir = fs.mkdtempSync('/tmp/elizamq-mocks-');
after(() => fs.rmSync(dir, { recursive: true }));

const startOpenaiMockApi = async () => {
    const port = await freePort();
    const config = path.join(dir, 'mock.json'); // JSON is YAML
    const flow = (content, messages) => ({
        id: randomUUID(),
        messages: [
            { role: 'system', matcher: 'any' },
            ...messages, { role: 'user', content }, { role: 'assistant', content: TEXT },
        ],
    });
    fs.writeFileSync(config, JSON.stringify({ apiKey: KEY, port, responses: [flow('Hello', [])] }));
    const child = spawn(process.execPath, [
        path.join(packages, 'openai-mock-api/dist/cli.js'), '--config', config, '--port', `${port}`,
    ], { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}/v1`;
    await until(() => fetch(url).then(() => true, () => false), 'openai-mock-api listens');
    return { url, stop: () => child.kill() };
};

const startAimock = async () => {
    const { LLMock } = await import(path.join(packages, '@copilotkit/aimock/dist/index.js'));
    const mock = new LLMock({ port: 0, chunkSize: 7, latency: 2 });
    mock.onMessage('Hello', { content: TEXT });
    mock.onMessage('Fail', { error: { message: 'broken', type: 'server_error' }, status: 400 });
    await mock.start();
    return { url: `${mock.url}/v1`, stop: () => mock.stop() };
};

const MOCKS = { 'openai-mock-api': startOpenaiMockApi, aimock: startAimock };

for (const [name, start] of Object.entries(MOCKS)) {
    describe(`the mock ${name}`, {
        timeout: 300000, skip: !isInstalled && `no ${packages}: run tests/run test agents`,
    }, () => {
        const clients = new Clients();
        let mock;
        let cluster;
        let rest;

        before(async () => {
            mock = await start();
            const keyFile = path.join(dir, 'key');
            fs.writeFileSync(keyFile, KEY);
            cluster = await startCluster({
                edges: 1, args: {
                    bridge: [
                        '--runtime', 'openai', '--openai-url', mock.url, '--openai-model', MODEL,
                        '--openai-key-file', keyFile,
                    ],
                },
            });
            rest = restOf(cluster);
        });
        after(async () => {
            clients.stop();
            await cluster?.stop();
            await mock?.stop();
        });
        afterEach(clients.stop);

        it('converses, streamed to the room', async () => {
            const room = randomUUID();
            const client = await clients.connect({ url: cluster.url });
            await client.join(room);
            const { messageId } = await client.send(room, 'Hello');
            const { text, metadata } = await client.reply(messageId);
            assert.equal(text, TEXT);
            const chunks = client.received('messageStreamChunk').map(({ chunk }) => chunk);
            assert.equal(chunks.join(''), TEXT);
            assert.equal(metadata.finishReason, 'stop');
        });

        it('answers callers of sync and stream', async () => {
            const sync = await rest.send(randomUUID(), 'Hello', { mode: 'sync' });
            assert.equal(sync.body.agentResponse.text, TEXT);
            const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
            const events = parseEvents(await response.text());
            assert.equal(events.at(-1).data.text, TEXT);
        });

        it('says that it failed', async () => {
            const { response } = await rest.send(randomUUID(), 'Fail', { mode: 'stream' });
            assert.equal(parseEvents(await response.text()).at(-1).event, 'error');
        });
    });
}
