// Every call of the unmodified api-client, to the real server of ElizaOS 1.7.2 and to our cluster in
// the same state: our answers have all that theirs have, in the same types. Large to install, so not
// among the default kinds: `tests/run test elizaos`.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { freePort } from '../../lib/ports.mjs';
import { calls, prepare, uncalled } from './calls.mjs';
import { faults } from './faults.mjs';
import { startReal } from './real.mjs';
import { differences } from './shapes.mjs';
import { sidesOf } from './sides.mjs';

const SERVICES = ['agents', 'messaging', 'sessions', 'jobs', 'server', 'media', 'runs', 'memory',
    'system'];
const CHARACTER = { name: 'Test', bio: ['Answers tests.'], plugins: [], settings: {} };

let dir;
let real;
let cluster;
let sides;
let restore;

before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-elizaos-'));
    const agents = path.join(dir, 'agents');
    fs.mkdirSync(agents);
    fs.writeFileSync(path.join(agents, 'test.json'), JSON.stringify(CHARACTER));
    const port = await freePort();
    real = await startReal({ port, dir });
    cluster = await startCluster({
        edges: 1, args: {
            bridge: ['--agents', agents, '--agents-writable'],
            edge: ['--media-dir', path.join(dir, 'media')],
        },
    });
    ({ sides, restore } = await sidesOf([`http://127.0.0.1:${port}`, cluster.url]));
    for (const side of sides) await prepare(side);
});
after(async () => {
    restore?.();
    await cluster?.stop();
    await real?.kill();
    fs.rmSync(dir, { recursive: true, force: true });
});

// The api-client throws what a server refuses: the answer is noted by then.
const answersOf = async (side, call) => {
    side.forget();
    let error;
    try {
        await call(side);
    } catch (thrown) {
        error = thrown;
    }
    assert.ok(side.said.length > 0, error?.stack);
    if (error && error.name !== 'ApiError') throw error;
    return side.said.splice(0);
};

// An error's text stands alone in much of the messaging API of the real server, where the api-client
// does not find it; ours are always {code, message}. Its stack is nobody's business.
const isOfErrors = (status, { at }) => status >= 400 && (at === 'error' || at === 'error.stack');

const assertSame = (name, theirs, ours) => {
    const fault = faults[name] ?? {};
    const place = `${name}: ${theirs.request}`;
    const statuses = [theirs.status, ours.status];
    if ('theirs' in fault) {
        assert.deepEqual(statuses, [fault.theirs, fault.ours], place);
        return;
    }
    assert.equal(ours.status, theirs.status, `${place}: ${JSON.stringify(ours.body)}`);
    const found = differences(theirs.body, ours.body)
        .filter((difference) => !isOfErrors(ours.status, difference));
    const isExcused = ({ at }) => fault.members?.some(
        (member) => at === member || at.startsWith(`${member}.`));
    assert.deepEqual(found.filter((difference) => !isExcused(difference)), [], place);
    assert.equal(found.length > 0, 'members' in fault, `${place}: ${fault.why}`);
};

describe('our answers beside those of the real ElizaOS', { timeout: 900000 }, () => {
    for (const [name, call] of Object.entries(calls)) {
        it(name, async () => {
            const [theirs, ours] = [
                await answersOf(sides[0], call), await answersOf(sides[1], call)];
            assert.equal(ours.length >= theirs.length, true);
            theirs.forEach((answer, index) => assertSame(name, answer, ours[index]));
        });
    }

    it('no method of the api-client is forgotten, and no fault of no call named', () => {
        const named = [...Object.keys(calls), ...Object.keys(uncalled)]
            .flatMap((name) => name.split(', '));
        const methods = SERVICES.flatMap((service) => Object.getOwnPropertyNames(
            Object.getPrototypeOf(sides[1].api[service])).map((method) => `${service}.${method}`));
        assert.deepEqual(methods.filter((method) => !method.endsWith('.constructor')
            && !named.includes(method)), []);
        assert.deepEqual(Object.keys(faults).filter((name) => !(name in calls)), []);
    });
});
