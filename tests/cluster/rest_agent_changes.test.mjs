// Agents made, changed and deleted over REST, in the directory of a bridge that allows it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const SECRET = 'sk-never-shown';

let dir;
let cluster;

before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-agents-'));
    fs.writeFileSync(path.join(dir, 'first.json'), JSON.stringify({ name: 'First' }));
    fs.writeFileSync(path.join(dir, 'two.json'),
        JSON.stringify([{ name: 'Twin A' }, { name: 'Twin B' }]));
    cluster = await startCluster({ args: { bridge: ['--agents', dir, '--agents-writable'] } });
});
after(async () => {
    await cluster?.stop();
    fs.rmSync(dir, { recursive: true, force: true });
});

const call = async (method, agent, body, edge = 0) => {
    const response = await fetch(`${cluster.edges[edge].url}/api/agents${agent ? `/${agent}` : ''}`, {
        method, headers: { 'Content-Type': 'application/json' },
        body: body && JSON.stringify(body),
    });
    const text = await response.text();
    const parsed = text ? JSON.parse(text) : null;
    return { status: response.status, data: parsed?.data, error: parsed?.error };
};
const make = (characterJson) => call('POST', '', { characterJson });
const fileOf = (id) => JSON.parse(fs.readFileSync(path.join(dir, `${id}.json`), 'utf8'));
const named = async (name) => (await call('GET')).data?.agents.find((it) => it.name === name);
const ask = async (agent) => {
    const post = (place, body) => fetch(`${cluster.url}/api/messaging/channels${place}`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
    });
    const { data } = await (await post('',
        { name: 'Talk', participantCentralUserIds: [randomUUID(), agent] })).json();
    const answer = await (await post(`/${data.id}/messages`,
        { text: 'Hello', entityId: 'user', mode: 'sync' })).json();
    return answer.agentResponse.senderId;
};

describe('agents over REST, where characters may be changed', TEST_OPTIONS, () => {
    it('are made, kept in a file, and answer at once', async () => {
        const { status, data } = await make(
            { name: 'Made', bio: 'A new one.', settings: { secrets: { KEY: SECRET } } });
        assert.equal(status, 201);
        assert.equal(data.character.name, 'Made');
        assert.equal(fileOf(data.id).settings.secrets.KEY, SECRET);
        assert.ok(!JSON.stringify(data).includes(SECRET));
        assert.equal((await call('GET', data.id, undefined, 1)).data.status, 'active');
        assert.equal(await ask(data.id), data.id);
        assert.equal((await make({ name: 'Made' })).status, 409);
    });

    it('are changed as a page that shows no secrets sends them back', async () => {
        const { id } = await named('Made');
        const shown = (await call('GET', id)).data;
        const { status, data } = await call('PATCH', id,
            { ...shown, name: 'Changed', bio: ['Another.'], settings: { ...shown.settings, a: 1 } });
        assert.equal(status, 200);
        assert.deepEqual([data.id, data.name, data.bio], [id, 'Changed', ['Another.']]);
        assert.deepEqual(data.settings, { a: 1, secrets: {} });
        const kept = fileOf(id);
        assert.equal(kept.settings.secrets.KEY, SECRET);
        assert.equal(kept.status, undefined);
        assert.equal((await named('Changed')).id, id);
        assert.equal(await named('Made'), undefined);
    });

    it('are deleted for all, and can be made again', async () => {
        const { id } = await named('Changed');
        assert.equal((await call('DELETE', id)).status, 204);
        assert.equal((await call('GET', id, undefined, 1)).status, 404);
        assert.equal(fs.existsSync(path.join(dir, `${id}.json`)), false);
        assert.equal((await call('DELETE', id)).status, 404);
        await cluster.router.kill();
        cluster.router.start();
        // The bridge is there again for this router, too.
        await until(async () => (await named('First'))?.status === 'active', 'agents run');
        assert.equal(await named('Changed'), undefined);
        assert.equal((await call('POST', '', { agent: { id, name: 'Changed' } })).status, 201);
        assert.equal((await call('GET', id)).data.status, 'active');
    });

    it('stay as they are when the change is none', async () => {
        const { id } = await named('First');
        const twin = (await named('Twin A')).id;
        for (const [method, agent, body, status, code] of [
            ['POST', '', {}, 400, 'CREATE_ERROR'],
            ['POST', '', { characterPath: '/etc/passwd' }, 400, 'CREATE_ERROR'],
            ['POST', '', { characterJson: { name: 'X', id: '../x' } }, 400, 'CREATE_ERROR'],
            ['POST', '', { characterJson: { name: 'X', settings: { elizamq: { runtime: 'no' } } } },
                400, 'CREATE_ERROR'],
            ['PATCH', id, { name: '' }, 400, 'UPDATE_ERROR'],
            ['PATCH', twin, { name: 'Y' }, 403, 'READ_ONLY'],
            ['DELETE', twin, undefined, 403, 'READ_ONLY'],
            ['PATCH', randomUUID(), { name: 'Y' }, 404, 'NOT_FOUND'],
            ['PATCH', 'x', { name: 'Y' }, 400, 'INVALID_ID'],
        ]) {
            const answer = await call(method, agent, body);
            assert.deepEqual([answer.status, answer.error.code], [status, code],
                JSON.stringify([method, body]));
        }
        assert.equal((await call('GET', id)).data.name, 'First');
        assert.deepEqual(fs.readdirSync(dir).filter((name) => name.endsWith('.new')), []);
    });
});
