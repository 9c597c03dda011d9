// Many rooms ask at once: a server that says so many tokens a second, and what the cluster adds to
// each on its way to the one who asked.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { Late, inTime, pause, until } from '../lib/until.mjs';
import { DONE, EVENT_STREAM, delta, finish, startModelServer } from './model_server.mjs';

const IS_LONG = process.env.ELIZAMQ_LONG === '1';
const ROOMS = IS_LONG ? 200 : 50;
const TOKENS = IS_LONG ? 300 : 60;
const TOKENS_PER_SECOND = 20;
const P99_MS = IS_LONG ? 100 : 500; // of a machine that does other things too; it is printed
const START_SPREAD_MS = 1000;
const RSS_GROWTH_MAX_KIB = 24 * 1024;
const TEST_OPTIONS = { timeout: 300000 };

const clients = new Clients();

const now = () => performance.timeOrigin + performance.now();

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const rssOf = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(
    fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

describe(`${ROOMS} rooms, ${TOKENS_PER_SECOND} tokens a second each`, TEST_OPTIONS, () => {
    let server;
    let cluster;

    before(async () => {
        // Each token is the time at which it was written.
        server = await startModelServer(async (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            let left = TOKENS;
            // Those who asked together do not get their tokens together.
            await pause(Math.random() * START_SPREAD_MS);
            const timer = setInterval(() => {
                response.write(delta(`${now().toFixed(2)} `));
                if (--left === 0) {
                    clearInterval(timer);
                    response.end(finish() + DONE);
                }
            }, 1000 / TOKENS_PER_SECOND);
        });
        cluster = await startCluster({
            edges: 2, args: {
                bridge: [
                    '--runtime', 'openai', '--openai-url', server.url, '--openai-model', 'm',
                    '--credit', '256', '--agent-concurrency', '256',
                ],
            },
        });
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.stop();
    });

    it('all streams advance, little is added, memory stays', () => inTime(async () => {
        let latencies = [];
        const rooms = await Promise.all(Array.from({ length: ROOMS }, async (_, i) => {
            const client = await clients.connect({
                url: cluster.edges[i % 2].url, keep: ['messageBroadcast'],
            });
            const room = { client, name: `load ${i}`, chunks: 0, text: '' };
            client.socket.on('messageStreamChunk', ({ chunk }) => {
                const at = now();
                for (const sent of chunk.trim().split(' ')) latencies.push(at - Number(sent));
                room.chunks++;
                room.text += chunk;
            });
            await client.join(room.name);
            return room;
        }));
        const asked = await Promise.all(rooms.map(({ client, name }) => client.send(name, 'Talk')));
        await until(() => rooms.every(({ chunks }) => chunks >= 5), 'every stream has begun');
        const before = cluster.processes.map(rssOf);
        latencies = [];
        const replies = await Promise.all(rooms.map(({ client }, i) => client.reply(
            asked[i].messageId, (TOKENS / TOKENS_PER_SECOND) * 1000 + 30000)));
        const growth = cluster.processes.map((process, i) => rssOf(process) - before[i]);
        rooms.forEach(({ text }, i) => assert.equal(text, replies[i].text));
        latencies.sort((a, b) => a - b);
        const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
        console.log(`# added latency token to client: p50 ${p50.toFixed(1)} ms, p99 `
            + `${p99.toFixed(1)} ms, max ${latencies.at(-1).toFixed(1)} ms; RSS growth KiB: `
            + cluster.processes.map(({ name }, i) => `${name} ${growth[i]}`).join(', '));
        assert.ok(Math.max(...growth) <= RSS_GROWTH_MAX_KIB, `it grew by ${growth} KiB`);
        clients.stop();
        if (p99 > P99_MS) throw new Late(`p99 is ${p99} ms`);
    }));
});
