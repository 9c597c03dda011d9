// The command-line contract that operators rely on: options, environment, exit codes, signals,
// databases that must not be touched, health and metrics.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { buildDir, startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { assertInTime, inTime, until, within } from '../lib/until.mjs';
import { request } from './raw.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const PROGRAMS = ['router', 'edge', 'agent-bridge'];
const IDLE_STOP_MS = 1000;
const INTERRUPT_STOP_MS = 2000;
const clients = new Clients();
const children = new Set();

let dir;    // everything here is written into it, and all programs start in it

before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-command-'));
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));
afterEach(() => {
    clients.stop();
    for (const child of children) child.kill('SIGKILL');
});

const environment = () => Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ELIZAMQ_')));

// A program with its output so far; `ended` resolves with {code, signal, stdout, stderr}.
const start = (program, args = [], env = {}) => {
    const child = spawn(path.join(buildDir, program), args, {
        cwd: dir, env: { ...environment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
        child[name].setEncoding('utf8').on('data', (text) => { output[name] += text; });
    }
    children.add(child);
    const ended = new Promise((resolve) => {
        child.once('close', (code, signal) => {
            children.delete(child);
            resolve({ code, signal, ...output });
        });
    });
    return { child, output, ended };
};

const run = (program, args, env) => within(start(program, args, env).ended, `${program} ends`);

// Bad usage: status 2, one line on stderr that contains the text, nothing on stdout.
const assertRefused = async (program, args, text, env) => {
    const { code, stdout, stderr } = await run(program, args, env);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('ts='));
    assert.equal(lines.length, 1, stderr);
    assert.ok(lines[0].startsWith(`${program}: `), stderr);
    assert.ok(lines[0].includes(text), `${text} in ${stderr}`);
};

// Arguments with which a program runs beside others of its kind.
const ownPorts = async (program) => ({
    router: [
        '--bind-edges', `tcp://127.0.0.1:${await freePort()}`,
        '--bind-bridges', `tcp://127.0.0.1:${await freePort()}`,
        '--http', `127.0.0.1:${await freePort()}`,
        '--store', `sqlite:${path.join(dir, `own-${await freePort()}.db`)}`,
    ],
    edge: [
        '--listen', `127.0.0.1:${await freePort()}`,
        '--router', `tcp://127.0.0.1:${await freePort()}`,
        '--peer-bind', `tcp://127.0.0.1:${await freePort()}`,
    ],
    'agent-bridge': [
        '--router', `tcp://127.0.0.1:${await freePort()}`,
        '--http', `127.0.0.1:${await freePort()}`,
    ],
}[program]);

for (const program of PROGRAMS) {
    describe(`${program}`, TEST_OPTIONS, () => {
        for (const flag of ['--help', '-h']) {
            it(`${flag} explains every option with its variable`, async () => {
                const { code, stdout, stderr } = await run(program, [flag]);
                assert.equal(code, 0);
                assert.equal(stderr, '');
                assert.match(stdout, /^Usage: /);
                const flags = [...stdout.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name]) => name);
                for (const name of ['check-config', 'log-level', 'log-format', 'version']) {
                    assert.ok(flags.includes(name), name);
                }
                for (const name of flags.filter((text) => text !== 'version')) {
                    const variable = `ELIZAMQ_${name.toUpperCase().replaceAll('-', '_')}`;
                    assert.ok(stdout.includes(variable), variable);
                }
                assert.doesNotMatch(stdout, /postgres|curve/);
                for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
            });
        }

        it('--help does not mind a broken environment or other flags', async () => {
            const { code } = await run(program, ['--nonsense', '--help'], { ELIZAMQ_HTTP: '?' });
            assert.equal(code, 0);
        });

        it('--version', async () => {
            const { code, stdout, stderr } = await run(program, ['--version']);
            assert.equal(code, 0);
            assert.equal(stderr, '');
            assert.match(stdout, new RegExp(`^${program} \\d+\\.\\d+\\.\\d+\\n$`));
        });

        it('--check-config says so and touches nothing', async () => {
            const before = fs.readdirSync(dir);
            const { code, stdout } = await run(program, ['--check-config']);
            assert.equal(code, 0);
            assert.equal(stdout, 'configuration ok\n');
            assert.deepEqual(fs.readdirSync(dir), before);
            await assertRefused(program, ['--check-config', '--log-level', 'loud'], '--log-level');
        });

        for (const [args, text] of [
            [['--nonsense'], '--nonsense'], [['--nonsense=1'], '--nonsense'],
            [['stray'], 'unexpected argument'], [['-x'], 'unexpected argument'],
            [['--log-level'], 'needs a value'], [['--log-level', '--log-format'], 'needs a value'],
            [['--log-level', 'loud'], 'error, warn, info, debug'],
            [['--log-format=xml'], 'logfmt, json'], [['--bus-timeout', '5'], '--bus-timeout'],
            [['--bus-timeout', '1h'], '--bus-timeout'], [['--bus-timeout', '-1s'], '--bus-timeout'],
            [['--bus-timeout', ''], '--bus-timeout'], [['--bus-timeout', '1s\nx'], '--bus-timeout'],
            [['--', 'x'], 'unexpected argument'], [['--log-level\nx'], 'unknown option'],
        ]) {
            it(`refuses ${JSON.stringify(args.join(' '))}`,
                () => assertRefused(program, args, text));
        }

        it('reads the environment; flags win; what others read is ignored', async () => {
            await assertRefused(program, [], 'ELIZAMQ_LOG_LEVEL', { ELIZAMQ_LOG_LEVEL: 'loud' });
            const env = {
                ELIZAMQ_LOG_LEVEL: 'loud', ELIZAMQ_NOTHING_OF_OURS: 'x', ELIZAMQ_: 'x',
                ELIZAMQ_LOG_FORMAT: '',
            };
            await assertRefused(program, ['--log-level', 'debug'], 'ELIZAMQ_LOG_LEVEL', env);
            const { code } = await run(program, ['--check-config', '--log-level', 'debug'],
                { ...env, ELIZAMQ_LOG_LEVEL: 'error' });
            assert.equal(code, 0);
        });

        for (const signal of ['SIGTERM', 'SIGINT']) {
            it(`${signal} ends it at once when it has nothing to do`, () => inTime(async () => {
                const { child, output, ended } = start(program, await ownPorts(program));
                await until(() => output.stderr.includes('\n'), 'it has started');
                const begin = performance.now();
                child.kill(signal);
                const { code, stdout } = await within(ended, 'it ends');
                assert.equal(code, 0);
                assert.equal(stdout, '');
                assertInTime(begin, IDLE_STOP_MS, 'it ended');
            }));
        }

        it('logs key=value lines, or JSON', async () => {
            for (const [format, isLine] of [
                ['logfmt', (line) => /^ts=\S+ level=\w+ program=\S+ event=\w+/.test(line)],
                ['json', (line) => JSON.parse(line).event !== undefined],
            ]) {
                const { child, output, ended } = start(program,
                    [...await ownPorts(program), '--log-format', format]);
                await until(() => output.stderr.includes('\n'), 'it has started');
                child.kill('SIGTERM');
                const { stderr } = await ended;
                for (const line of stderr.trimEnd().split('\n')) assert.ok(isLine(line), line);
            }
        });
    });
}

