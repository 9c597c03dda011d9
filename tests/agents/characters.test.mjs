// Characters in files: who answers, with which runtime, through which extractor; and reloads.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { buildDir, startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from '../cluster/rest.mjs';
import { startModelServer, stream } from './model_server.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const ANN = 'aaaaaaaa-0000-4000-8000-000000000001';
const TAG = 'aaaaaaaa-0000-4000-8000-000000000002';
const DOC = 'aaaaaaaa-0000-4000-8000-000000000003';
const LATE = 'aaaaaaaa-0000-4000-8000-000000000004';

const clients = new Clients();
afterEach(clients.stop);

const newDirectory = () => fs.mkdtempSync('/tmp/elizamq-characters-');

describe('characters in a directory', TEST_OPTIONS, () => {
    const dir = newDirectory();
    let server;
    let cluster;
    let rest;

    const write = (file, character) => fs.writeFileSync(path.join(dir, file),
        typeof character === 'string' ? character : JSON.stringify(character));

    before(async () => {
        server = await startModelServer((_, response) => stream(response, ['plain']));
        write('ann.json', {
            name: 'Ann', id: ANN, system: 'Be Ann.', bio: ['Kind.'],
            settings: { secrets: { KEY: 'hidden' }, elizamq: { runtime: 'openai', model: 'ann-1' } },
        });
        write('tag.json', {
            name: 'Tag', id: TAG,
            settings: { elizamq: { runtime: 'openai', extract: 'xml-tag:text' } },
        });
        write('doc.json', { name: 'Doc', id: DOC });
        write('notes.txt', 'not a character');
        cluster = await startCluster({
            edges: 1, args: {
                bridge: [
                    '--agents', dir, '--openai-url', server.url, '--openai-model', 'm',
                ],
            },
        });
        rest = restOf(cluster);
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.stop();
        fs.rmSync(dir, { recursive: true });
    });
    beforeEach(() => {
        server.requests.length = 0;
    });

    const roomOf = async (...participants) => {
        const { body } = await rest.post('/channels', {
            name: 'a room', participantCentralUserIds: participants,
        });
        return body.data.id;
    };

    const ask = async (agent, text) => (await rest.send(await roomOf(agent), text,
        { mode: 'sync' })).body;

    const reload = async (expected) => {
        const { log } = cluster.bridge;
        cluster.bridge.signal('SIGHUP');
        await until(() => expected.test(cluster.bridge.log.slice(log.length)),
            () => `${expected} in the log: ${cluster.bridge.log.slice(log.length)}`);
    };

    it('answer with the runtime and the model of their own', async () => {
        assert.equal((await ask(ANN, 'Hello')).agentResponse.text, 'plain');
        const [{ body }] = server.requests;
        assert.equal(body.model, 'ann-1');
        assert.match(body.messages[0].content, /^Be Ann\.\n\nAbout you:\nKind\.$/);
        assert.ok((await ask(DOC, 'I am unhappy.')).agentResponse.text.length > 0);
        assert.equal(server.requests.length, 1);
    });

    it('show what their extractor lets through', async () => {
        const room = await roomOf(TAG);
        const client = await clients.connect({ url: cluster.url });
        await client.join(room);
        server.answer = (_, response) => stream(response,
            ['<response><thought>hm</thought><te', 'xt>Hello, this is', ' me.</text></response>']);
        const { messageId } = await client.send(room, 'Hi');
        const { text } = await client.reply(messageId);
        assert.equal(text, 'Hello, this is me.');
        assert.equal(client.received('messageStreamChunk').map(({ chunk }) => chunk).join(''), text);
    });

    it('come, change and go with a reload', async () => {
        assert.notEqual((await ask(LATE, 'Hello')).success, true);
        write('late.json', { name: 'Late', id: LATE, settings: { elizamq: { runtime: 'openai' } } });
        server.answer = ({ body }, response) => stream(response, [body.messages[0].content]);
        await reload(/agents_reloaded agents=4 changed=1 gone=0/);
        assert.match((await ask(LATE, 'Hello')).agentResponse.text, /^You are Late/);
        write('late.json', {
            name: 'Late', id: LATE, system: 'Be late.', settings: { elizamq: { runtime: 'openai' } },
        });
        await reload(/agents_reloaded agents=4 changed=1 gone=0/);
        assert.equal((await ask(LATE, 'Hello')).agentResponse.text, 'Be late.');
        write('late.json', '{"name": "Late"');
        await reload(/character_skipped file=\S+late\.json reason="it is no JSON from line 1 on"/);
        assert.equal((await ask(LATE, 'Hello')).agentResponse.text, 'Be late.');
        fs.rmSync(path.join(dir, 'late.json'));
        await reload(/agents_reloaded agents=3 changed=0 gone=1/);
    });

    it('finish what they were asked before they went', async () => {
        write('late.json', { name: 'Late', id: LATE, settings: { elizamq: { runtime: 'openai' } } });
        await reload(/agents_reloaded agents=4/);
        let finish;
        const reloaded = new Promise((resolve) => { finish = resolve; });
        server.answer = (_, response) => stream(response, ['one ', 'two'], () => reloaded);
        const answer = ask(LATE, 'Hello');
        await until(() => server.requests.length > 0, 'it is asked');
        fs.rmSync(path.join(dir, 'late.json'));
        await reload(/agents_reloaded agents=3/);
        finish();
        assert.equal((await answer).agentResponse.text, 'one two');
    });

    it('tell nobody their secrets', () => {
        const files = fs.readdirSync(cluster.dataDir).map((name) => path.join(cluster.dataDir, name));
        for (const file of files) {
            assert.ok(!fs.readFileSync(file).includes('hidden'), file);
        }
    });
});

