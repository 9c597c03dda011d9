// Replies that are written token by token: the load generator is the runtime that an agent-bridge
// asks, and all the viewers. The same without a cluster, the floor, tells what of the latency is
// the generator's own and one TCP hop's.

import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { runLoad } from './load.mjs';

const FLOOR_SECONDS = 2;
const REPLIES_AT_ONCE = '1024';

const measureFloor = async (load) => {
    const { error, latency_ms: latency } = await runLoad({
        ...load, seconds: Math.min(load.seconds, FLOOR_SECONDS), direct: true,
    });
    if (error) throw new Error(`the floor: ${error}`);
    return latency;
};

const startServer = async (port) => {
    const cluster = await startCluster({
        edges: 1, args: {
            bridge: [
                '--runtime', 'http', '--http-url', `http://127.0.0.1:${port}`,
                ...['--credit', '--agent-concurrency', '--runtime-concurrency']
                    .flatMap((flag) => [flag, REPLIES_AT_ONCE]),
            ],
        },
    });
    return {
        ports: [cluster.edges[0].port],
        pids: cluster.processes.map(({ pid }) => pid),
        stop: () => cluster.stop(),
    };
};

// Resolves with the load generator's result, and the floor's latencies in it.
export const measureStreams = async (load) => {
    const floor = await measureFloor(load);
    const port = await freePort();
    const server = await startServer(port);
    try {
        return { ...await runLoad({ ...load, 'runtime-port': port }, server), floor_ms: floor };
    } finally {
        await server.stop();
    }
};
