// The elizaos runtime against the sessions API as three generations of ElizaOS have it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { parseEvents, restOf } from '../cluster/rest.mjs';
import { startElizaServer } from './eliza_server.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const KEY = 'the-token-of-the-tests';
const ELIZA_ID = 'b850bc30-45f8-0041-a00a-83df46d8555d'; // as ElizaOS derives it from the name

const clients = new Clients();
afterEach(clients.stop);

for (const version of ['1.7', '1.6', '1.5']) {
    describe(`an ElizaOS ${version} as the runtime`, TEST_OPTIONS, () => {
        let server;
        let cluster;
        let rest;

        before(async () => {
            server = await startElizaServer({ version, key: KEY });
            const keyFile = path.join(fs.mkdtempSync('/tmp/elizamq-key-'), 'key');
            fs.writeFileSync(keyFile, KEY);
            cluster = await startCluster({
                edges: 1, args: {
                    bridge: [
                        '--runtime', 'elizaos', '--elizaos-url', server.origin,
                        '--elizaos-key-file', keyFile,
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

        const ask = async (room, text, fields) => {
            const { body } = await rest.send(room, text, { mode: 'sync', ...fields });
            return body.agentResponse;
        };

        it('converses in one session per room and user', async () => {
            const room = randomUUID();
            const user = randomUUID();
            assert.equal((await ask(room, 'one', { entityId: user })).text, 'You said: one');
            const { text, thought, actions } = await ask(room, 'two', { entityId: user });
            assert.deepEqual({ text, thought, actions },
                { text: 'You said: two', thought: 'hm', actions: ['REPLY'] });
            const mine = [...server.sessions.values()].filter(({ userId }) => userId === user);
            assert.equal(mine.length, 1);
            assert.equal(mine[0].agentId, ELIZA_ID);
            await ask(room, 'three', { entityId: 'not a uuid' });
            const others = [...server.sessions.values()].filter(({ userId }) => userId !== user);
            assert.equal(others.length, 1);
        });

        it('makes a session anew that a restart has ended, once', async () => {
            const room = randomUUID();
            await ask(room, 'one');
            server.forget();
            assert.equal((await ask(room, 'two')).text, 'You said: two');
            server.refuseNext(410);
            assert.equal((await ask(room, 'three')).text, 'You said: three');
        });

        it('streams to the room', async () => {
            const room = randomUUID();
            const client = await clients.connect({ url: cluster.url });
            await client.join(room);
            server.answerWith(async function* slowly(content) {
                yield 'You said: ';
                if (version === '1.7') await client.event('messageStreamChunk');
                yield content;
            });
            const { messageId } = await client.send(room, 'Hello');
            const { text } = await client.reply(messageId);
            assert.equal(text, 'You said: Hello');
            const chunks = client.received('messageStreamChunk').map(({ chunk }) => chunk);
            assert.equal(chunks.join(''), text);
            assert.ok(version !== '1.7' || chunks.length === 2);
        });

        if (version === '1.7') {
            it('says that it failed', async () => {
                server.answerWith(async function* fail() {
                    yield 'half';
                    throw new Error('the model fails');
                });
                const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
                assert.equal(parseEvents(await response.text()).at(-1).event, 'error');
            });
        }
    });
}
