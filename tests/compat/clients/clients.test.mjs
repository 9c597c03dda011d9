// The official clients of ten years, and python3-socketio, in rooms that they share with the latest:
// on every transport each of them is connected, heard, answered and seen like any other.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';

import { rootDir, startCluster } from '../../lib/cluster.mjs';
import { until } from '../../lib/until.mjs';
import { converse } from '../document/assertions.mjs';
import { startMinimalClient } from '../document/client.mjs';
import { ALL_LIBRARIES, LIBRARIES, Member, TEXTS, TRANSPORTS } from './members.mjs';

// Debian's own, which has Debian's packages.
const PYTHON = '/usr/bin/python3';
const IS_LONG = Boolean(process.env.ELIZAMQ_LONG);
const OPTIONS = { timeout: IS_LONG ? 600000 : 120000 };
const MATRIX_OPTIONS = { timeout: 20 * OPTIONS.timeout, concurrency: 4 };
const MANY = IS_LONG ? 1000 : 200;
const IN_FLIGHT = 200;
const DEADLINE_MS = IS_LONG ? 180000 : 60000;
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

let cluster;
before(async () => { cluster = await startCluster(); });
after(() => cluster?.stop());

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

const matrix = (version, library) => {
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

            it('carries bytes both ways', () => withRoom(
                library, transport, async ({ roomId, watcher, member }) => {
                    const bytes = Buffer.from(BYTES);
                    if (version === '1.3.0') { // Buffers of its time had none: it sends that instead
                        Object.defineProperty(bytes, 'buffer', { value: undefined });
                    }
                    const given = (data) => ({
                        attachments: [{ id: 'a', data }], metadata: { more: [data] },
                    });
                    const mine = await member.say(roomId, 'from the member', given(bytes));
                    const theirs = await watcher.say(roomId, 'from the watcher', given(BYTES));
                    for (const one of [watcher, member]) {
                        for (const { messageId } of [mine, theirs]) {
                            const seen = await one.event('messageBroadcast',
                                ({ id }) => id === messageId);
                            for (const data of [seen.attachments[0].data, seen.metadata.more[0]]) {
                                assert.ok(data instanceof Buffer || data instanceof ArrayBuffer);
                                assert.deepEqual(Buffer.from(data), BYTES);
                            }
                        }
                    }
                }));

            it('hears many messages in order', () => withRoom(
                library, transport, async ({ roomId, watcher, member }) => {
                    const said = (one, from) => one.all('messageBroadcast',
                        ({ senderId }) => senderId === from).map(({ text }) => text);
                    const expected = Array.from({ length: MANY }, (_, i) => `number ${i}`);
                    // All at once, with an agent that answers each, are megabytes that one process of
                    // many clients does not read in time: it would be cut as a slow consumer.
                    for (let i = 0; i < MANY; i += IN_FLIGHT) {
                        const next = expected.slice(i, i + IN_FLIGHT);
                        await Promise.all(next.map((text) => watcher.say(roomId, text)));
                        await Promise.all(next.map((text) => member.say(roomId, text)));
                    }
                    await until(() => said(member, 'watcher').length === MANY &&
                        said(watcher, 'member').length === MANY, 'all messages', DEADLINE_MS);
                    assert.deepEqual(said(member, 'watcher'), expected);
                    assert.deepEqual(said(watcher, 'member'), expected);
                }));
        });
    }

    it(`client ${version} is refused other namespaces, and its main one goes on`, OPTIONS, async () => {
        const member = new Member(library, cluster.edges[0].url, 'websocket', 'member');
        try {
            await member.event('authenticated');
            // The msgpack parser can say a name that the other one cannot.
            for (const name of version.includes('msgpack') ? ['/other', 'other'] : ['/other']) {
                const other = member.socket.io.socket(name);
                let refusal;
                for (const event of ['error', 'connect_error']) {
                    other.on(event, (error) => { refusal = error?.message ?? error; });
                }
                other.open?.();
                assert.equal(await until(() => refusal, 'the refusal'), 'Invalid namespace');
            }
            assert.equal((await member.join(randomUUID())).success, true);
        } finally {
            member.stop();
        }
    });
};

describe('in rooms with the latest', MATRIX_OPTIONS, () => {
    for (const [version, library] of Object.entries(ALL_LIBRARIES)) matrix(version, library);
});

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

for (const transport of Object.keys(TRANSPORTS)) {
    it(`python3-socketio, ${transport}`, { ...OPTIONS, skip: !hasPython() && 'not installed' },
        async () => {
            const roomId = randomUUID();
            const watcher = new Member(io, cluster.edges[1].url, 'websocket', 'watcher');
            const program = path.join(rootDir, 'tests/compat/clients/client.py');
            try {
                await watcher.join(roomId);
                const python = spawn(PYTHON, [program, cluster.edges[0].url,
                    TRANSPORTS[transport].join(','), roomId, String(MANY)]);
                let output = '';
                python.stdout.on('data', (data) => { output += data; });
                python.stderr.on('data', (data) => { output += data; });
                let status;
                python.on('close', (code) => { status = code; });
                // It speaks, and is spoken to with the same.
                const seen = await watcher.event('messageBroadcast', saidBy({ entityId: 'py' },
                    'bytes'));
                assert.deepEqual(seen.attachments[0].data, BYTES);
                await watcher.say(roomId, 'bytes', { attachments: [{ id: 'a', data: BYTES }] });
                watcher.socket.emit('typing', { roomId, userId: 'watcher', isTyping: true });
                await until(() => status !== undefined, () => `its end; ${output}`, DEADLINE_MS);
                assert.equal(status, 0, output);
                const said = watcher.all('messageBroadcast', ({ senderId }) => senderId === 'py')
                    .map(({ text }) => text).filter((text) => text.startsWith('number '));
                assert.deepEqual(said, Array.from({ length: MANY }, (_, i) => `number ${i}`));
                assert.ok(watcher.all('userTyping', ({ userId }) => userId === 'py').length > 0);
                await watcher.event('userLeft', ({ userId }) => userId === 'py');
            } finally {
                watcher.stop();
            }
        });
}
