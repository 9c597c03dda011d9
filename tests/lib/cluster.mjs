// A real cluster for tests: router, agent-bridge and edges as processes on free loopback ports,
// with their data in a temporary directory and their logs under build/test-logs/.
//
//     const cluster = await startCluster({ edges: 2 });
//     after(() => cluster.stop());
//     io(cluster.edges[0].url) …
//
// The programs are taken from $BUILD (default: build/ in the project's root). None of them
// survives the test process, however it ends.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from './ports.mjs';
import { until, within } from './until.mjs';

const START_DEADLINE_MS = 60000;
const KILL_DEADLINE_MS = 60000;
const STOP_DEADLINE_MS = 30000;
const PROBE_TIMEOUT_MS = 5000;
const PROBES_PER_SHARED_EDGE = 8;
const LOG_LINES_IN_ERRORS = 15;
const SETPRIV = '/usr/bin/setpriv';

export const rootDir = fileURLToPath(new URL('../../', import.meta.url));
export const buildDir = path.resolve(rootDir, process.env.BUILD ?? 'build');

const running = new Set();
const dataDirs = new Set();
let clusters = 0;

const cleanUp = () => {
    for (const child of running) child.kill('SIGKILL');
    for (const dir of dataDirs) fs.rmSync(dir, { recursive: true, force: true });
};
process.on('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
        cleanUp();
        process.kill(process.pid, signal);
    });
}

// Each request on a connection of its own: behind a shared port it may reach another edge.
const statusOf = (url) => new Promise((resolve) => {
    const request = http.get(url, { agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
        response.resume();
        resolve(response.statusCode);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
});

// How many sockets listen on a port; each process that shares it has its own.
const countListeners = (port) => {
    const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const LISTEN = '0A';
    return fs.readFileSync('/proc/net/tcp', 'utf8').split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, address, , state]) => address?.endsWith(local) && state === LISTEN).length;
};

// One process of a cluster. `url` answers /healthz, /readyz and /metrics.
class ClusterProcess {
    #file;
    #logFile;
    #env;
    #within;
    #lastSignal = null;
    #exit = null;

