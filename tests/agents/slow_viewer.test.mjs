// One viewer who takes 2 KB a second among many who take all at once.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Late, inTime, pause } from '../lib/until.mjs';
import { restOf } from '../cluster/rest.mjs';
import { EVENT_STREAM, event, startModelServer } from './model_server.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const FAST = IS_LONG ? 99 : 29;
const TOKENS = 300;
const TOKEN_BYTES = 800; // enough for what the kernel may hide to be full
const TOKENS_PER_SECOND = 100;
const SLOW_BYTES_PER_SECOND = 2000;
const TEST_OPTIONS = { timeout: 300000 };
const ROOM = 'one is slow';
const P99_MS = IS_LONG ? 250 : 1000; // what the others may notice on a machine that is shared

const clients = new Clients();
const now = () => performance.timeOrigin + performance.now();
const quantile = (values, q) => values.sort((a, b) => a - b)[Math.floor(values.length * q)];

describe(`one viewer at 2 KB/s among ${FAST} fast ones`, TEST_OPTIONS, () => {
    let server;
    let cluster;
    let proxy;
    let fast;

    before(async () => {
        // Each token begins with the time at which it was written.
        server = await startModelServer(async (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            let text = '';
            for (let i = 0; i < TOKENS; i++) {
                const token = `${now().toFixed(2)} `.padEnd(TOKEN_BYTES - 1, 'x').concat(' ');
                text += token;
                response.write(event({ chunk: token }, 'chunk'));
                await pause(1000 / TOKENS_PER_SECOND);
            }
            response.end(event({ text, actions: [] }, 'done'));
        });
        cluster = await startCluster({
            edges: 1, args: {
                bridge: ['--runtime', 'http', '--http-url', server.origin],
                edge: ['--send-buffer', '16k'],
            },
        });
        proxy = await startProxy(cluster.url);
        fast = await Promise.all(Array.from({ length: FAST }, () => viewer(cluster.url)));
    });
    after(async () => {
        clients.stop();
        await proxy?.close();
        await cluster?.stop();
        await server?.stop();
    });

    const viewer = async (url) => {
        const client = await clients.connect({ url, keep: ['messageBroadcast'] });
        const self = { client, text: '', chunks: 0, latencies: [] };
        client.socket.on('messageStreamChunk', ({ chunk, reset }) => {
            const sent = Number(chunk.slice(0, chunk.indexOf(' ')));
            self.latencies.push(now() - sent);
            self.text = reset ? chunk : self.text + chunk;
            self.chunks++;
        });
        await client.join(ROOM);
        return self;
    };

    const ask = async () => {
        for (const one of fast) Object.assign(one, { text: '', chunks: 0, latencies: [] });
        const { messageId } = await fast[0].client.send(ROOM, 'Talk');
        const replies = await Promise.all(fast.map(({ client }) => client.reply(messageId, 60000)));
        fast.forEach(({ text }, i) => assert.equal(text, replies[i].text));
        return { messageId, p99: quantile(fast.flatMap(({ latencies }) => latencies), 0.99) };
    };

    it('gets the same text in fewer pieces, and the others notice nothing',
        () => inTime(async () => {
            const alone = await ask();
            const slow = await viewer(proxy.url);
            proxy.throttle(SLOW_BYTES_PER_SECOND);
            const together = await ask();
            const held = await readMetric(cluster.edges[0], 'elizamq_edge_chunks_held_total');
            const before = slow.chunks;
            proxy.mend();
            const reply = await slow.client.reply(together.messageId, 60000);
            console.log(`# p99 of the fast: ${alone.p99.toFixed(1)} ms alone, ${
                together.p99.toFixed(1)} ms with a slow one; it had ${before} of ${
                TOKENS} chunks at the end and got ${slow.chunks} in all`);
            assert.equal(slow.text, reply.text);
            assert.equal(slow.client.socket.connected, true);
            assert.equal(reply.text, (await restOf(cluster).getMessages(ROOM))
                .find(({ id }) => id === reply.id).content);
            assert.ok(held > 0, `${held} held`);
            assert.ok(slow.chunks < TOKENS, `${slow.chunks} chunks`);
            slow.client.stop();
            const noticed = Math.max(3 * alone.p99, P99_MS);
            if (together.p99 > noticed) throw new Late(`${alone.p99} -> ${together.p99} ms`);
        }));
});