describe('what is not there', TEST_OPTIONS, () => {
    it('a site or a media directory that cannot be one', async () => {
        const file = path.join(dir, 'a file');
        fs.writeFileSync(file, '');
        const before = fs.readdirSync(dir);
        for (const option of ['--www', '--media-dir']) {
            for (const place of [file, path.join(file, 'below')]) {
                await assertRefused('edge', ['--check-config', option, place], place);
            }
        }
        await assertRefused('edge', ['--check-config', '--www', path.join(dir, 'none')], 'none');
        for (const place of [dir, path.join(dir, 'to', 'be', 'made')]) {
            const { code } = await run('edge', ['--check-config', '--media-dir', place]);
            assert.equal(code, 0);
        }
        assert.deepEqual(fs.readdirSync(dir), before);
        fs.rmSync(file);
    });

    it('a store that is not built', async () => {
        for (const args of [[], ['--check-config']]) {
            await assertRefused('router', [...args, '--store', 'postgres://u:secret@host/db'],
                'not built');
        }
        const { stderr } = await run('router', ['--store', 'postgres://u:secret@host/db']);
        assert.ok(!stderr.includes('secret'));
    });

    for (const runtime of ['openai', 'nonsense']) {
        it(`the runtime ${runtime}`, async () => {
            for (const args of [[], ['--check-config']]) {
                await assertRefused('agent-bridge', [...args, '--runtime', runtime], runtime);
            }
        });
    }

    for (const args of [[], ['--check-config']]) {
        it(`a store without a file ${args}`, async () => {
            for (const url of ['sqlite:', 'sqlite::memory:']) {
                await assertRefused('router', [...args, '--store', url], 'sqlite:PATH');
            }
        });

        it(`a variable of ElizaOS that is no number, unless ours is set ${args}`, async () => {
            const env = { SESSION_MIN_TIMEOUT_MINUTES: 'soon' };
            await assertRefused('edge', [...await ownPorts('edge'), ...args],
                'SESSION_MIN_TIMEOUT_MINUTES', env);
            const { code } = await run('edge', ['--check-config'],
                { ...env, ELIZAMQ_API_SESSION_TIMEOUT_MIN: '1m' });
            assert.equal(code, 0);
        });

        it(`a store that is no URL ${args}`,
            () => assertRefused('router', [...args, '--store', '/a/file'], 'sqlite:'));

        it(`a directory for --www ${args}`, async () => assertRefused('edge',
            [...await ownPorts('edge'), ...args, '--www', path.join(dir, 'nowhere')], 'nowhere'));

        it(`a directory for --agents-writable ${args}`, async () => {
            const file = path.join(dir, 'one.json');
            fs.writeFileSync(file, '{"name": "One"}');
            for (const agents of [[], ['--agents', file]]) {
                await assertRefused('agent-bridge', [...await ownPorts('agent-bridge'), ...args,
                    ...agents, '--agents-writable'], '--agents-writable');
            }
            fs.rmSync(file);
        });

        it(`a session timeout within its bounds ${args}`, async () => assertRefused('edge',
            [...await ownPorts('edge'), ...args, '--api-session-timeout', '1m'],
            '--api-session-timeout'));
    }
});

