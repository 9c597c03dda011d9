// Every path of the API against bodies and ids that are made to do harm: bombs of JSON, line
// breaks for headers, ways out of a directory. Each gets an answer of the API, of 2xx or 4xx, as JSON,
// with no header of the client's making; and the edge lives on, with the memory it had.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { request } from './raw.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const MARK = 'x-injected';
const RSS_GROWTH_MAX_KIB = 64 * 1024;
const BODY_MAX = 2000000;
const AT_ONCE = 16;
const ROUNDS = 2;

// :id is put in at each place in turn; the others are valid.
const ROUTES = [
    ['POST', '/channels'],
    ['PATCH', '/channels/:id'],
    ['DELETE', '/channels/:id'],
    ['GET', '/channels/:id/details'],
    ['GET', '/channels/:id/participants'],
    ['GET', '/channels/:id/presence'],
    ['GET', '/channels/:id/agents'],
    ['POST', '/channels/:id/agents'],
    ['DELETE', '/channels/:id/agents/:id'],
    ['POST', '/channels/:id/generate-title'],
    ['GET', '/dm-channel?currentUserId=:id&targetUserId=:id'],
    ['POST', '/channels/:id/messages'],
    ['GET', '/channels/:id/messages'],
    ['DELETE', '/channels/:id/messages'],
    ['GET', '/channels/:id/messages/:id'],
    ['PATCH', '/channels/:id/messages/:id'],
    ['DELETE', '/channels/:id/messages/:id'],
    ['GET', '/messages/:id'],
    ['PATCH', '/messages/:id'],
    ['POST', '/messages/search'],
    ['POST', '/submit'],
    ['POST', '/action'],
    ['PATCH', '/action/:id'],
    ['POST', '/ingest-external'],
    ['POST', '/complete'],
    ['GET', '/message-servers'],
    ['POST', '/message-servers'],
    ['DELETE', '/message-servers/:id'],
    ['GET', '/message-servers/:id/channels'],
    ['POST', '/message-servers/:id/sync-channels'],
    ['GET', '/message-servers/:id/agents'],
    ['POST', '/message-servers/:id/agents'],
    ['DELETE', '/message-servers/:id/agents/:id'],
    ['GET', '/agents/:id/message-servers'],
    ['GET', '/sessions'],
    ['POST', '/sessions'],
    ['GET', '/sessions/:id'],
    ['DELETE', '/sessions/:id'],
    ['GET', '/sessions/:id/messages'],
    ['POST', '/sessions/:id/messages'],
    ['POST', '/sessions/:id/renew'],
    ['POST', '/sessions/:id/heartbeat'],
    ['PATCH', '/sessions/:id/timeout'],
    ['GET', '/jobs'],
    ['POST', '/jobs'],
    ['GET', '/jobs/:id'],
    ['GET', '/api/agents'],
    ['POST', '/api/agents'],
    ['GET', '/api/agents/:id'],
    ['PATCH', '/api/agents/:id'],
    ['DELETE', '/api/agents/:id'],
    ['POST', '/api/agents/:id/start'],
    ['POST', '/api/agents/:id/stop'],
    ['GET', '/api/agents/:id/panels'],
    ['GET', '/api/agents/:id/runs?roomId=:id&status=:id'],
    ['GET', '/api/agents/:id/runs/:id'],
    ['GET', '/api/agents/:id/logs?type=:id'],
    ['DELETE', '/api/agents/:id/logs/:id'],
    ['POST', '/api/agents/:id/worlds'],
    ['PATCH', '/api/agents/:id/worlds/:id'],
    ['GET', '/api/memory/:id/memories?tableName=:id'],
    ['DELETE', '/api/memory/:id/memories'],
    ['PATCH', '/api/memory/:id/memories/:id'],
    ['DELETE', '/api/memory/:id/memories/:id'],
    ['DELETE', '/api/memory/:id/memories/all/:id'],
    ['GET', '/api/memory/:id/rooms'],
    ['POST', '/api/memory/:id/rooms'],
    ['GET', '/api/memory/:id/rooms/:id'],
    ['GET', '/api/memory/:id/rooms/:id/memories'],
    ['POST', '/api/memory/groups/:id'],
    ['DELETE', '/api/memory/groups/:id'],
    ['DELETE', '/api/memory/groups/:id/memories'],
    ['GET', '/api/server/logs?level=:id&agentName=:id&since=:id'],
    ['POST', '/api/server/logs'],
    ['POST', '/api/system/env/local'],
];

const IDS = {
    'a way out of a directory': '..%2f..%2f..%2fetc%2fpasswd',
    'dots': '%2e%2e',
    'a backslash': '..%5c..%5cwindows',
    'a NUL': `a%00${MARK}`,
    'a header': `a%0d%0a${MARK}:%20yes%0d%0a%0d%0abody`,
    'a line separator': `a%e2%80%a8${MARK}%c2%85`,
    'half a character': 'a%c3',
    'an overlong slash': '..%c0%af..',
    'a surrogate': '%ed%a0%80',
    'a percent sign': '%',
    'a script': '%3Cscript%3E',
    'SQL': "'%20OR%201=1;--",
    'too much': 'a'.repeat(1000),
};

