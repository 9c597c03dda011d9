// The official clients of ten years, and python3-socketio, in rooms that they share: on every
// transport each of them is connected, heard, answered and seen like any other.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';

import { rootDir, startCluster } from '../../lib/cluster.mjs';
import { until } from '../../lib/until.mjs';
import { converse } from '../document/assertions.mjs';
import { startMinimalClient } from '../document/client.mjs';

const require = createRequire(import.meta.url);
// Debian's own, which has Debian's packages.
const PYTHON = '/usr/bin/python3';
const OPTIONS = { timeout: 60000 };
const LIBRARIES = {
    '1.3.0': require('socket.io-client-1.3'),
    '1.7.4': require('socket.io-client-1.7'),
    '2.0.4': require('socket.io-client-2.0'),
    '2.5.0': require('socket.io-client-2.5'),
    '3.1.3': require('socket.io-client-3.1').io,
    '4.0.2': require('socket.io-client-4.0').io,
    '4.8.4': io,
};
const TRANSPORTS = {
    polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'],
};
const CONTROLS = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('');
const TEXTS = [
    'Grüße, 日本, 😀 and 👩‍👩‍👧', `controls: ${CONTROLS}\x7f\u2028\u2029 \\u0041 \\n "quoted"`,
    'é', 'x'.repeat(100000),
];
const MANY = process.env.ELIZAMQ_LONG ? 1000 : 200;

let cluster;
before(async () => {
    cluster = await startCluster({
        edges: 2, args: { edge: ['--ping-interval', '600ms', '--ping-timeout', '500ms'] },
    });
});
after(() => cluster?.stop());

// A client of any generation that writes down what it hears.
class Member {
    heard = [];

    constructor(library, url, transport, entityId) {
        this.entityId = entityId;
        this.socket = library(url, {
            transports: TRANSPORTS[transport], forceNew: true, reconnection: false,
            query: { entityId },
        });
        for (const name of ['authenticated', 'connection_established', 'room_joined', 'userJoined',
            'userLeft', 'userTyping', 'messageBroadcast', 'messageComplete', 'messageError',
            'disconnect', 'error', 'connect_error']) {
            this.socket.on(name, (data) => this.heard.push({ name, data }));
        }
    }

    all(name, condition = () => true) {
        return this.heard.filter((event) => event.name === name && condition(event.data))
            .map(({ data }) => data);
    }

    event(name, condition) {
        return until(() => this.all(name, condition)[0], () => `${name} at ${this.entityId}; ${
            JSON.stringify(this.heard.map((event) => event.name))}`);
    }

    // Resolves with what the callback was given.
    async ask(event, data) {
        let answer;
        this.socket.emit(event, data, (given) => { answer = given; });
        return until(() => answer, `the acknowledgement of ${event}`);
    }

    join(roomId) {
        return this.ask('message', { type: 1, payload: { roomId, entityId: this.entityId } });
    }

    say(roomId, message) {
        return this.ask('message', {
            type: 2,
            payload: {
                roomId, senderId: this.entityId, senderName: this.entityId, message,
                messageId: randomUUID(),
            },
        });
    }

    stop() {
        this.socket.disconnect();
    }
}

const withRoom = async (library, transport, body) => {
    const roomId = randomUUID();
    const watcher = new Member(io, cluster.edges[1].url, 'websocket', 'watcher');
    const member = new Member(library, cluster.edges[0].url, transport, 'member');
    try {
        await watcher.join(roomId);
        assert.equal((await member.join(roomId)).success, true);
        await body({ roomId, watcher, member });
    } finally {
        member.stop();
        watcher.stop();
    }
};

const saidBy = (member, text) => ({ senderId, text: heard }) =>
    senderId === member.entityId && heard === text;