    constructor({
        program, name, args, port, logDir, env, host = '127.0.0.1', within: command = [],
    }) {
        this.name = name;
        this.args = args;
        this.port = port;
        this.url = `http://${host}:${port}`;
        this.proc = null;
        this.#within = command;
        this.#file = path.join(buildDir, program);
        this.#logFile = path.join(logDir, `${name}.log`);
        this.#env = env;
        fs.writeFileSync(this.#logFile, '');
    }

    get pid() {
        return this.proc?.pid;
    }

    get isRunning() {
        return running.has(this.proc);
    }

    get log() {
        return fs.readFileSync(this.#logFile, 'utf8');
    }

    // Starts it without waiting until it is ready.
    start() {
        if (!fs.existsSync(this.#file)) {
            throw new Error(`${this.#file} does not exist: build it first`);
        }
        // The kernel ends the process with its parent, even if that is killed.
        const command = [
            ...fs.existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : [],
            ...this.#within, this.#file,
        ];
        const log = fs.openSync(this.#logFile, 'a');
        const child = spawn(command[0], [...command.slice(1), ...this.args], {
            cwd: rootDir, env: this.#env, stdio: ['ignore', log, log],
        });
        fs.closeSync(log);
        this.proc = child;
        this.#lastSignal = null;
        running.add(child);
        this.#exit = new Promise((resolve) => {
            const end = (code, signal) => {
                running.delete(child);
                resolve({ code, signal });
            };
            child.once('exit', end);
            child.once('error', () => end(127, null));
        });
    }

    async isReady() {
        return await statusOf(`${this.url}/readyz`) === 200;
    }

    async waitReady() {
        await this.waitFor(() => this.isReady(), 'it is ready', START_DEADLINE_MS);
    }

    // Like until(), but fails at once when the process ends.
    async waitFor(condition, what, deadlineMs) {
        const ended = this.#exit.then(() => { throw this.#failure('ended'); });
        ended.catch(() => {});
        const report = () => this.#failure(what).message;
        await Promise.race([ended, until(condition, report, deadlineMs)]);
    }

    // Sends a signal that does not end it, such as SIGSTOP.
    signal(signal) {
        this.proc.kill(signal);
    }

    // Resolves with {code, signal} once it has ended.
    async kill(signal = 'SIGTERM') {
        if (this.isRunning) {
            this.#lastSignal = signal;
            this.proc.kill(signal);
        }
        try {
            return await within(this.#exit, `${this.name} ends on ${signal}`,
                signal === 'SIGTERM' ? KILL_DEADLINE_MS : STOP_DEADLINE_MS);
        } catch (error) {
            this.proc.kill('SIGKILL');
            throw error;
        }
    }

    // Ends it, if it runs, and starts it again with the same arguments; resolves when it is ready.
    async restart(signal = 'SIGTERM') {
        const outcome = await this.kill(signal);
        this.start();
        await this.waitReady();
        return outcome;
    }

    // What is wrong with the way it ended, or null. Resolves once it has ended.
    async verdict() {
        const { code, signal } = await this.#exit;
        if (code === 0 || (signal !== null && signal === this.#lastSignal)) return null;
        return this.#failure(signal ? `died of ${signal}` : `ended with status ${code}`);
    }

    #failure(what) {
        const lines = this.log.trimEnd().split('\n').slice(-LOG_LINES_IN_ERRORS);
        return new Error(`${this.name}: ${what}; end of ${this.#logFile}:\n${lines.join('\n')}`);
    }
}

class Cluster {
    #sharedPort;

    constructor({ router, bridge, edges, dataDir, sharedPort }) {
        Object.assign(this, { router, bridge, edges, dataDir });
        this.#sharedPort = sharedPort;
    }

    get processes() {
        return [this.router, this.bridge, ...this.edges].filter(Boolean);
    }

    get url() {
        return this.edges[0].url;
    }

    async start() {
        for (const process of this.processes) process.start();
        await Promise.all(this.processes.map((process) => process.waitReady()));
        if (this.#sharedPort) await this.#waitSharedPort();
    }

    // Ends every process and removes the data. Fails if a process did not leave cleanly, or had
    // ended before without being asked to.
    async stop() {
        const started = this.processes.filter(({ proc }) => proc);
        const late = [];
        await Promise.all(started.filter(({ isRunning }) => isRunning).map(
            (process) => process.kill('SIGINT').catch((error) => late.push(error))));
        const verdicts = await Promise.all(started.map((process) => process.verdict()));
        fs.rmSync(this.dataDir, { recursive: true, force: true });
        dataDirs.delete(this.dataDir);
        const errors = [...late, ...verdicts.filter(Boolean)];
        if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
    }

    // The kernel spreads connections over the edges by chance: all of them listen, and so many
    // fresh connections in a row find a ready one that hardly any edge was missed.
    async #waitSharedPort() {
        const [edge] = this.edges;
        await edge.waitFor(() => countListeners(edge.port) === this.edges.length,
            'every edge listens on the shared port', START_DEADLINE_MS);
        await edge.waitFor(async () => {
            for (let i = 0; i < this.edges.length * PROBES_PER_SHARED_EDGE; i++) {
                if (!await edge.isReady()) return false;
            }
            return true;
        }, 'every edge is ready', START_DEADLINE_MS);
    }
}

// Options:
//   edges       how many
//   bridge      whether there is an agent-bridge
//   sharedPort  all edges on one port
//   args        further arguments: {router: [], bridge: [], edge: []}, the last also (index) => []
//   env         further environment of all processes
//   places      (index) => {host, within}: the address that an edge listens on, and the command
//               that its program is run by
// Resolves with {router, bridge, edges, processes, url, dataDir, stop()} once all are ready.
export const startCluster = async ({
    edges: edgeCount = 2, bridge: hasBridge = true, sharedPort = false, args = {}, env = {},
    places = () => ({}),
} = {}) => {
    const test = path.basename(process.argv[1] ?? 'node').replace(/(\.test)?\.m?js$/, '');
    const logDir = path.join(buildDir, 'test-logs', `${test}-${++clusters}`);
    fs.mkdirSync(logDir, { recursive: true });
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-test-'));
    dataDirs.add(dataDir);

    const settings = Object.entries(process.env).filter(([key]) => !key.startsWith('ELIZAMQ_'));
    const common = { logDir, env: { ...Object.fromEntries(settings), ...env } };
    const edgesAddress = `tcp://127.0.0.1:${await freePort()}`;
    const bridgesAddress = `tcp://127.0.0.1:${await freePort()}`;

    const routerPort = await freePort();
    const router = new ClusterProcess({
        ...common, program: 'router', name: 'router', port: routerPort,
        args: [
            '--bind-edges', edgesAddress, '--bind-bridges', bridgesAddress,
            '--store', `sqlite:${path.join(dataDir, 'elizamq.db')}`,
            '--http', `127.0.0.1:${routerPort}`, ...args.router ?? [],
        ],
    });

    const bridgePort = await freePort();
    const bridge = !hasBridge ? null : new ClusterProcess({
        ...common, program: 'agent-bridge', name: 'agent-bridge', port: bridgePort,
        args: [
            '--router', bridgesAddress, '--runtime', 'eliza',
            '--http', `127.0.0.1:${bridgePort}`, ...args.bridge ?? [],
        ],
    });

    const edges = [];
    const port = sharedPort ? await freePort() : null;
    for (let index = 0; index < edgeCount; index++) {
        const edgePort = port ?? await freePort();
        const place = { host: '127.0.0.1', ...places(index) };
        const edgeArgs = typeof args.edge === 'function' ? args.edge(index) : args.edge ?? [];
        edges.push(new ClusterProcess({
            ...common, ...place, program: 'edge', name: `edge-${index + 1}`, port: edgePort,
            args: [
                '--listen', `${place.host}:${edgePort}`, ...sharedPort ? ['--share-port'] : [],
                '--router', edgesAddress,
                '--peer-bind', `tcp://127.0.0.1:${await freePort()}`,
                '--api-rate-limit', 'off', ...edgeArgs,
            ],
        }));
    }

    const cluster = new Cluster({ router, bridge, edges, dataDir, sharedPort });
    try {
        await cluster.start();
    } catch (error) {
        await cluster.stop().catch(() => {});
        throw error;
    }
    return cluster;
};