describe('addresses that cannot be used', TEST_OPTIONS, () => {
    let server;
    let port;

    before(async () => {
        server = net.createServer();
        await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
        ({ port } = server.address());
    });
    after(() => server.close());

    const taken = () => [
        ['router', '--bind-edges', `tcp://127.0.0.1:${port}`],
        ['router', '--bind-bridges', `tcp://127.0.0.1:${port}`],
        ['router', '--http', `127.0.0.1:${port}`],
        ['edge', '--listen', `127.0.0.1:${port}`],
        ['edge', '--peer-bind', `tcp://127.0.0.1:${port}`],
        ['agent-bridge', '--http', `127.0.0.1:${port}`],
    ];

    it('because they are taken', async () => {
        for (const [program, flag, value] of taken()) {
            await assertRefused(program, [...await ownPorts(program), flag, value], `${port}`);
        }
    });

    it('because this host does not have them', async () => {
        for (const [program, flag, value] of taken()) {
            const args = [flag, value.replace('127.0.0.1', '192.0.2.1')];
            await assertRefused(program, [...await ownPorts(program), ...args], '192.0.2.1');
        }
    });

    for (const value of [
        'nowhere', '127.0.0.1', '127.0.0.1:99999', '127.0.0.1:x', ':', '[::1:80',
    ]) {
        it(`${value} is no address`, async () => {
            await assertRefused('edge', ['--listen', value], '--listen');
            await assertRefused('router', ['--http', value], '--http');
        });
    }

    for (const value of [
        'nowhere', 'tcp://127.0.0.1', 'http://127.0.0.1:1', 'tcp://*', 'tcp://:x',
    ]) {
        it(`${value} is no endpoint`, async () => {
            await assertRefused('edge', ['--router', value], '--router');
            await assertRefused('router', ['--bind-edges', value], '--bind-edges');
        });
    }
});

