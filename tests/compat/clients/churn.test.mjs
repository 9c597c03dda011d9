// Clients of both revisions that come and go, over every transport and in every way: the memory of
// edge and router does not grow with how many there were.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, it } from 'node:test';

import { buildDir, startCluster } from '../../lib/cluster.mjs';
import { readMetric } from '../../lib/metrics.mjs';
import { until } from '../../lib/until.mjs';
import { frame, TEXT, CLOSE } from '../../wire/engineio_wire.mjs';

const CYCLES = process.env.ELIZAMQ_LONG ? 200000 : 2000;
const WARM_CYCLES = Math.min(CYCLES / 2, 20000); // until every pool has its size
const WORKERS = 250;
const ROOMS = 50;
const LATE_MAX = 0.02; // of all
const STEP_DEADLINE_MS = 30000;
const DEADLINE_MS = 2 * 60 * 60 * 1000;
// What the allocator may keep in pieces, whatever the number of cycles.
const GROWTH_MAX = 1 << 20;

const isInstrumented = () => fs.readFileSync(`${buildDir}/edge`).includes('__asan_init');
const WEBSOCKET_HEAD = 'Host: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

let cluster;
before(async () => {
    cluster = await startCluster({
        edges: 1, bridge: false,
        args: {
            edge: ['--ping-interval', '3s', '--ping-timeout', '3s'],
            router: ['--presence-grace', '100ms', '--recovery-window', '1s'],
        },
    });
});
after(() => cluster?.stop());

// A connection whose bytes are latin1 text; awaits what it is to hear.
class Wire {
    text = '';
    isOver = false;
    #wake = () => {};

    static connect(port) {
        const wire = new Wire();
        wire.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
        wire.socket.setEncoding('latin1');
        wire.socket.on('data', (text) => {
            wire.text += text;
            wire.#wake();
        });
        for (const event of ['error', 'close']) {
            wire.socket.on(event, () => {
                wire.isOver = true;
                wire.#wake();
            });
        }
        return wire;
    }

