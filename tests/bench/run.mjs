// The benchmark's runner: see usage. Started by tests/bench/run, which prepares what it needs.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { rootDir } from '../lib/cluster.mjs';
import { runLoad } from './load.mjs';
import { formatTable, judge, mergeRounds, notes } from './report.mjs';
import { figuresOf, loadOf, scenarios, titlesOf } from './scenarios.mjs';
import { benchDir, servers } from './servers.mjs';

const BUSY_LOAD_AVERAGE = 0.7;
const DESCRIPTORS_BESIDE_CLIENTS = 800;
const SHORT_SERVERS = 'ours,floor';

const usage = `usage: tests/bench/run [options]
  --short            a quick check that every delivery is exact: ${SHORT_SERVERS}, few clients
  --only NAMES       scenarios: ${scenarios.map(({ name }) => name).join(', ')}
  --servers NAMES    ${servers.map(({ name }) => name).join(', ')}
  --rounds N         repeat the whole and show medians (default 1)
  --seconds N        length of the measured windows
  --window N         messages in flight per room, in the closed loops
Prints one table and writes $BUILD/bench/result.json. Exit status 1 when ours or a floor failed or
lost or repeated a delivery; a target that is not reached is shown, and is no failure.`;

const fail = (message) => {
    process.stderr.write(`bench: ${message}\n`);
    process.exit(2);
};

const pick = (all, names, what) => names.split(',').map((name) => (
    all.find((each) => each.name === name) ?? fail(`no ${what} is called ${name}`)
));

const positive = (text, flag) => {
    const value = Number(text);
    if (text !== undefined && !(value > 0)) fail(`${flag} takes a positive number`);
    return text === undefined ? undefined : value;
};

const readOptions = () => {
    const flags = Object.fromEntries(['only', 'servers', 'rounds', 'seconds', 'window']
        .map((name) => [name, { type: 'string' }]));
    let values;
    try {
        ({ values } = parseArgs({
            options: { ...flags, short: { type: 'boolean' }, help: { type: 'boolean' } },
        }));
    } catch (error) {
        fail(error.message);
    }
    if (values.help) {
        process.stdout.write(`${usage}\n`);
        process.exit(0);
    }
    const names = values.servers ?? (values.short ? SHORT_SERVERS : undefined);
    return {
        short: values.short ?? false,
        scenarios: values.only ? pick(scenarios, values.only, 'scenario') : scenarios,
        servers: names ? pick(servers, names, 'server') : servers,
        rounds: positive(values.rounds, '--rounds') ?? 1,
        seconds: positive(values.seconds, '--seconds'),
        window: positive(values.window, '--window'),
    };
};

// Fewer sockets than asked for, when the limit on open files is low.
const fit = (load) => {
    if (!load.steps) return load;
    const limits = fs.readFileSync('/proc/self/limits', 'utf8');
    const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
        - DESCRIPTORS_BESIDE_CLIENTS;
    return { ...load, steps: load.steps.map((step) => Math.min(step, most)) };
};

// One server in one scenario: its rows, with an error when something went wrong.
const measure = async (scenario, server, options) => {
    const load = fit(loadOf(scenario, options));
    let instance;
    let result;
    let error;
    try {
        if (scenario.run) {
            result = await scenario.run(load);
        } else {
            instance = await server.start({ edges: scenario.edges ?? 1 });
            const [port] = instance.ports;
            const prepared = scenario.prepare
                ? { path: await scenario.prepare(`http://127.0.0.1:${port}`) } : {};
            result = await runLoad({ ...load, ...prepared }, instance);
        }
        error = result.error;
    } catch (failure) {
        error = failure.message;
    }
    try {
        await instance?.stop();
    } catch (failure) {
        error ||= failure.message;
    }
    const measured = result ? figuresOf(result) : [];
    return titlesOf(scenario, load).map((title, i) => ({
        scenario: scenario.name, title, server, error, result, ...measured[i],
    }));
};

const serves = (scenario, server) => !scenario.skip?.includes(server.name)
    && (scenario.only ?? server.name) === server.name && (server.polls || !scenario.load.polling);

// Every scenario goes round all servers before the next one begins, so that what else happens on
// the machine meets all of them alike.
const measureAll = async (options) => {
    const rows = [];
    for (let round = 0; round < options.rounds; round++) {
        for (const scenario of options.scenarios.filter((each) => loadOf(each, options))) {
            for (const server of options.servers.filter((each) => serves(scenario, each))) {
                process.stderr.write(`bench: ${scenario.name}, ${server.title}\n`);
                for (const row of await measure(scenario, server, options)) {
                    if (row.error) process.stderr.write(`bench: FAILED: ${row.error}\n`);
                    rows.push({ ...row, round });
                }
            }
        }
    }
    return rows;
};

const groupBy = (rows, key) => {
    const groups = new Map();
    for (const row of rows) groups.set(key(row), [...groups.get(key(row)) ?? [], row]);
    return [...groups.values()];
};

const machine = () => ({
    cpus: os.cpus().length,
    model: os.cpus()[0].model,
    kernel: os.release(),
    node: process.version,
    loadAverage: os.loadavg()[0],
});

const main = async () => {
    const options = readOptions();
    const before = machine();
    fs.mkdirSync(benchDir, { recursive: true });
    const rows = await measureAll(options);

    const groups = groupBy(rows, ({ scenario, title }) => `${scenario} ${title}`)
        .map((group) => groupBy(group, ({ server }) => server.name).map(mergeRounds));
    for (const group of groups) {
        judge(scenarios.find(({ name }) => name === group[0].scenario), group, {
            full: !options.short && !options.window,
        });
    }
    const file = path.join(benchDir, options.short ? 'result-short.json' : 'result.json');
    const plain = (row) => ({ ...row, server: row.server.name });
    fs.writeFileSync(file, JSON.stringify({
        at: new Date().toISOString(), machine: before,
        table: groups.flat().map((row) => ({ ...plain(row), result: undefined })),
        rows: rows.map(plain),
    }, null, 1));

    process.stdout.write(`\n${formatTable(groups)}\n\n`);
    process.stdout.write(`${before.cpus} × ${before.model}, Linux ${before.kernel}, `
        + `node ${before.node}; details: ${path.relative(rootDir, file)}\n`);
    for (const note of notes(groups)) process.stdout.write(`${note}\n`);
    if (before.loadAverage > BUSY_LOAD_AVERAGE) {
        process.stdout.write(`The machine was busy with something else (load `
            + `${before.loadAverage.toFixed(1)}): trust the ratios, not the figures.\n`);
    }
    const own = rows.filter(({ server }) => !server.foreign);
    const failed = own.filter(({ error }) => error).length;
    if (options.short) process.stdout.write(`${own.length - failed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 ? 1 : 0;
};

await main();