describe('databases that cannot be used', TEST_OPTIONS, () => {
    const USER_VERSION_OFFSET = 60;     // of the SQLite header, big-endian
    const hash = (file) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

    const assertUntouched = async (file, text) => {
        const before = hash(file);
        const names = fs.readdirSync(path.dirname(file));
        await assertRefused('router', [...await ownPorts('router'), '--store', `sqlite:${file}`],
            path.basename(file));
        const { stderr } = await run('router',
            [...await ownPorts('router'), '--store', `sqlite:${file}`]);
        assert.match(stderr, text);
        assert.equal(hash(file), before);
        assert.deepEqual(fs.readdirSync(path.dirname(file)), names, 'files were left behind');
    };

    // A database of ours that holds something, closed cleanly.
    const makeDatabase = async (name) => {
        const file = path.join(dir, name, 'elizamq.db');
        const { child, output, ended } = start('router',
            [...await ownPorts('router'), '--store', `sqlite:${file}`]);
        await until(() => output.stderr.includes('event=ready'), 'it is ready');
        child.kill('SIGTERM');
        assert.equal((await ended).code, 0);
        return file;
    };

    it('one that is no database', async () => {
        const file = path.join(dir, 'rubbish', 'rubbish.db');
        fs.mkdirSync(path.dirname(file));
        fs.writeFileSync(file, 'This is no database. '.repeat(1000));
        await assertUntouched(file, /not an? (SQLite )?database/i);
    });

    it('one that is damaged', async () => {
        const file = await makeDatabase('damaged');
        const bytes = fs.readFileSync(file);
        bytes.fill(0xa5, 4096, Math.min(bytes.length, 5 * 4096));
        fs.writeFileSync(file, bytes);
        await assertUntouched(file, /malformed|corrupt|damaged/i);
    });

    it('one that was cut off', async () => {
        const file = await makeDatabase('cut');
        fs.truncateSync(file, fs.statSync(file).size - 4096);
        await assertUntouched(file, /malformed|corrupt|damaged/i);
    });

    it('one of a newer version', async () => {
        const file = await makeDatabase('newer');
        const bytes = fs.readFileSync(file);
        bytes.writeUInt32BE(bytes.readUInt32BE(USER_VERSION_OFFSET) + 1, USER_VERSION_OFFSET);
        fs.writeFileSync(file, bytes);
        await assertUntouched(file, /newer/i);
    });

    it('one of another program', async () => {
        const file = await makeDatabase('foreign');
        const bytes = fs.readFileSync(file);
        bytes.writeUInt32BE(0x12345678, 68);    // application_id
        fs.writeFileSync(file, bytes);
        await assertUntouched(file, /another|other|not/i);
    });

    it('a directory', async () => {
        const file = path.join(dir, 'directory.db');
        fs.mkdirSync(file);
        await assertRefused('router', [...await ownPorts('router'), '--store', `sqlite:${file}`],
            'directory.db');
    });

    it('one where nothing can be written', async () => {
        await assertRefused('router', [...await ownPorts('router'),
            '--store', 'sqlite:/proc/nothing/here.db'], 'here.db');
    });

    it('one that another router has open', async () => {
        const file = path.join(dir, 'shared.db');
        const first = start('router', [...await ownPorts('router'), '--store', `sqlite:${file}`]);
        await until(() => first.output.stderr.includes('event=ready'), 'the first is ready');
        await assertRefused('router', [...await ownPorts('router'), '--store', `sqlite:${file}`],
            'shared.db');
        first.child.kill('SIGTERM');
        assert.equal((await first.ended).code, 0);
    });

    it('one in a directory whose parent is not there', async () => {
        await assertRefused('router', [...await ownPorts('router'),
            '--store', `sqlite:${path.join(dir, 'no', 'where', 'here.db')}`], 'here.db');
        assert.ok(!fs.existsSync(path.join(dir, 'no')));
    });

    it('the directory of one that is not there yet is made', async () => {
        const file = await makeDatabase('made');
        assert.ok(fs.existsSync(file));
    });
});

