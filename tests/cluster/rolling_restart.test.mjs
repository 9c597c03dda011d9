// `make run`: a SIGHUP to its script restarts one process after the other. Whoever talks meanwhile
// notices a reconnect at most: every send is acknowledged, nothing is lost or doubled, and nobody
// leaves or joins.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';

import { readHistory } from '../chaos/history.mjs';
import { Member } from '../chaos/member.mjs';
import { connectClient } from '../lib/chat.mjs';
import { buildDir, rootDir } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { until, within } from '../lib/until.mjs';

const EDGES = 2;
const ROOMS = 3;
const MEMBERS_PER_ROOM = 6;
const PACE_MS = 150;
// Whoever meets an edge that is about to leave tries again, and is back within the grace period.
const RECONNECTION = { reconnectionDelay: 200, reconnectionDelayMax: 1000 };
const CLIENTS = 6;
const SETPRIV = '/usr/bin/setpriv';

// The script, run as `make run` runs it.
const startScript = async (dataDir) => {
    const port = await freePort();
    const script = spawn(SETPRIV, ['--pdeathsig', 'TERM', '--', 'deploy/run-cluster'], {
        cwd: rootDir, stdio: ['ignore', 'pipe', 'pipe'],
        env: {
            ...process.env, BUILD: buildDir, EDGES: `${EDGES}`, DATA: dataDir, PORT: `${port}`,
            BUS_PORT: `${await freePort()}`, LOG_LEVEL: 'info',
        },
    });
    const out = { text: '', log: '' };
    script.stdout.on('data', (data) => { out.text += data; });
    script.stderr.on('data', (data) => { out.log += data; });
    const exited = new Promise((resolve) => {
        script.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const said = (text) => until(() => out.text.includes(text),
        () => `it says "${text}"; it said ${out.text}\n${out.log.slice(-3000)}`, 120000);
    return { script, out, exited, said, url: `http://127.0.0.1:${port}` };
};

const pidsIn = (text) => [...text.matchAll(/^(\S+(?: \d)?) +ready +pid (\d+)$/gm)]
    .map(([, name, pid]) => `${name} ${pid}`);

it('a rolling restart is not missed by anybody', { timeout: 300000 }, async (test) => {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-test-'));
    const { script, out, exited, said, url } = await startScript(dataDir);
    const members = [];
    test.after(async () => {
        for (const member of members) member.close();
        script.kill('SIGKILL');
        fs.rmSync(dataDir, { recursive: true, force: true });
    });
    await said('is running');
    const before = pidsIn(out.text);
    assert.equal(before.length, EDGES + 2);

    const transports = ['websocket', 'polling', 'upgrade'];
    const losses = [];          // when a connection ended
    for (let i = 0; i < ROOMS * MEMBERS_PER_ROOM; i++) {
        const member = new Member({
            url, name: `member-${i}`, roomId: `room-${i % ROOMS}-${script.pid}`,
            transport: transports[Math.floor(i / ROOMS) % transports.length],
            pace: () => PACE_MS, asks: () => i % 3 === 0,
            options: RECONNECTION,
        });
        member.socket.on('disconnect', (reason) => losses.push({ reason, at: performance.now() }));
        members.push(member);
    }
    await until(() => members.every(({ isMember }) => isMember), 'all have joined');
    await until(() => members.every(({ present }) => present.size === MEMBERS_PER_ROOM),
        'all know each other');
    const talking = Promise.all(members.map((member) => member.speak()));
    for (const member of members) member.presenceEvents = [];

    script.kill('SIGHUP');
    await said('elizamq: restarted');
    const spread = losses.length > 1 ? losses.at(-1).at - losses[0].at : 0;
    for (const member of members) member.stop();
    await within(talking, 'everything is acknowledged', 60000);
    await until(() => members.every(({ isSettled }) => isSettled), 'everybody is back');

    const after = pidsIn(out.text).slice(before.length);
    assert.equal(after.length, before.length);
    for (const each of after) assert.ok(!before.includes(each), `${each} is the former one`);
    for (const member of members) {
        assert.deepEqual([...member.refusals], [], `${member.name} was refused`);
        assert.equal(member.incomplete, 0);
    }
    assert.deepEqual(members.flatMap(({ name, presenceEvents }) => (
        presenceEvents.map((event) => `${name}: ${event}`))), []);
    // Each edge spreads the ends of its connections over three seconds.
    assert.ok(losses.length >= members.length);
    assert.ok(spread > 2000, `the ends were spread over ${spread} ms only`);

    const questions = (room) => members.filter(({ roomId }) => roomId === room)
        .flatMap(({ sent }) => sent.filter(({ isQuestion }) => isQuestion));
    for (const room of new Set(members.map(({ roomId }) => roomId))) {
        let history = [];
        await until(async () => {
            history = await readHistory(url, room);
            return history.filter(({ inReplyToRootMessageId: id }) => id !== null).length
                >= questions(room).length;
        }, 'every question is answered', 60000);
        const sent = members.filter(({ roomId }) => roomId === room)
            .reduce((sum, member) => sum + member.sent.length, 0);
        assert.equal(history.length, sent + questions(room).length);
        for (const member of members.filter(({ roomId }) => roomId === room)) {
            const expected = history.filter(({ seq }) => seq > member.joins[0].seq)
                .map(({ id }) => id);
            await until(() => member.stream.length >= expected.length, 'it has everything');
            assert.deepEqual(member.stream.map(({ id }) => id), expected, member.name);
        }
    }
    console.log(`rolling restart: ${members.reduce((sum, { sent }) => sum + sent.length, 0)
    } messages, ${losses.length} connections ended over ${spread.toFixed(0)} ms, recovered ${
        members.reduce((sum, { recoveries }) => sum + recoveries, 0)}, joined again ${
        members.reduce((sum, { rejoins }) => sum + rejoins, 0)}`);
    for (const member of members) member.close();
    script.kill('SIGINT');
    assert.deepEqual(await within(exited, 'it ends'), { code: 0, signal: null });
});

it('a stop amid a rolling restart leaves nobody behind', { timeout: 300000 }, async (test) => {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-test-'));
    const { script, out, exited, said, url } = await startScript(dataDir);
    test.after(() => {
        script.kill('SIGKILL');
        fs.rmSync(dataDir, { recursive: true, force: true });
    });
    await said('is running');
    const before = pidsIn(out.text).length;
    const clients = await Promise.all(
        Array.from({ length: CLIENTS }, () => connectClient({ url })));
    test.after(() => clients.forEach((client) => client.stop()));
    script.kill('SIGHUP');
    await until(() => pidsIn(out.text).length >= before + 2, 'the edges are next', 60000);
    script.kill('SIGINT');
    assert.deepEqual(await within(exited, 'it ends'), { code: 0, signal: null });
    await assert.rejects(fetch(`${url}/healthz`), 'nobody listens any more');
});
