// Replies that are written token by token: many rooms ask at once, a runtime says so many tokens a
// second, and each asker's chunks are counted and put together. What is measured is the way from
// the runtime to the client, and the CPU time of router, edge and agent-bridge for it.

import fs from 'node:fs';
import http from 'node:http';

import { connectClient } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { pause, until } from '../lib/until.mjs';

const TICKS_PER_SECOND = 100;
const BEGIN_DEADLINE_MS = 20000;
const END_DEADLINE_MS = 30000;

const now = () => performance.timeOrigin + performance.now();

// User and system time of a process, in seconds.
const cpuOf = (pid) => {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [utime, stime] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);
    return (Number(utime) + Number(stime)) / TICKS_PER_SECOND;
};

const cpuOfAll = (pids) => pids.map(cpuOf).reduce((sum, seconds) => sum + seconds, 0);

// A runtime for --runtime http whose tokens are the times at which they were written.
const startRuntime = ({ tokens, rate }) => new Promise((resolve) => {
    const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    const server = http.createServer((request, response) => {
        request.resume();
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        let left = tokens;
        let text = '';
        // Those who asked together do not get their tokens together.
        setTimeout(() => {
            const timer = setInterval(() => {
                const token = `${now().toFixed(2)} `;
                text += token;
                response.write(event('chunk', { chunk: token }));
                if (--left === 0) {
                    clearInterval(timer);
                    response.end(event('done', { text, actions: [] }));
                }
            }, 1000 / rate);
        }, Math.random() * 1000);
    });
    server.listen(0, '127.0.0.1', () => resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        stop: () => {
            server.close();
            server.closeAllConnections();
        },
    }));
});

const view = async (url, name, seen) => {
    const client = await connectClient({ url, keep: ['messageBroadcast'] });
    const room = { client, name, chunks: 0, text: '' };
    client.socket.on('messageStreamChunk', ({ chunk }) => {
        const at = now();
        for (const sent of chunk.trim().split(' ')) seen.latencies.push(at - Number(sent));
        room.chunks++;
        seen.chunks++;
        room.text += chunk;
    });
    await client.join(name);
    return room;
};

const quantiles = (values) => {
    const sorted = Float64Array.from(values).sort();
    const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: sorted.at(-1) };
};

const run = async (load, cluster, rooms) => {
    const seen = { chunks: 0, latencies: [] };
    for (let i = 0; i < load.clients; i++) {
        rooms.push(await view(cluster.url, `stream ${i}`, seen));
    }
    const asked = await Promise.all(rooms.map(({ client, name }) => client.send(name, 'Talk')));
    await until(() => rooms.every(({ chunks }) => chunks > 2), 'every stream has begun',
        BEGIN_DEADLINE_MS);

    const pids = cluster.processes.map(({ pid }) => pid);
    Object.assign(seen, { chunks: 0, latencies: [] });
    const [start, own, cpu] = [now(), process.cpuUsage(), cpuOfAll(pids)];
    await pause(load.seconds * 1000);
    const { user, system } = process.cpuUsage(own);
    const result = {
        scenario: 'streams', deliveries: seen.chunks, seconds: (now() - start) / 1000,
        server_cpu_seconds: cpuOfAll(pids) - cpu,
        generator_cpu_seconds: (user + system) / 1e6,
        latency_ms: quantiles(seen.latencies),
    };

    const replies = await Promise.all(rooms.map(({ client }, i) => (
        client.reply(asked[i].messageId, END_DEADLINE_MS))));
    const wrong = rooms.filter(({ text }, i) => text !== replies[i].text).length;
    return wrong === 0 ? result : { ...result, error: `${wrong} texts are not their replies'` };
};

// Resolves with a result like the load generator's.
export const measureStreams = async (load) => {
    const tokens = load.rate * (load.seconds + 4);
    const runtime = await startRuntime({ tokens, rate: load.rate });
    const rooms = [];
    let cluster;
    try {
        cluster = await startCluster({
            edges: 1, args: {
                bridge: ['--runtime', 'http', '--http-url', runtime.url, '--credit', '1024',
                    '--agent-concurrency', '1024', '--runtime-concurrency', '1024'],
            },
        });
        return await run(load, cluster, rooms);
    } finally {
        for (const { client } of rooms) client.stop();
        await cluster?.stop();
        runtime.stop();
    }
};
