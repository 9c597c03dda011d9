// compose.yaml and haproxy.cfg: that the tools take them, and that their commands make a cluster.
// There is no container engine in a test: the same commands run as processes on loopback.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { Clients, TRANSPORTS } from '../lib/chat.mjs';
import { buildDir } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { until, within } from '../lib/until.mjs';
import {
    PROGRAMS, assertFlags, assertVariables, deployFile, parseYaml, readDeployFile, run,
} from './files.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const HAPROXY = '/usr/sbin/haproxy';
const SETPRIV = '/usr/bin/setpriv';

const compose = parseYaml(readDeployFile('compose.yaml'));
const seconds = (text) => Number(/^(\d+)s$/.exec(text)[1]);
const valueOf = (command, flag) => command.find((text) => text.startsWith(`--${flag}=`))
    ?.slice(flag.length + 3);

describe('compose.yaml', TEST_OPTIONS, () => {
    it('is what docker-compose takes', async () => {
        const text = await run('docker-compose', ['-f', deployFile('compose.yaml'), 'config'],
            { env: { ...process.env, DOCKER_HOST: 'unix:///nowhere' } });
        assert.match(text, /^services:/m);
    });

    it('takes keys as a secret on top', async () => {
        const text = await run('docker-compose', ['-f', deployFile('compose.yaml'),
            '-f', deployFile('compose-keys.yaml'), 'config'],
        { env: { ...process.env, DOCKER_HOST: 'unix:///nowhere', API_KEY_FILE: '/etc/keys' } });
        const { services, secrets } = parseYaml(text);
        assert.equal(secrets.api_keys.file, '/etc/keys');
        assertVariables('edge', Object.keys(services.edge.environment));
    });

    it('gives the programs options that they have', () => {
        for (const program of PROGRAMS) {
            const [file, ...args] = compose.services[program].command;
            assert.equal(file, `elizamq-${program}`);
            assertFlags(program, args.map((text) => /^--([a-z-]+)=/.exec(text)[1]));
        }
    });

    it('publishes the balancer, and nothing of the bus', () => {
        for (const [name, service] of Object.entries(compose.services)) {
            const published = (service.ports ?? []).filter((text) => !text.startsWith('127.0.0.1'));
            assert.equal(published.length, name === 'balancer' ? 1 : 0, name);
        }
        assert.equal(compose.networks.bus.internal, true);
    });

    it('lets every program finish, restarts it, and bounds it', () => {
        for (const name of PROGRAMS) {
            const service = compose.services[name];
            const drain = valueOf(service.command, 'drain-timeout') ?? '30s';
            assert.ok(seconds(service.stop_grace_period) > seconds(drain), name);
            assert.equal(service.restart, 'unless-stopped');
            assert.ok(service.healthcheck.test.at(-1).endsWith('/readyz'));
            assert.ok(service.deploy.resources.limits.memory);
            assert.ok(service.ulimits.nofile.hard >= 1 << 20);
        }
    });
});

describe('haproxy.cfg', TEST_OPTIONS, () => {
    it('is what HAProxy takes', async () => {
        await run(HAPROXY, ['-c', '-f', deployFile('haproxy.cfg')]);
    });
});

describe('the stack as processes', TEST_OPTIONS, () => {
    const clients = new Clients();
    const children = [];
    let dir;
    let url;
    let edges;

    const start = (file, args) => {
        const child = spawn(SETPRIV, ['--pdeathsig', 'KILL', '--', file, ...args], {
            stdio: 'ignore', env: { PATH: process.env.PATH },
        });
        const ended = new Promise((resolve) => {
            child.once('exit', (code, signal) => resolve({ code, signal }));
        });
        children.push({ child, ended });
        return { child, ended };
    };

    const startProgram = (program, ports) => {
        const args = compose.services[program].command.slice(1).map((text) => text
            .replace(/\$\{\w+:-([^}]*)\}/, '$1')
            .replace(/(?:0\.0\.0\.0|router):(\d+)/,
                (_, port) => `127.0.0.1:${ports[port] ?? assert.fail(`${text} in compose.yaml`)}`)
            .replace('/var/lib/elizamq', dir));
        return start(path.join(buildDir, program), args);
    };

    before(async () => {
        dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-stack-'));
        const bus = {
            7400: await freePort(), 7401: await freePort(), 7402: await freePort(),
            7403: await freePort(),
        };
        startProgram('router', bus);
        startProgram('agent-bridge', bus);
        edges = [];
        for (let i = 0; i < 3; i++) {
            const ports = { ...bus, 3000: await freePort(), 7410: await freePort() };
            edges.push({ port: ports[3000], ...startProgram('edge', ports) });
        }
        const port = await freePort();
        const config = readDeployFile('haproxy.cfg')
            .replace(/^(\s*bind ).*$/m, `$1127.0.0.1:${port}`)
            .replace(/^(\s*)server-template .*$/m, (_, indent) => edges.map((edge, i) => (
                `${indent}server edge-${i + 1} 127.0.0.1:${edge.port}`)).join('\n'));
        fs.writeFileSync(path.join(dir, 'haproxy.cfg'), config);
        start(HAPROXY, ['-db', '-f', path.join(dir, 'haproxy.cfg')]);
        url = `http://127.0.0.1:${port}`;
        await until(async () => {
            const answers = await Promise.all([bus[7402], bus[7403], ...edges.map((e) => e.port)]
                .map((each) => fetch(`http://127.0.0.1:${each}/readyz`).catch(() => ({}))));
            return answers.every(({ status }) => status === 200);
        }, 'the programs are ready', 60000);
        await until(async () => (await fetch(`${url}/healthz`).catch(() => ({}))).ok,
            'HAProxy has found them', 60000);
    });

    after(async () => {
        clients.stop();
        for (const { child } of children) child.kill('SIGINT');
        await Promise.all(children.map(({ ended }) => ended));
        fs.rmSync(dir, { recursive: true, force: true });
    });

    for (const transport of Object.keys(TRANSPORTS)) {
        it(`serves a client on ${transport} through HAProxy`, async () => {
            const client = await clients.connect({ url, transport });
            await client.join(transport);
            const { success, messageId } = await client.send(transport, 'I am unhappy.');
            assert.equal(success, true);
            await client.reply(messageId);
        });
    }

    it('keeps /metrics for operators', async () => {
        assert.equal((await fetch(`${url}/metrics`)).status, 404);
    });

    it('has HAProxy leave out an edge that drains, while its clients move on', async () => {
        const client = await clients.connect({ url });
        await client.join('drained');
        const before = edges.map(({ child }) => child);
        before[0].kill('SIGTERM');
        assert.deepEqual(await within(edges[0].ended, 'it ends', 60000), { code: 0, signal: null });
        for (let i = 0; i < 6; i++) assert.equal((await fetch(`${url}/healthz`)).status, 200);
        await until(() => client.socket.connected, 'the client is connected');
    });
});