const nest = (depth, open, close) => open.repeat(depth) + close.repeat(depth);
// As the value of every member that some route reads, and of one that none does.
const MEMBERS = [
    'content', 'text', 'metadata', 'userId', 'agentId', 'entityId', 'author_id', 'channel_id',
    'message_server_id', 'name', 'type', 'participantCentralUserIds', 'timeoutConfig', 'timeoutMs',
    'raw_message', 'attachments', 'messages', 'channels', 'query', 'limit', 'messageId',
    'sourceType', 'source_type', 'timeoutMinutes', 'status', 'transport', 'characterJson', 'agent',
    'settings', 'worldId', 'unknown',
];
const VALUES = {
    'nesting': nest(1000, '[', ']'),
    'nested objects': '{"a":'.repeat(1000) + '1' + '}'.repeat(1000),
    'a number without end': '1'.repeat(5000),
    'a number beyond numbers': '-1e999999',
    'a lone surrogate': '"\\ud800"',
    'a NUL': '"a\\u0000b"',
    'a header': `"a\\r\\n${MARK}: yes\\r\\n\\r\\n"`,
    'a way out': '"../../../../etc/passwd"',
    'a prototype': '{"__proto__":{"a":1},"constructor":{"prototype":{}}}',
    'a wrong type': '{"a":[1,"2",null,true]}',
    'nothing': 'null',
    'a list': '[null,1,"a",{},[]]',
};
const bodyOf = (value) => `{${MEMBERS.map((name) => `"${name}":${value}`).join(',')}}`;
const BODIES = Object.fromEntries(
    Object.entries(VALUES).map(([name, value]) => [name, bodyOf(value)]));
// To one path of each kind.
const LARGE_ROUTES = [
    ['POST', '/channels'], ['POST', '/channels/:id/messages'], ['POST', '/ingest-external'],
    ['POST', '/sessions'], ['POST', '/jobs'], ['PATCH', '/sessions/:id/timeout'],
];
const LARGE_BODIES = {
    'many members': `{${Array.from({ length: 50000 }, (_, i) => `"member${i}":0`).join(',')}}`,
    'one member many times': `{${'"content":"a",'.repeat(50000)}"content":"b"}`,
    'a list of nothing': `{"content":"a","messages":[${'0,'.repeat(500000)}0]}`,
    'white space': `{${' '.repeat(BODY_MAX - 100)}"content":"a"}`,
    'escapes': `{"content":"${'\\u0041'.repeat(300000)}"}`,
    'open brackets': '['.repeat(100000),
};

let cluster;
before(async () => { cluster = await startCluster({ edges: 1 }); });
after(() => cluster?.stop());

const rss = () => Number(/VmRSS:\s+(\d+)/.exec(
    fs.readFileSync(`/proc/${cluster.edges[0].pid}/status`, 'utf8'))[1]);

const assertAnswered = async (what, options) => {
    const answer = await request(cluster.url, options);
    const { status, headers, body } = answer;
    assert.ok((status >= 200 && status < 500) || status === 503, `${what}: ${status} ${body}`);
    assert.equal(headers[MARK], undefined, what);
    if (status === 204) return;
    assert.match(headers['content-type'], /^application\/json/, what);
    const { error } = JSON.parse(body);
    if (status >= 400) assert.ok(!JSON.stringify(error).includes(MARK), `${what}: ${body}`);
};

const pathsWith = (path, id) => {
    const places = path.split(':id').length - 1;
    return Array.from({ length: places }, (_, place) => {
        let at = 0;
        return path.replace(/:id/g, () => (at++ === place ? id : randomUUID()));
    });
};

// Not all at once: an edge that is busy with one of them may be asked something else.
const assertAllAnswered = async (calls) => {
    const left = calls.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (const call of left) await assertAnswered(`${call.method} ${call.path}`, call);
    }));
};

const callOf = (method, path, body) => ({
    method, path: path.startsWith('/api/') ? path : `/api/messaging${path}`, headers: { 'Content-Type': 'application/json' },
    ...method === 'POST' || method === 'PATCH' ? { body } : {},
});
const callsWith = (routes, body) => routes
    .filter(([method]) => method === 'POST' || method === 'PATCH')
    .map(([method, route]) => callOf(method, route.replace(/:id/g, () => randomUUID()), body));

describe('every path of the API', TEST_OPTIONS, () => {
    for (const [name, id] of Object.entries(IDS)) {
        it(`with ${name} for an id`, () => assertAllAnswered(ROUTES.flatMap(
            ([method, route]) => pathsWith(route, id).map((path) => callOf(method, path, '{}')))));
    }
    for (const [name, body] of Object.entries(BODIES)) {
        it(`with ${name} in a body`, () => assertAllAnswered(callsWith(ROUTES, body)));
    }
    for (const [name, body] of Object.entries(LARGE_BODIES)) {
        it(`with ${name} in a body`, () => assertAllAnswered(callsWith(LARGE_ROUTES, body)));
    }

    it('with none of it the edge has grown, or come to harm', async () => {
        const all = Object.values(LARGE_BODIES).flatMap((body) => callsWith(LARGE_ROUTES, body));
        const begin = rss();
        for (let i = 0; i < ROUNDS; i++) await assertAllAnswered(all);
        assert.ok(rss() - begin < RSS_GROWTH_MAX_KIB, `${begin} KiB became ${rss()}`);
        assert.equal((await request(`${cluster.url}/readyz`)).status, 200);
        assert.equal(cluster.edges[0].isRunning, true);
    });
});
