// The servers that a run measures, each as processes on free loopback ports. All speak Engine.IO 4
// and Socket.IO 5 and behave alike towards the load generator: see servers/server.mjs.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { buildDir, startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { until, within } from '../lib/until.mjs';
import { installNodeServers, installRedis } from './install.mjs';

const SETPRIV = '/usr/bin/setpriv';
const START_DEADLINE_MS = 15000;
const STOP_DEADLINE_MS = 3000;

export const benchDir = path.join(buildDir, 'bench');
const logDir = path.join(benchDir, 'logs');
const running = new Set();

process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL');
});

// Spawns a process that the kernel ends with this one, even if this one is killed.
export const spawnBound = (command, args, options) => {
    const child = fs.existsSync(SETPRIV)
        ? spawn(SETPRIV, ['--pdeathsig', 'KILL', '--', command, ...args], options)
        : spawn(command, args, options);
    running.add(child);
    for (const event of ['exit', 'error']) child.once(event, () => running.delete(child));
    return child;
};

const accepts = (port) => new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
});

// Starts a process and waits until it accepts connections on `port`.
const startProcess = async (name, command, args, port) => {
    fs.mkdirSync(logDir, { recursive: true });
    const log = fs.openSync(path.join(logDir, `${name}.log`), 'a');
    const child = spawnBound(command, args, { cwd: logDir, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    const exit = new Promise((resolve) => {
        child.once('exit', resolve);
        child.once('error', resolve);
    });
    const ended = exit.then(() => { throw new Error(`${name} ended: see ${logDir}/${name}.log`); });
    ended.catch(() => {});
    await Promise.race([ended, until(() => accepts(port), `${name} listens`, START_DEADLINE_MS)]);
    const stop = async () => {
        child.kill('SIGTERM');
        await within(exit, `${name} ends`, STOP_DEADLINE_MS).catch(() => child.kill('SIGKILL'));
        await exit;
    };
    return { pid: child.pid, port, stop };
};

// What a scenario needs to know of a server: where it listens, and which processes it is.
const serverOf = (processes, ports) => ({
    ports,
    pids: processes.map(({ pid }) => pid),
    stop: () => Promise.all(processes.map((each) => each.stop())),
});

const startFloor = async (mode) => {
    const port = await freePort();
    const program = path.join(benchDir, 'floor');
    return serverOf([await startProcess(`floor-${mode}`, program, [mode, port], port)], [port]);
};

const startNode = async (name, args) => {
    const port = await freePort();
    const program = path.join(installNodeServers(benchDir), 'server.mjs');
    return startProcess(name, process.execPath, [program, '--port', port, ...args], port);
};

const startSingleNode = async (engine) => {
    const server = await startNode(`socketio-${engine}`, ['--engine', engine]);
    return serverOf([server], [server.port]);
};

const startRedisPair = async () => {
    const port = await freePort();
    const redis = await startProcess('redis', installRedis(benchDir), [
        '--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no',
    ], port);
    const nodes = [];
    for (const name of ['socketio-redis-1', 'socketio-redis-2']) {
        nodes.push(await startNode(name, ['--engine', 'ws', '--redis', port]));
    }
    return serverOf([redis, ...nodes], nodes.map((node) => node.port));
};

// Without an agent-bridge: nothing answers, so that only what clients send is measured.
const startOurs = async ({ edges }) => {
    const cluster = await startCluster({ edges, bridge: false, sharedPort: edges > 1 });
    return {
        ports: [cluster.edges[0].port],
        pids: cluster.processes.map(({ pid }) => pid),
        stop: () => cluster.stop(),
    };
};

// In the order in which they are shown. `polls`: it speaks HTTP long-polling. `foreign`: it is
// shown for comparison, and its failures are not ours.
export const servers = [
    { name: 'ours', title: 'elizamq', polls: true, start: startOurs },
    {
        name: 'uws', title: 'socket.io on µWebSockets', polls: true, foreign: true,
        start: () => startSingleNode('uws'),
    },
    {
        name: 'ws', title: 'socket.io on ws', polls: true, foreign: true,
        start: () => startSingleNode('ws'),
    },
    {
        name: 'redis', title: '2 × socket.io + Redis', polls: true, foreign: true,
        start: startRedisPair,
    },
    { name: 'floor', title: 'floor, a send each', start: () => startFloor('direct') },
    { name: 'coalesce', title: 'floor, coalescing', start: () => startFloor('coalesce') },
];
