// Socket.IO's options by the edge's flags: what clients see of each is what socket.io 4.8 shows
// them with the same setting.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, it } from 'node:test';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

import { startCluster } from '../../lib/cluster.mjs';
import { within } from '../../lib/until.mjs';

const ORIGIN = 'https://app.example';
const OPTIONS = { timeout: 300000 };
const CORS_HEADERS = ['access-control-allow-origin', 'access-control-allow-credentials',
    'access-control-allow-methods', 'access-control-allow-headers', 'vary'];

const settings = [
    { name: 'none', flags: [], options: {} },
    {
        name: 'timers and sizes',
        flags: ['--ping-interval', '3s', '--ping-timeout', '4s', '--max-http-buffer-size', '5000'],
        options: { pingInterval: 3000, pingTimeout: 4000, maxHttpBufferSize: 5000 },
    },
    { name: 'no upgrades', flags: ['--no-allow-upgrades'], options: { allowUpgrades: false } },
    { name: 'polling', flags: ['--transports', 'polling'], options: { transports: ['polling'] } },
    {
        name: 'websocket', flags: ['--transports', 'websocket'], options: { transports: ['websocket'] },
    },
    { name: 'no old clients', flags: ['--no-allow-eio3'], options: { allowEIO3: false } },
    { name: 'a cookie', flags: ['--cookie', 'io'], options: { cookie: 'io' } },
    { name: 'a path', flags: ['--path', '/chat'], options: { path: '/chat' }, path: '/chat/' },
    {
        name: 'one origin', flags: ['--cors-origin', ORIGIN],
        options: { cors: { origin: [ORIGIN], credentials: true, methods: ['GET', 'POST'] } },
    },
    {
        name: 'all origins', flags: ['--cors-origin', '*'],
        options: { cors: { origin: '*', methods: ['GET', 'POST'] } },
    },
    {
        name: 'methods and headers',
        flags: ['--no-cors-credentials', '--cors-methods', 'GET,POST,PUT', '--cors-headers', 'X-A,X-B'],
        options: {
            cors: {
                origin: true, credentials: false, methods: ['GET', 'POST', 'PUT'],
                allowedHeaders: ['X-A', 'X-B'],
            },
        },
    },
    {
        name: 'short times',
        flags: ['--upgrade-timeout', '300ms', '--connect-timeout', '400ms'],
        options: { upgradeTimeout: 300, connectTimeout: 400 },
    },
];

const startReference = async ({ options }) => {
    const server = createServer((_, response) => response.writeHead(404).end());
    const reference = new Server(server, {
        allowEIO3: true, serveClient: false, httpCompression: { threshold: 1024 },
        cors: { origin: true, credentials: true, methods: ['GET', 'POST'] }, ...options,
    });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    return {
        port: server.address().port,
        stop: () => new Promise((resolve) => { reference.close(resolve); }),
    };
};

let cluster;
let references;
before(async () => {
    [cluster, references] = await Promise.all([
        startCluster({
            edges: settings.length, bridge: false, args: { edge: (index) => settings[index].flags },
        }),
        Promise.all(settings.map(startReference)),
    ]);
});
after(() => Promise.all([cluster?.stop(), ...references?.map((each) => each.stop()) ?? []]));

const ask = (port, method, target, headers = {}) => new Promise((resolve, reject) => {
    const sent = request({ port, method, path: target, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text) => { body += text; });
        response.on('end', () => {
            resolve({ status: response.statusCode, headers: response.headers, body });
        });
    });
    sent.on('error', reject);
    sent.end();
});

// What of an answer is the protocol's. Who is not allowed to read it is told no more than that, and
// who does not ask is told that all may: socket.io says what else would be allowed to either.
const level = (text) => text.replace(/"sid":"[\w-]+"/, '"sid":"SID"').replace(/^\d+:0/, 'N:0');
const shown = ({ status, headers, body }, hasOrigin) => ({
    status,
    body: status === 404 ? '' : level(body),
    cookie: String(headers['set-cookie']).replace(/io=[\w-]+/, 'io=SID'),
    cors: hasOrigin && headers['access-control-allow-origin'] !== undefined
        ? CORS_HEADERS.map((name) => headers[name]) : undefined,
});

const preflight = {
    'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,x-a',
};
const requestsOf = ({ path = '/socket.io/' }) => [3, 4].flatMap((eio) => {
    const target = `${path}?EIO=${eio}&transport=polling`;
    return [
        ['GET', target], ['GET', target, { origin: ORIGIN }],
        ['GET', target, { origin: 'https://elsewhere.example' }],
        ['OPTIONS', target, { origin: ORIGIN, ...preflight }],
        ['OPTIONS', target, { origin: 'https://elsewhere.example', ...preflight }],
        ['GET', `${path}?EIO=${eio}&transport=websocket`], ['GET', `/other${path}?EIO=${eio}`],
    ];
});

settings.forEach((setting, index) => {
    it(`with ${setting.name} every request is answered as there`, OPTIONS, async () => {
        for (const [method, target, headers] of requestsOf(setting)) {
            const [ours, theirs] = await Promise.all([cluster.edges[index], references[index]].map(
                async ({ port }) => shown(await ask(port, method, target, headers),
                    headers?.origin !== undefined)));
            assert.deepEqual(ours, theirs, `${method} ${target} ${JSON.stringify(headers)}`);
        }
    });
});

const portsOf = (name) => {
    const index = settings.findIndex((setting) => setting.name === name);
    return [cluster.edges[index].port, references[index].port];
};

it('who does not complete an upgrade or a connection in time is cut', OPTIONS, async () => {
    for (const port of portsOf('short times')) {
        const target = '/socket.io/?EIO=4&transport=';
        const { body } = await ask(port, 'GET', `${target}polling`);
        const { sid } = JSON.parse(body.slice(1));
        for (const query of [`websocket&sid=${sid}`, 'websocket']) {
            const socket = new WebSocket(`ws://127.0.0.1:${port}${target}${query}`);
            socket.on('error', () => {});
            socket.on('open', () => query.includes('sid') && socket.send('2probe'));
            await within(new Promise((resolve) => { socket.on('close', resolve); }), 'its end');
        }
    }
});

it('a message over the limit ends its session', OPTIONS, async () => {
    for (const port of portsOf('timers and sizes')) {
        const socket = io(`http://127.0.0.1:${port}`,
            { transports: ['websocket'], reconnection: false, forceNew: true });
        await within(new Promise((resolve) => { socket.on('connect', resolve); }), 'a socket');
        const ended = new Promise((resolve) => { socket.on('disconnect', resolve); });
        socket.emit('message', 'x'.repeat(5000));
        assert.equal(await within(ended, 'its end'), 'transport close');
    }
});
