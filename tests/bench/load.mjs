// Runs a load generator on a load of scenarios.mjs.

import path from 'node:path';

import { benchDir, spawnBound } from './servers.mjs';

const LOAD_DEADLINE_MS = 120000;

const optionsOf = ({ scenario, ...load }, { ports, pids }) => (
    scenario === 'gets' ? { ...load, port: ports[0], pids } : { scenario, ...load, ports, pids }
);

const argumentsOf = (options) => Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, `${value}`]));

// Resolves with what it printed. `server` is what servers.mjs starts, or nothing.
export const runLoad = (load, server = {}) => new Promise((resolve, reject) => {
    const program = path.join(benchDir, load.scenario === 'gets' ? 'gets' : 'load');
    const child = spawnBound(program, argumentsOf(optionsOf(load, server)), {
        stdio: ['ignore', 'pipe', 'inherit'], timeout: LOAD_DEADLINE_MS, killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk) => { output += chunk; });
    child.once('error', reject);
    child.once('close', (code, signal) => {
        try {
            resolve(JSON.parse(output));
        } catch {
            reject(new Error(`the load generator ended with ${signal ?? code}`));
        }
    });
});
