// `make run`: what cannot start says why, and at once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';

import { buildDir, rootDir } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { assertInTime, inTime, within } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const PATIENCE_MS = 10000;      // of the script with processes that are not ready

let dir;
let server;     // listens on a port that is wanted
let taken;
let free;       // none of those behind the one that is taken, which are the bus's

before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-test-'));
    server = net.createServer((socket) => socket.destroy());
    free = await freePort();
    taken = await freePort();
    await new Promise((resolve) => { server.listen(taken, '127.0.0.1', resolve); });
});
after(() => {
    server.close();
    fs.rmSync(dir, { recursive: true, force: true });
});

// The script until it ends: its status, and what it said on stderr.
const runScript = async (env) => {
    const script = spawn('deploy/run-cluster', [], {
        cwd: rootDir, stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, BUILD: buildDir, EDGES: '2', DATA: dir, ...env },
    });
    let said = '';
    script.stderr.on('data', (data) => { said += data; });
    const code = await within(new Promise((resolve) => { script.once('close', resolve); }),
        'it ends', 60000);
    return { code, said };
};

it('a port that somebody listens on is not shared with them', TEST_OPTIONS, async () => {
    const { code, said } = await runScript({ PORT: `${taken}`, BUS_PORT: `${await freePort()}` });
    assert.equal(code, 1);
    assert.equal(said, `elizamq: port ${taken} is in use; PORT= chooses another\n`);
});

it('a process that cannot start is named, and not waited for', TEST_OPTIONS,
    () => inTime(async () => {
        const start = performance.now();
        const { code, said } = await runScript({ PORT: `${free}`, BUS_PORT: `${taken}` });
        assertInTime(start, PATIENCE_MS, 'it ended');
        assert.equal(code, 1);
        assert.match(said, /^router: cannot bind tcp:\S+: Address already in use$/m);
        assert.match(said, /^elizamq: router ended$/m);
    }));

it('what the script leaves open is said by the variables of the programs', TEST_OPTIONS, async () => {
    const { code, said } = await runScript({
        PORT: `${await freePort()}`, BUS_PORT: `${await freePort()}`, ELIZAMQ_RUNTIME: 'openai',
    });
    assert.equal(code, 1);
    assert.match(said, /^agent-bridge: --openai-url is missing$/m);
    assert.match(said, /^elizamq: agent-bridge ended$/m);
});
