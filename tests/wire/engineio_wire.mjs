// The echo server as a process, and a WebSocket client that writes frames rather than messages.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { until, within } from '../lib/until.mjs';
import { Client } from './http_wire.mjs';

const rootDir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const program = path.resolve(rootDir, process.env.BUILD ?? 'build', 'tests/echo-server');
const CLOCK_TICK_MS = 10;

// Sanitizers change what memory and time things take: figures are not judged then.
export const isInstrumented = () => fs.readFileSync(program).includes('__asan_init');

export const SEPARATOR = '\x1e';
export const POLLING = '/socket.io/?EIO=4&transport=polling';
const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket';

export class EchoServer {
    out = '';
    log = '';

    static async start(...words) {
        const server = new EchoServer();
        server.process = spawn(program, words);
        server.process.stdout.on('data', (data) => { server.out += data; });
        server.process.stderr.on('data', (data) => { server.log += data; });
        let hasEnded = false;
        server.exit = new Promise((resolve) => {
            server.process.on('close', (code) => {
                hasEnded = true;
                resolve(code);
            });
        });
        await until(() => hasEnded || server.out.includes('\n'), 'listening');
        if (hasEnded) throw new Error(server.log);
        server.port = Number(/listening (\d+)/.exec(server.out)[1]);
        server.url = `http://127.0.0.1:${server.port}`;
        return server;
    }

    // One request, by fetch: {status, headers, text}.
    async ask(target, options) {
        const answer = await fetch(this.url + target, options);
        return { status: answer.status, headers: answer.headers, text: await answer.text() };
    }

    get(sid) {
        return this.ask(`${POLLING}&sid=${sid}`);
    }

    async post(sid, body, headers = { 'content-type': 'text/plain;charset=UTF-8' }) {
        return this.ask(`${POLLING}&sid=${sid}`, { method: 'POST', body, headers });
    }

    async openPolling() {
        const { text } = await this.ask(POLLING);
        return JSON.parse(text.slice(1)).sid;
    }

    openWebSocket(options) {
        return RawWebSocket.open(this.port, options);
    }

    // A WebSocket whose client has joined the main namespace.
    async join(options) {
        const socket = await this.openWebSocket(options);
        await socket.next();
        socket.say('40');
        await socket.next();
        await socket.next();
        return socket;
    }

    async counters() {
        const seen = this.out.length;
        this.process.kill('SIGUSR1');
        await until(() => this.out.indexOf('\n', seen) > 0, 'counters');
        return Object.fromEntries(this.out.slice(seen).trim().split(' ').map((pair) => {
            const [name, value] = pair.split('=');
            return [name, Number(value)];
        }));
    }

    counted(name, value) {
        return until(async () => (await this.counters())[name] === value, `${name}=${value}`);
    }

    cpuMs() {
        const fields = fs.readFileSync(`/proc/${this.process.pid}/stat`, 'latin1').split(' ');
        return (Number(fields[13]) + Number(fields[14])) * CLOCK_TICK_MS;
    }

    rss() {
        const status = fs.readFileSync(`/proc/${this.process.pid}/status`, 'latin1');
        return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
    }

    isStopped() {
        const stat = fs.readFileSync(`/proc/${this.process.pid}/stat`, 'latin1');
        return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
    }

    async stop() {
        this.process.kill('SIGTERM');
        const code = await within(this.exit, 'the end of the server');
        if (code !== 0) throw new Error(`exit status ${code}: ${this.log}`);
    }
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export const frame = (opcode, payload, { final = true, mask = Buffer.from([1, 2, 3, 4]) } = {}) => {
    const data = Buffer.from(payload);
    const head = [(final ? 0x80 : 0) | opcode];
    const bit = mask ? 0x80 : 0;
    if (data.length < 126) head.push(bit | data.length);
    else if (data.length < 65536) head.push(bit | 126, data.length >> 8, data.length & 255);
    else head.push(bit | 127, 0, 0, 0, 0, data.length >>> 24, data.length >> 16 & 255,
        data.length >> 8 & 255, data.length & 255);
    if (mask) data.forEach((byte, i) => { data[i] = byte ^ mask[i % 4]; });
    return Buffer.concat([Buffer.from(head), mask ?? Buffer.alloc(0), data]);
};

export class RawWebSocket {
    #bytes = Buffer.alloc(0);
    #messages = [];
    handshake = null; // {status, headers}
    closeCode = null; // of a close frame; 0: one without
    pongs = [];

