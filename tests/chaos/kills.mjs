// Kills processes of a cluster at random and starts them again, for a time.

import { pause } from '../lib/until.mjs';

// Resolves with how often each kind was killed, {edge, router, bridge}, once all are ready. Nobody
// waits for that in between: the next kill may hit a process while it starts.
export const killAtRandom = async ({ cluster, random, durationMs, intervalMs }) => {
    const { edges, router, bridge } = cluster;
    const kills = { edge: 0, router: 0, bridge: 0 };
    const away = new Set();             // killed, and not started again yet
    const strike = async () => {
        // As many edges as of the others: these are where one stands for the whole cluster.
        const kind = random.pick(['edge', 'edge', 'router', 'bridge']);
        const victim = { edge: random.pick(edges), router, bridge }[kind];
        const absenceMs = random.between(0, intervalMs);
        if (away.has(victim)) return;
        away.add(victim);
        kills[kind]++;
        await victim.kill('SIGKILL');
        await pause(absenceMs);
        victim.start();
        away.delete(victim);
    };
    const strikes = [];
    const end = performance.now() + durationMs;
    while (performance.now() < end) {
        await pause(random.between(intervalMs * 0.5, intervalMs * 1.5));
        strikes.push(strike());
    }
    await Promise.all(strikes);
    await Promise.all(cluster.processes.map((process) => process.waitReady()));
    return kills;
};