describe('characters that are broken at the start', TEST_OPTIONS, () => {
    const check = (files) => {
        const dir = newDirectory();
        for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), text);
        const { status, stderr, stdout } = spawnSync(path.join(buildDir, 'agent-bridge'),
            ['--agents', dir, '--check-config'], { encoding: 'utf8' });
        fs.rmSync(dir, { recursive: true });
        return { status, stderr, stdout };
    };

    const TABLE = {
        'no JSON': ['{', 'it is no JSON from line 1 on'],
        'without a name': ['{}', 'it has no name'],
        'with an id that is none': ['{"name":"A","id":"x"}', 'its id is no UUID'],
        'with a runtime that is none': ['{"name":"A","settings":{"elizamq":{"runtime":"x"}}}',
            'the runtime x is not built'],
        'with a runtime that lacks its options':
            ['{"name":"A","settings":{"elizamq":{"runtime":"http"}}}', '--http-url is missing'],
        'with an extractor that is none': ['{"name":"A","settings":{"elizamq":{"extract":"x"}}}',
            'is no extractor'],
        'with the id of another': ['[{"name":"A"},{"name":"A"}]', 'another character has its id'],
    };
    for (const [name, [text, expected]] of Object.entries(TABLE)) {
        it(`are named: one ${name}`, () => {
            const { status, stderr } = check({ 'b.json': text, 'a.json': '{"name":"Fine"}' });
            assert.equal(status, 2);
            assert.ok(stderr.includes('b.json') && stderr.includes(expected), stderr);
        });
    }

    it('are those of a directory without any', () => {
        assert.equal(check({ 'a.txt': '{}' }).status, 2);
        assert.equal(check({ 'a.json': '{"name":"Fine"}' }).status, 0);
    });
});

describe('thousands of agents', TEST_OPTIONS, () => {
    const COUNT = 3000;
    let cluster;
    let dir;

    after(async () => {
        await cluster?.stop();
        fs.rmSync(dir, { recursive: true });
    });

    it('are registered, each answers, and a reload of all is quick', async () => {
        dir = newDirectory();
        const list = Array.from({ length: COUNT }, (_, i) => ({
            name: `Agent ${i}`, id: `bbbbbbbb-0000-4000-8000-${String(i).padStart(12, '0')}`,
            bio: Array.from({ length: 20 }, (__, line) => `Line ${line} of the life of agent ${i}.`),
        }));
        const file = path.join(dir, 'all.json');
        fs.writeFileSync(file, JSON.stringify(list));
        cluster = await startCluster({ edges: 1, args: { bridge: ['--agents', file] } });
        const rest = restOf(cluster);
        for (const index of [0, 1234, COUNT - 1]) {
            const { body } = await rest.post('/channels', {
                name: 'a room', participantCentralUserIds: [list[index].id],
            });
            const answer = await rest.send(body.data.id, 'Hello', { mode: 'sync' });
            assert.equal(answer.status, 201);
        }
        fs.writeFileSync(file, JSON.stringify(list.map((one) => ({ ...one, system: 'Be new.' }))));
        cluster.bridge.signal('SIGHUP');
        await until(() => cluster.bridge.log.includes(`agents_reloaded agents=${COUNT} `
            + `changed=${COUNT} gone=0`), 'it is reloaded');
        assert.equal(await cluster.bridge.isReady(), true);
    });
});