    static async open(port, { query = '', headers = '', early = Buffer.alloc(0), version = 13,
        key = 'dGhlIHNhbXBsZSBub25jZQ==', target = WEBSOCKET + query } = {}) {
        const self = new RawWebSocket();
        self.client = await Client.connect(port);
        self.socket = self.client.socket;
        const head = `GET ${target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n`
            + `Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: ${version}\r\n`
            + `Sec-WebSocket-Key: ${key}\r\n${headers}\r\n`;
        self.socket.write(Buffer.concat([Buffer.from(head), early]));
        if (target.includes('websocket')) {
            await until(() => self.client.received.includes('\r\n\r\n') || self.client.ended
                || self.client.error, 'an answer to the upgrade');
            self.#takeHandshake();
        }
        return self;
    }

    #takeHandshake() {
        const text = this.client.received;
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return;
        const [line, ...lines] = text.slice(0, end).split('\r\n');
        this.handshake = {
            status: Number(line.split(' ')[1]),
            headers: Object.fromEntries(lines.map((header) => {
                const colon = header.indexOf(': ');
                return [header.slice(0, colon).toLowerCase(), header.slice(colon + 2)];
            })),
        };
        this.client.received = text.slice(end + 4);
    }

    write(bytes) {
        this.socket.write(bytes);
    }

    say(text) {
        this.write(frame(TEXT, text));
    }

    #parse() {
        this.#bytes = Buffer.concat([this.#bytes, Buffer.from(this.client.received, 'latin1')]);
        this.client.received = '';
        for (;;) {
            const bytes = this.#bytes;
            if (bytes.length < 2) return;
            if ((bytes[1] & 0x80) !== 0) throw new Error('a masked frame from the server');
            if ((bytes[0] & 0x70) !== 0) throw new Error('reserved bits');
            let length = bytes[1] & 0x7f;
            let head = 2;
            if (length === 126 && bytes.length >= 4) {
                length = bytes.readUInt16BE(2);
                head = 4;
            } else if (length === 127 && bytes.length >= 10) {
                length = Number(bytes.readBigUInt64BE(2));
                head = 10;
            }
            if (bytes.length < head + length || (length > 125 && head === 2)) return;
            this.#take(bytes[0], bytes.subarray(head, head + length));
            this.#bytes = bytes.subarray(head + length);
        }
    }

    #take(first, payload) {
        const opcode = first & 0x0f;
        if ((first & 0x80) === 0) throw new Error('a fragment from the server');
        if (opcode === TEXT) this.#messages.push(payload.toString());
        else if (opcode === BINARY) this.#messages.push(payload);
        else if (opcode === PONG) this.pongs.push(payload.toString());
        else if (opcode === CLOSE) this.closeCode = payload.length < 2 ? 0 : payload.readUInt16BE(0);
        else throw new Error(`opcode ${opcode} from the server`);
    }

    // The messages that have come and were not taken yet.
    read() {
        this.#parse();
        return this.#messages.splice(0);
    }

    // The next message.
    next(deadlineMs) {
        return until(() => {
            this.#parse();
            return this.#messages.shift();
        }, () => `a message (closed with ${this.closeCode}, ${this.client.error ?? 'no error'})`,
        deadlineMs);
    }

    // Resolves when the connection has ended: the code of the server's close frame, or null.
    async closed(deadlineMs) {
        await until(() => {
            this.#parse();
            return this.closeCode !== null || this.client.ended || this.client.error;
        }, 'the end of the connection', deadlineMs);
        return this.closeCode;
    }

    ponged() {
        return until(() => {
            this.#parse();
            return this.pongs.shift();
        }, 'a pong');
    }

    destroy() {
        this.client.destroy();
    }
}