describe('a cluster', TEST_OPTIONS, () => {
    it('finds itself whatever is started first, and ends in 2 s with clients',
        () => inTime(async () => {
            const cluster = await startCluster();
            await cluster.bridge.kill();
            await Promise.all(cluster.edges.map((edge) => edge.kill()));
            await cluster.router.kill();
            const order = [cluster.bridge, cluster.edges[1], cluster.router, cluster.edges[0]];
            for (const process of order) {
                process.start();
                await until(async () => (await request(`${process.url}/healthz`).catch(() => ({})))
                    .status === 200, `${process.name} is alive`);
            }
            for (const process of order) await process.waitReady();
            for (const transport of ['polling', 'websocket', 'upgrade']) {
                for (const { url } of cluster.edges) {
                    const client = await clients.connect({ url, transport });
                    await client.join('a room');
                    await client.send('a room', 'Hello');
                }
            }
            const begin = performance.now();
            const outcomes = await Promise.all(order.map((process) => process.kill('SIGINT')));
            const end = performance.now();
            for (const outcome of outcomes) assert.deepEqual(outcome, { code: 0, signal: null });
            await cluster.stop();
            clients.stop();
            assertInTime(begin, INTERRUPT_STOP_MS, 'it ended', end);
        }));

    it('ends in 2 s at a second SIGTERM, too', () => inTime(async () => {
        const cluster = await startCluster({ edges: 1 });
        const client = await clients.connect({ url: cluster.url, transport: 'polling' });
        await client.join('a room');
        const [edge] = cluster.edges;
        const gone = edge.kill('SIGTERM');
        // The kernel makes one of two signals that nobody has looked at yet.
        await until(async () => !await edge.isReady(), 'the edge drains');
        const begin = performance.now();
        edge.signal('SIGTERM');
        assert.deepEqual(await gone, { code: 0, signal: null });
        const end = performance.now();
        await cluster.stop();
        clients.stop();
        assertInTime(begin, INTERRUPT_STOP_MS, 'it ended', end);
    }));

    describe('answers operators', () => {
        let cluster;
        before(async () => { cluster = await startCluster(); });
        after(() => {
            clients.stop();
            return cluster?.stop();
        });

        const get = (process, name, options) => request(`${process.url}${name}`, options);

        it('/healthz and /readyz on every process', async () => {
            for (const process of cluster.processes) {
                for (const name of ['/healthz', '/readyz']) {
                    assert.equal((await get(process, name)).status, 200);
                    const head = await get(process, name, { method: 'HEAD' });
                    assert.equal(head.status, 200);
                    assert.equal(head.body, '');
                    const post = await get(process, name, { method: 'POST' });
                    assert.equal(post.status, 405);
                    assert.equal(post.headers.allow, 'GET, HEAD');
                }
                assert.equal((await get(process, '/nothing')).status, 404);
            }
        });

        it('the client as a module, which a page of another site may import', async () => {
            const { status, headers } = await get(cluster.edges[0],
                '/socket.io/socket.io.esm.min.js', { headers: { Origin: 'http://page.example' } });
            assert.equal(status, 200);
            assert.match(headers['content-type'], /^text\/javascript/);
            assert.equal(headers['access-control-allow-origin'], 'http://page.example');
            assert.equal(headers.vary, 'Origin');
        });

        it('the API with answers that nobody keeps', async () => {
            for (const [path, expected] of [['message-servers', 200], ['nothing', 404]]) {
                const { status, headers } = await get(cluster.edges[0], `/api/messaging/${path}`);
                assert.equal(status, expected);
                assert.equal(headers['cache-control'], 'no-store');
            }
        });

        it('/metrics on every process is Prometheus text', async () => {
            const client = await clients.connect({ url: cluster.url });
            await client.join('metrics');
            const { messageId } = await client.send('metrics', 'Hello');
            await client.reply(messageId);
            for (const process of cluster.processes) {
                const { status, headers, body } = await get(process, '/metrics');
                assert.equal(status, 200);
                assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
                const series = parseMetrics(body);
                assert.ok(series.size > 3);
                for (const name of series.keys()) assert.match(name, /^(elizamq_[a-z]+|process)_/);
            }
            const edge = parseMetrics((await get(cluster.edges[0], '/metrics')).body);
            assert.equal(edge.get('elizamq_edge_websockets'), 1);
            assert.equal(edge.get('elizamq_edge_sends_total'), 1);
            const router = parseMetrics((await get(cluster.router, '/metrics')).body);
            assert.equal(router.get('elizamq_router_edges'), 2);
            assert.equal(router.get('elizamq_router_bridges'), 1);
        });
    });
});

// Name and labels of each sample with its value. Fails on what is no Prometheus text.
const parseMetrics = (text) => {
    const types = new Map();
    const helped = new Set();
    const series = new Map();
    assert.ok(text.endsWith('\n'));
    for (const line of text.slice(0, -1).split('\n')) {
        const help = /^# HELP ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
        const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line);
        const sample = /^([a-zA-Z_:][\w:]*)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)$/
            .exec(line);
        if (help) {
            assert.ok(!helped.has(help[1]), `${help[1]} is explained twice`);
            helped.add(help[1]);
        } else if (type) {
            assert.ok(!types.has(type[1]), `${type[1]} has two types`);
            types.set(type[1], type[2]);
        } else {
            assert.ok(sample, line);
            const family = sample[1].replace(/_(bucket|sum|count)$/, '');
            const kind = types.get(sample[1]) ?? types.get(family);
            assert.ok(kind, `${sample[1]} has a type`);
            assert.ok(kind !== 'counter' || sample[1].endsWith('_total'), sample[1]);
            const key = sample[1] + (sample[2] ?? '');
            assert.ok(!series.has(key), `${key} is there twice`);
            assert.ok(Number.isFinite(Number(sample[3])) || sample[3] === '+Inf', line);
            series.set(key, Number(sample[3]));
        }
    }
    return series;
};
