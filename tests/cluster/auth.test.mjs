// Keys and tokens: who is let in to REST and sockets of every generation, and what a token binds.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac, createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';

import { ChatClient } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { until } from '../lib/until.mjs';
import { startBalancer } from './balancer.mjs';

const require = createRequire(import.meta.url);
const io2 = require('socket.io-client-2.5');
const TEST_OPTIONS = { timeout: 300000 };
const KEY = 'the key of this house';
const SECRET = 'a secret that is long enough for HS256';
const WANTED = 'Invalid or missing API Key';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenOf = (header, claims, sign) => {
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${sign(text).toString('base64url')}`;
};
const signed = (claims, secret = SECRET) => tokenOf({ alg: 'HS256', typ: 'JWT' }, claims,
    (text) => createHmac('sha256', secret).update(text).digest());
const signedBy = (alg, kid, key, claims) => tokenOf({ alg, kid }, claims, (text) => (
    createSign('sha256').update(text).sign({ key, dsaEncoding: 'ieee-p1363' })));

let dir;
before(() => { dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-auth-')); });
after(() => fs.rmSync(dir, { recursive: true, force: true }));

const bearer = (token) => ({ Authorization: `Bearer ${token}` });

const fileWith = (name, text) => {
    const file = path.join(dir, name);
    fs.writeFileSync(file, text);
    return file;
};

const send = (url, headers = {}, body = { text: 'Hello', entityId: 'ada' }, channel = 'lobby') => (
    fetch(`${url}/api/messaging/channels/${channel}/messages`, {
        method: 'POST', headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body),
    }));

// Resolves with the connected socket, or the text of its refusal. Ends with `stop`.
const sockets = [];
const stop = () => { for (const socket of sockets.splice(0)) socket.disconnect(); };
const connect = (url, options = {}, library = io) => new Promise((resolve) => {
    const socket = library(url, { forceNew: true, reconnection: false, ...options });
    sockets.push(socket);
    socket.on('connect', () => setImmediate(() => resolve(socket)));
    socket.on('connect_error', (error) => resolve(error.message ?? error));
    socket.on('error', (error) => resolve(error.message ?? error));
});

describe('a key', TEST_OPTIONS, () => {
    let cluster;
    let url;
    before(async () => {
        cluster = await startCluster({
            edges: 1, env: { ELIZA_SERVER_AUTH_TOKEN: KEY },
            args: { edge: ['--api-key-file', fileWith('keys', 'from the file\n')] },
        });
        url = cluster.url;
    });
    after(() => {
        stop();
        return cluster?.stop();
    });

    it('is asked for under /api, whatever is asked', async () => {
        for (const where of ['/api/messaging/channels/lobby/messages', '/api/nothing', '/api']) {
            for (const headers of [{}, { 'X-API-KEY': 'wrong' }, { Authorization: `Basic ${KEY}` }]) {
                const response = await fetch(url + where, { headers });
                assert.equal(response.status, 401, where);
                assert.deepEqual(await response.json(), {
                    success: false,
                    error: { code: 'UNAUTHORIZED', message: 'API key required' },
                    message: 'Missing or invalid X-API-KEY header',
                });
                assert.equal(response.headers.get('access-control-allow-origin'), '*');
            }
        }
    });

    it('is taken in either header, from the environment and from the file', async () => {
        for (const key of [KEY, 'from the file']) {
            for (const headers of [{ 'X-API-KEY': key }, { Authorization: `Bearer ${key}` }]) {
                assert.equal((await send(url, headers)).status, 201);
            }
        }
    });

    it('is not asked for elsewhere', async () => {
        for (const where of ['/', '/healthz', '/readyz', '/socket.io/socket.io.js']) {
            assert.equal((await fetch(url + where)).status, 200, where);
        }
        const preflight = await fetch(`${url}/api/messaging/channels`, {
            method: 'OPTIONS', headers: { Origin: 'http://page.example' },
        });
        assert.equal(preflight.status, 204);
        assert.match(preflight.headers.get('access-control-allow-headers'), /X-API-KEY,X-Entity-Id/);
    });

    for (const transport of ['polling', 'websocket']) {
        it(`is asked for at a CONNECT over ${transport}`, async () => {
            const options = { transports: [transport] };
            assert.equal(await connect(url, options), WANTED);
            assert.equal(await connect(url, { ...options, auth: { apiKey: 'wrong' } }), WANTED);
            for (const how of [
                { auth: { apiKey: KEY } }, { extraHeaders: { 'x-api-key': KEY } },
                { auth: { token: KEY } }, { extraHeaders: { authorization: `Bearer ${KEY}` } },
            ]) assert.equal(typeof await connect(url, { ...options, ...how }), 'object');
        });

        it(`is asked of a client 2.x over ${transport}`, async () => {
            const options = { transports: [transport] };
            assert.equal(await connect(url, options, io2), WANTED);
            const socket = await connect(url, { ...options, query: { apiKey: KEY } }, io2);
            assert.equal(typeof socket, 'object');
        });
    }

    it('is asked of python3-socketio', () => {
        const text = execFileSync('/usr/bin/python3', ['-c', `
import socketio, sys
for auth in ({}, {"apiKey": sys.argv[2]}):
    client = socketio.Client(reconnection=False)
    try:
        client.connect(sys.argv[1], auth=auth, wait_timeout=10)
        print("connected")
        client.disconnect()
    except socketio.exceptions.ConnectionError:
        print("refused")
`, url, KEY], { encoding: 'utf8' });
        assert.equal(text, 'refused\nconnected\n');
    });

    it('leaves its holder free to be anybody', async () => {
        const client = await new ChatClient({
            url, entityId: 'ada', options: { auth: { entityId: 'ada', apiKey: KEY } },
        }).connected();
        assert.equal((await client.join('lobby', { entityId: 'bob' })).success, true);
        client.stop();
    });

    it('changes with its file on SIGHUP', async () => {
        const [edge] = cluster.edges;
        fileWith('keys', 'a newer one\n');
        edge.signal('SIGHUP');
        await until(async () => (await send(url, { 'X-API-KEY': 'a newer one' })).status === 201,
            'the new key is good');
        assert.equal((await send(url, { 'X-API-KEY': 'from the file' })).status, 401);
        fileWith('keys', '');
        edge.signal('SIGHUP');
        await until(() => edge.log.includes('event=keys_not_reloaded'), 'the edge says so');
        assert.equal((await send(url, { 'X-API-KEY': 'a newer one' })).status, 201);
        assert.ok(!edge.log.includes('a newer one') && !edge.log.includes(KEY));
    });

    it('is counted when it is missing', async () => {
        const text = await (await fetch(`${url}/metrics`)).text();
        assert.ok(Number(/^elizamq_edge_unauthorized_total (\d+)/m.exec(text)[1]) > 10);
    });
});

describe('a token', TEST_OPTIONS, () => {
    let cluster;
    let url;
    before(async () => {
        cluster = await startCluster({
            edges: 1, env: { SERVER_API_KEY: KEY },
            args: { edge: ['--jwt-key-file', fileWith('secret', `${SECRET}\n`)] },
        });
        url = cluster.url;
    });
    after(() => {
        stop();
        return cluster?.stop();
    });
    it('lets its subject in, and a key does still', async () => {
        assert.equal((await send(url, bearer(signed({ sub: 'ada' })))).status, 201);
        assert.equal((await send(url, { 'X-API-KEY': KEY })).status, 201);
        assert.equal((await send(url, {})).status, 401);
    });

    it('is refused when it is forged, expired or unsigned', async () => {
        const seconds = Math.floor(Date.now() / 1000);
        for (const token of [
            signed({ sub: 'ada' }, 'another secret of sufficient length'),
            signed({ sub: 'ada', exp: seconds - 60 }), signed({ sub: 'ada', nbf: seconds + 60 }),
            signed({}), `${encode({ alg: 'none' })}.${encode({ sub: 'ada' })}.`,
            tokenOf({ alg: 'none' }, { sub: 'ada' }, () => Buffer.from('x')),
        ]) {
            assert.equal((await send(url, bearer(token))).status, 401, token);
            assert.match(await connect(url, { auth: { token } }),
                /Authentication failed|Invalid or missing API Key/);
        }
    });

    it('binds who REST speaks as', async () => {
        const headers = bearer(signed({ sub: 'ada' }));
        const refused = await send(url, headers, { text: 'Hello', entityId: 'bob' });
        assert.equal(refused.status, 403);
        assert.equal((await refused.json()).error.code, 'identity_mismatch');
        for (const name of ['author_id', 'senderId']) {
            assert.equal((await send(url, headers, { text: 'x', [name]: 'bob' })).status, 403);
        }
        assert.equal((await send(url, { ...headers, 'X-Entity-Id': 'bob' })).status, 403);
        const { userMessage } = await (await send(url, headers, { text: 'Hello' })).json();
        assert.equal(userMessage.author_id, 'ada');
    });

    it('binds who a socket is, and everything that it says', async () => {
        const token = signed({ sub: 'ada' });
        assert.match(await connect(url, { auth: { token, entityId: 'bob' } }), /somebody else/);
        for (const how of [{ auth: { token } }, { auth: { apiKey: token } },
            { auth: {}, extraHeaders: bearer(token) }]) {
            const client = await new ChatClient({ url, entityId: null, options: how }).connected();
            assert.equal((await client.event('authenticated')).entityId, 'ada');
            assert.equal((await client.join('lobby')).success, true);
            assert.equal((await client.say('lobby', 'Hello')).success, true);
            for (const [answer, field] of [
                [await client.join('other', { entityId: 'bob' }), 'entityId'],
                [await client.say('lobby', 'Hello', { senderId: 'bob' }), 'senderId'],
                [await client.emit('typing', { roomId: 'lobby', userId: 'bob', isTyping: true }),
                    'userId'],
            ]) {
                assert.equal(answer.success, false);
                assert.equal(answer.code, 'identity_mismatch');
                assert.equal(answer.field, field);
            }
            client.stop();
        }
    });

    it('binds a client 2.x by its query', async () => {
        const socket = await connect(url, { query: { token: signed({ sub: 'ada' }) } }, io2);
        assert.equal(typeof socket, 'object');
        const answer = await new Promise((resolve) => {
            socket.emit('message', {
                type: 2, payload: { roomId: 'lobby', senderId: 'bob', message: 'Hello' },
            }, resolve);
        });
        assert.equal(answer.code, 'identity_mismatch');
    });

    it('opens the rooms that it names, and no others', async () => {
        const token = signed({ sub: 'ada', rooms: ['lobby'] });
        const client = await new ChatClient({
            url, entityId: null, options: { auth: { token } },
        }).connected();
        assert.equal((await client.join('lobby')).success, true);
        for (const answer of [
            await client.join('vault'), await client.say('vault', 'Hello'),
            await client.emit('typing', { roomId: 'vault', userId: 'ada', isTyping: true }),
        ]) {
            assert.equal(answer.code, 'access_denied');
            assert.equal(answer.error,
                "Access denied: You don't have permission to join this channel");
        }
        client.stop();
        const headers = bearer(token);
        assert.equal((await send(url, headers, { text: 'x' }, 'lobby')).status, 201);
        assert.equal((await send(url, headers, { text: 'x' }, 'vault')).status, 403);
        assert.equal((await send(url, headers, { text: 'x' }, '%76ault')).status, 403);
        for (const what of ['messages', 'presence']) {
            const response = await fetch(`${url}/api/messaging/channels/vault/${what}`, { headers });
            assert.equal(response.status, 403);
        }
    });
});

describe('a socket that a token has bound', TEST_OPTIONS, () => {
    let cluster;
    before(async () => {
        cluster = await startCluster({
            edges: 2, bridge: false, env: { SERVER_API_KEY: KEY },
            args: { edge: ['--jwt-key-file', fileWith('secret', `${SECRET}\n`)] },
        });
    });
    after(() => {
        stop();
        return cluster?.stop();
    });
    const asAda = async () => {
        const auth = { token: signed({ sub: 'ada' }) };
        const client = await new ChatClient({
            url: cluster.url, entityId: null, options: { auth },
        }).connected();
        sockets.push(client.socket);
        await client.join('lobby');
        client.auth = auth;
        client.id = client.socket.id;
        return client;
    };
    const back = async (client) => {
        client.socket.io.engine.close();
        await until(() => !client.socket.connected, 'it is gone');
        await until(() => client.socket.connected, 'it is back');
    };

    it('goes on as its subject, and is bound as before', async () => {
        const client = await asAda();
        client.socket.io.uri = cluster.edges[1].url;
        await back(client);
        assert.equal(client.socket.recovered, true);
        assert.equal((await client.join('lobby', { entityId: 'bob' })).code, 'identity_mismatch');
        assert.equal((await client.say('lobby', 'Hello')).success, true);
    });

    it('is nobody else\'s, who cannot even disturb it', async () => {
        const client = await asAda();
        const { _pid: pid, _lastOffset: offset } = client.socket;
        for (const { url } of cluster.edges) {
            const auth = { token: signed({ sub: 'eve' }), pid, offset };
            const thief = await connect(url, { auth, transports: ['websocket'] });
            assert.equal(thief.recovered, false);
            assert.notEqual(thief.id, client.id);
        }
        assert.equal((await client.say('lobby', 'Still here')).success, true);
        assert.equal(client.received('authenticated').length, 1);
        await back(client);
        assert.equal(client.socket.recovered, true);
        assert.equal(client.socket.id, client.id);
        const metrics = await (await fetch(`${cluster.edges[1].url}/metrics`)).text();
        assert.match(metrics, /recoveries_refused_total\{[^}]*forbidden[^}]*\} 1\b/);
    });

    it('is bound as before when its session has moved', async () => {
        const [{ url: first }, { url: second }] = cluster.edges;
        const balancer = await startBalancer([first, second, second]); // not all upgrades stay
        const token = signed({ sub: 'ada', rooms: ['lobby'] });
        const moved = async () => {
            const counts = await Promise.all(cluster.edges.map(
                (edge) => readMetric(edge, 'elizamq_edge_moved_in_total')));
            return counts[0] + counts[1];
        };
        try {
            for (let i = 0; i === 0 || await moved() === 0; i++) {
                assert.ok(i < 50);
                const client = await new ChatClient({
                    url: balancer.url, transport: 'upgrade', entityId: null,
                    options: { auth: {}, extraHeaders: bearer(token) },
                }).connected();
                sockets.push(client.socket);
                await until(() => client.socket.io.engine.transport.name === 'websocket',
                    'it has upgraded');
                assert.equal((await client.join('lobby', { entityId: 'bob' })).code,
                    'identity_mismatch');
                assert.equal((await client.join('garden')).code, 'access_denied');
                assert.equal((await client.join('lobby')).success, true);
            }
        } finally {
            stop();
            await balancer.close();
        }
    });

    it('does not go on where its new token does not let it', async () => {
        const client = await asAda();
        client.auth.token = signed({ sub: 'ada', rooms: ['garden'] });
        await back(client);
        assert.equal(client.socket.recovered, false);
        assert.equal((await client.join('garden')).success, true);
    });
});

describe('a set of keys', TEST_OPTIONS, () => {
    let cluster;
    after(() => cluster?.stop());

    it('is rotated on SIGHUP', async () => {
        const pairs = [generateKeyPairSync('rsa', { modulusLength: 2048 }),
            generateKeyPairSync('ec', { namedCurve: 'P-256' })];
        const jwk = (index) => ({
            ...pairs[index].publicKey.export({ format: 'jwk' }), kid: `key-${index}`, use: 'sig',
        });
        const setOf = (...keys) => fileWith('jwks.json', JSON.stringify({ keys }));
        cluster = await startCluster({
            edges: 1, args: { edge: ['--jwt-key-file', setOf(jwk(0)), '--jwt-issuer', 'us'] },
        });
        const claims = { sub: 'ada', iss: 'us' };
        const tokens = [signedBy('RS256', 'key-0', pairs[0].privateKey, claims),
            signedBy('ES256', 'key-1', pairs[1].privateKey, claims)];
        const statusOf = async (token) => (await send(cluster.url,
            { Authorization: `Bearer ${token}` })).status;
        assert.equal(await statusOf(tokens[0]), 201);
        assert.equal(await statusOf(tokens[1]), 401);
        assert.equal(await statusOf(signedBy('RS256', 'key-0', pairs[0].privateKey,
            { sub: 'ada' })), 401);
        setOf(jwk(0), jwk(1));
        cluster.edges[0].signal('SIGHUP');
        await until(async () => await statusOf(tokens[1]) === 201, 'the new key is good');
        assert.equal(await statusOf(tokens[0]), 201);
        setOf(jwk(1));
        cluster.edges[0].signal('SIGHUP');
        await until(async () => await statusOf(tokens[0]) === 401, 'the old key is gone');
    });
});

describe('rate limits', TEST_OPTIONS, () => {
    let cluster;
    after(() => cluster?.stop());

    it('count what one address asks of /api', async () => {
        cluster = await startCluster({
            edges: 1, env: { ELIZAMQ_API_KEY: KEY },
            args: {
                edge: ['--api-rate-limit', '3/15m', '--trusted-proxy', '127.0.0.1',
                    '--socket-rate-limit', '5/1h', '--key-rate-limit', '6/1h'],
            },
        });
        const ask = (address, headers = { 'X-API-KEY': KEY }) => fetch(
            `${cluster.url}/api/messaging/channels/lobby/messages`,
            { headers: { ...headers, 'X-Forwarded-For': address } });
        for (let i = 0; i < 5; i++) assert.equal((await ask('192.0.2.1', {})).status, 401);
        for (let i = 0; i < 3; i++) {
            const { status, headers } = await ask('192.0.2.1');
            assert.equal(status, 200);
            assert.equal(headers.get('ratelimit-limit'), '3');
            assert.equal(headers.get('ratelimit-policy'), '3;w=900');
            assert.equal(headers.get('ratelimit-remaining'), `${2 - i}`);
            assert.ok(Number(headers.get('ratelimit-reset')) > 890);
        }
        const refused = await ask('192.0.2.1');
        assert.equal(refused.status, 429);
        assert.ok(Number(refused.headers.get('retry-after')) > 890);
        assert.deepEqual(await refused.json(), {
            success: false,
            error: {
                code: 'RATE_LIMIT_EXCEEDED',
                message: 'Too many requests. Please try again later.',
            },
        });
        assert.equal((await ask('2001:db8::1')).status, 200);
        assert.equal((await ask('2001:db8::2')).headers.get('ratelimit-remaining'), '1');
        assert.equal((await fetch(`${cluster.url}/healthz`)).status, 200);
        // The key has been used six times, whoever used it.
        assert.equal((await ask('198.51.100.1')).status, 429);
    });

    it('count the events of a socket', async () => {
        const client = await new ChatClient({
            url: cluster.url, options: { auth: { apiKey: KEY, entityId: 'ada' } },
        }).connected();
        assert.equal((await client.join('busy')).success, true);
        for (let i = 0; i < 4; i++) assert.equal((await client.say('busy', 'Hi')).success, true);
        const refused = await client.say('busy', 'Hi', { messageId: randomUUID() });
        assert.equal(refused.success, false);
        assert.equal(refused.code, 'rate_limited');
        assert.ok(refused.retryAfterMs > 3500000);
        client.stop();
    });
});

describe('headers', TEST_OPTIONS, () => {
    it('keep pages of others from framing ours', async () => {
        const cluster = await startCluster({ edges: 1, bridge: false });
        for (const where of ['/', '/api/nothing']) {
            const { headers } = await fetch(cluster.url + where);
            assert.equal(headers.get('x-frame-options'), 'SAMEORIGIN');
            assert.equal(headers.get('referrer-policy'), 'no-referrer');
            assert.equal(headers.get('x-content-type-options'), 'nosniff');
        }
        await cluster.stop();
    });
});