    async hears(condition, what) {
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error(`no ${what}: ${this.text.slice(-300)}`)),
                STEP_DEADLINE_MS);
        });
        late.catch(() => {});
        for (;;) {
            const found = condition(this.text);
            if (found) {
                clearTimeout(timer);
                return found;
            }
            if (this.isOver) throw new Error(`ended before ${what}: ${this.text.slice(-300)}`);
            await Promise.race([new Promise((resolve) => { this.#wake = resolve; }), late]);
        }
    }

    // The body of the answer to a request.
    async ask(method, query, body = '') {
        this.text = '';
        this.socket.write(`${method} /socket.io/?${query} HTTP/1.1\r\nHost: test\r\n` +
            `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
        return this.hears((text) => {
            const end = text.indexOf('\r\n\r\n') + 4;
            const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
            return end > 3 && text.length >= end + length && [text.slice(end, end + length)];
        }, `answer to ${method}`);
    }

    upgrade(query) {
        this.socket.write(`GET /socket.io/?${query} HTTP/1.1\r\n${WEBSOCKET_HEAD}\r\n`);
        return this.hears((text) => text.startsWith('HTTP/1.1 101 '), 'upgrade');
    }

    say(text) {
        this.socket.write(frame(TEXT, text));
    }

    hearsPacket(start) {
        return this.hears((text) => text.includes(start), start);
    }
}

const payload = (eio, text) => (eio === 3 ? `${text.length}:${text}` : text);
const joining = (n) => `42["message",{"type":1,"payload":{"roomId":"room-${n % ROOMS}",` +
    `"entityId":"e${n}"}}]`;

// How a client goes: as it should, with a reset, or without a word.
const leaveSocket = {
    async orderly(wire) {
        wire.socket.write(frame(CLOSE, Buffer.from([3, 232])));
        await wire.hears(() => wire.isOver, 'end');
    },
    async packet(wire) {
        wire.say('41');
        wire.say('1');
        await wire.hears(() => wire.isOver, 'end');
    },
    async abrupt(wire) {
        wire.socket.resetAndDestroy();
    },
};
const leavePoll = {
    async orderly(wire, query, eio) {
        await wire.ask('POST', query, payload(eio, '1'));
        wire.socket.destroy();
    },
    async packet(wire, query, eio) {
        await wire.ask('POST', query, eio === 3 ? '2:411:1' : '41\x1e1');
        wire.socket.destroy();
    },
    async abrupt(wire) { // its session ends with its heartbeat
        wire.socket.resetAndDestroy();
    },
};

const openPoll = async (wire, eio, n) => {
    const query = `EIO=${eio}&transport=polling`;
    const [opened] = await wire.ask('GET', `${query}&entityId=e${n}`);
    const session = `${query}&sid=${/"sid":"([^"]+)"/.exec(opened)[1]}`;
    if (eio === 4) await wire.ask('POST', session, `40{"entityId":"e${n}"}`);
    return session;
};
const pollUntil = async (wire, query, start) => {
    for (let text = ''; !text.includes(start);) {
        [text] = await wire.ask('GET', query);
        if (text.startsWith('{')) throw new Error(text); // it was late, and has no session any more
    }
};
const kinds = {
    async polling(wire, eio, n, way) {
        const query = await openPoll(wire, eio, n);
        await wire.ask('POST', query, payload(eio, joining(n)));
        await pollUntil(wire, query, 'room_joined');
        await leavePoll[way](wire, query, eio);
    },
    async websocket(wire, eio, n, way) {
        await wire.upgrade(`EIO=${eio}&transport=websocket&entityId=e${n}`);
        if (eio === 4) wire.say(`40{"entityId":"e${n}"}`);
        await wire.hearsPacket('authenticated');
        wire.say(joining(n));
        await wire.hearsPacket('room_joined');
        await leaveSocket[way](wire);
    },
    async upgrade(wire, eio, n, way) {
        const query = await openPoll(wire, eio, n);
        await pollUntil(wire, query, 'authenticated');
        const socket = Wire.connect(cluster.edges[0].port);
        await socket.upgrade(query.replace('polling', 'websocket'));
        socket.say('2probe');
        await socket.hearsPacket('3probe');
        socket.say('5');
        socket.say(joining(n));
        await socket.hearsPacket('room_joined');
        await leaveSocket[way](socket);
        wire.socket.destroy();
    },
    // The WebSocket is lost before it is a transport; the session goes on without.
    async lostProbe(wire, eio, n, way) {
        const query = await openPoll(wire, eio, n);
        const socket = Wire.connect(cluster.edges[0].port);
        await socket.upgrade(query.replace('polling', 'websocket'));
        socket.say('2probe');
        await socket.hearsPacket('3probe');
        socket.socket.resetAndDestroy();
        await pollUntil(wire, query, 'authenticated');
        await leavePoll[way](wire, query, eio);
    },
    async refused(wire, eio) {
        const [answer] = await wire.ask('GET', `EIO=${eio}&transport=polling&sid=nobody`);
        assert.match(answer, /Session ID unknown/);
        wire.socket.destroy();
    },
};
const cycles = Object.values(kinds).flatMap((kind) => [3, 4].flatMap((eio) =>
    ['orderly', 'packet', 'abrupt'].map((way) => (n) =>
        kind(Wire.connect(cluster.edges[0].port), eio, n, way))));

// On a busy machine some take longer than a heartbeat, which none of them answers.
let late = 0;
let lateOne;
const run = async (from, to) => {
    let next = from;
    await Promise.all(Array.from({ length: WORKERS }, async () => {
        while (next < to) {
            const n = next++;
            await cycles[n % cycles.length](n).catch((error) => {
                late++;
                lateOne = error;
            });
        }
    }));
    assert.ok(late <= to * LATE_MAX, `${late} were late, one with: ${lateOne?.message}`);
    const [edge] = cluster.edges;
    const quiet = async () => (await readMetric(edge, 'elizamq_edge_sessions')) === 0 &&
        (await readMetric(edge, 'elizamq_edge_rooms')) === 0 &&
        (await readMetric(cluster.router, 'elizamq_router_members')) === 0;
    await until(quiet, 'all are gone', 2 * STEP_DEADLINE_MS);
};

const memory = () => [cluster.edges[0], cluster.router].map(({ pid }) =>
    Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024);

it(`${CYCLES} clients come and go`, { timeout: DEADLINE_MS }, async (t) => {
    const started = performance.now();
    await run(0, WARM_CYCLES);
    const earlier = memory();
    await run(WARM_CYCLES, CYCLES);
    const later = memory();
    const names = ['edge', 'router'];
    const shown = names.map((name, i) => `${name} ${earlier[i] >> 10} -> ${later[i] >> 10} KiB`);
    t.diagnostic(`RSS after ${WARM_CYCLES} and after ${CYCLES} cycles: ${shown.join(', ')}; ` +
        `${late} were late; ${((performance.now() - started) / 1000).toFixed(0)} s`);
    assert.equal(await readMetric(cluster.edges[0], 'elizamq_edge_memberships'), 0);
    if (isInstrumented()) return;
    names.forEach((name, i) => {
        assert.ok(later[i] - earlier[i] <= GROWTH_MAX, `${name} grows: ${shown[i]}`);
    });
});
