// The elizaos runtime against the real server of ElizaOS 1.7.2, under bun. Large to install, so
// not among the default kinds: `tests/run test elizaos`.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../../lib/chat.mjs';
import { startCluster } from '../../lib/cluster.mjs';
import { freePort } from '../../lib/ports.mjs';
import { parseEvents, restOf } from '../../cluster/rest.mjs';
import { TEXT, startReal } from './real.mjs';

const KEY = 'the-token-of-the-tests';

describe('a real ElizaOS 1.7.2 as the runtime', { timeout: 900000 }, () => {
    const dir = fs.mkdtempSync('/tmp/elizamq-elizaos-');
    const clients = new Clients();
    let port;
    let server;
    let cluster;
    let rest;

    const start = async () => {
        server = await startReal({ port, dir, env: { ELIZA_SERVER_AUTH_TOKEN: KEY } });
    };

    before(async () => {
        port = await freePort();
        await start();
        const keyFile = path.join(dir, 'key');
        fs.writeFileSync(keyFile, KEY);
        cluster = await startCluster({
            edges: 1, args: {
                bridge: [
                    '--runtime', 'elizaos', '--elizaos-url', `http://127.0.0.1:${port}`,
                    '--elizaos-key-file', keyFile, '--agent-name', 'Test',
                ],
            },
        });
        rest = restOf(cluster);
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.kill();
        fs.rmSync(dir, { recursive: true, force: true });
    });
    afterEach(clients.stop);

    const join = async (room) => {
        const client = await clients.connect({ url: cluster.url });
        await client.join(room);
        return client;
    };

    const textOf = (client) => client.received('messageStreamChunk').map(({ chunk }) => chunk)
        .join('');

    it('converses, streamed to the room', async () => {
        const room = randomUUID();
        const client = await join(room);
        for (const question of ['Hello', 'And again']) {
            client.events.length = 0;
            const { messageId } = await client.send(room, question);
            const reply = await client.reply(messageId, 30000);
            assert.equal(reply.text, TEXT);
            assert.equal(reply.senderName, 'Test');
            assert.equal(textOf(client), TEXT);
        }
        assert.ok(client.received('messageStreamChunk').length > 1);
    });

    it('answers callers of sync and stream', async () => {
        const sync = await rest.send(randomUUID(), 'Hello', { mode: 'sync' });
        assert.equal(sync.body.agentResponse.text, TEXT);
        assert.deepEqual(sync.body.agentResponse.actions, ['REPLY']);
        const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
        assert.equal(parseEvents(await response.text()).at(-1).data.text, TEXT);
    });

    it('dies within an answer, and goes on with the room when it is back', async () => {
        const room = randomUUID();
        const client = await join(room);
        await client.send(room, 'Hello');
        await client.event('messageStreamChunk', undefined, 30000);
        await server.kill();
        await client.event('messageComplete', undefined, 30000);
        assert.ok(TEXT.startsWith(textOf(client)));
        await start();
        client.events.length = 0;
        const { messageId } = await client.send(room, 'Are you back?');
        assert.equal((await client.reply(messageId, 60000)).text, TEXT);
    });
});