for (const [version, library] of Object.entries(LIBRARIES)) {
    for (const transport of Object.keys(TRANSPORTS)) {
        describe(`client ${version}, ${transport}`, OPTIONS, () => {
            it('joins, is seen, types, speaks, is answered once, and leaves', () => withRoom(
                library, transport, async ({ roomId, watcher, member }) => {
                    await watcher.event('userJoined', ({ userId }) => userId === 'member');
                    const welcome = await member.event('connection_established');
                    assert.equal(welcome.socketId, member.socket.id ?? member.socket.io.engine.id);
                    watcher.socket.emit('typing', { roomId, userId: 'watcher', isTyping: true });
                    await member.event('userTyping', ({ userId }) => userId === 'watcher');
                    member.socket.emit('typing', { roomId, userId: 'member', isTyping: true });
                    await watcher.event('userTyping', ({ userId }) => userId === 'member');

                    assert.ok((await member.say(roomId, 'I am unhappy.')).messageId);
                    const own = await member.event('messageBroadcast',
                        saidBy(member, 'I am unhappy.'));
                    const reply = await member.event('messageBroadcast',
                        ({ inReplyTo }) => inReplyTo === own.id);
                    await member.event('messageComplete');
                    await watcher.event('messageBroadcast', ({ id }) => id === reply.id);
                    for (const { id } of [own, reply]) {
                        for (const one of [member, watcher]) {
                            assert.equal(one.all('messageBroadcast', (m) => m.id === id).length, 1);
                        }
                    }
                    assert.deepEqual(member.all('messageError'), []);
                    assert.equal(member.socket.io.engine.transport.name,
                        transport === 'polling' ? 'polling' : 'websocket');
                    member.stop();
                    await watcher.event('userLeft', ({ userId }) => userId === 'member');
                }));

            it('carries any text both ways', () => withRoom(
                library, transport, async ({ roomId, watcher, member }) => {
                    for (const text of TEXTS) {
                        assert.equal((await member.say(roomId, text)).error, undefined);
                        await watcher.event('messageBroadcast', saidBy(member, text));
                        await member.event('messageBroadcast', saidBy(member, text));
                        await watcher.say(roomId, text);
                        await member.event('messageBroadcast', saidBy(watcher, text));
                    }
                }));

            it('hears many messages in order, and stays past its heartbeats', () => withRoom(
                library, transport, async ({ roomId, watcher, member }) => {
                    const started = Date.now();
                    const said = (one, from) => one.all('messageBroadcast',
                        ({ senderId }) => senderId === from).map(({ text }) => text);
                    const expected = Array.from({ length: MANY }, (_, i) => `number ${i}`);
                    await Promise.all(expected.map((text) => watcher.say(roomId, text)));
                    await Promise.all(expected.map((text) => member.say(roomId, text)));
                    await until(() => said(member, 'watcher').length === MANY &&
                        said(watcher, 'member').length === MANY, 'all messages');
                    assert.deepEqual(said(member, 'watcher'), expected);
                    assert.deepEqual(said(watcher, 'member'), expected);
                    await until(() => Date.now() - started > 2500, 'two heartbeats');
                    assert.deepEqual(member.all('disconnect'), []);
                    assert.ok((await member.say(roomId, 'still here')).messageId);
                }));
        });
    }

    it(`client ${version} is refused other namespaces, and its main one goes on`, OPTIONS, async () => {
        const member = new Member(library, cluster.edges[0].url, 'websocket', 'member');
        try {
            await member.event('authenticated');
            const other = member.socket.io.socket('/other');
            let refusal;
            for (const name of ['error', 'connect_error']) {
                other.on(name, (error) => { refusal = error?.message ?? error; });
            }
            other.open?.();
            assert.equal(await until(() => refusal, 'the refusal'), 'Invalid namespace');
            assert.equal((await member.join(randomUUID())).success, true);
        } finally {
            member.stop();
        }
    });
}

for (const version of ['1.3.0', '1.7.4', '2.0.4', '2.5.0']) {
    for (const transport of Object.keys(TRANSPORTS)) {
        it(`the document's minimal client runs unedited with ${version}, ${transport}`, OPTIONS,
            async () => {
                const client = startMinimalClient({
                    url: cluster.edges[0].url, roomId: randomUUID(), transport,
                    library: LIBRARIES[version],
                });
                try {
                    await client.event('room_joined');
                    client.send('Good morning');
                    await converse(client, 'Good morning');
                    assert.ok(!client.hasPrinted('[ERROR]'));
                } finally {
                    client.stop();
                }
            });
    }
}

const hasPython = () => {
    try {
        execFileSync(PYTHON, ['-c', 'import socketio, websocket, requests'], { stdio: 'ignore' });
        return true;
    } catch {
        return false;
    }
};

for (const transport of ['polling', 'websocket', 'upgrade']) {
    it(`python3-socketio, ${transport}`, { ...OPTIONS, skip: !hasPython() && 'not installed' },
        async () => {
            const program = path.join(rootDir, 'tests/compat/clients/client.py');
            const python = spawn(PYTHON, [program, cluster.edges[0].url,
                TRANSPORTS[transport].join(','), randomUUID()]);
            let output = '';
            python.stdout.on('data', (data) => { output += data; });
            python.stderr.on('data', (data) => { output += data; });
            const status = await new Promise((resolve) => { python.on('close', resolve); });
            assert.equal(status, 0, output);
        });
}
