// The HTTP test server as a process, and clients that write bytes rather than requests.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { until, within } from '../lib/until.mjs';

const rootDir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const program = path.resolve(rootDir, process.env.BUILD ?? 'build', 'tests/http-server');
const CLOCK_TICK_MS = 10;

// Sanitizers change what memory and time things take: figures are not judged then.
export const isInstrumented = () => fs.readFileSync(program).includes('__asan_init');

export const request = (method, target, headers = '', body = '') =>
    `${method} ${target} HTTP/1.1\r\nHost: test\r\n${headers}\r\n${body}`;
export const get = (target, headers) => request('GET', target, headers);
export const post = (target, body, headers = '') =>
    request('POST', target, `Content-Length: ${Buffer.byteLength(body)}\r\n${headers}`, body);

const takeChunks = (text) => {
    let body = '';
    for (;;) {
        const line = /^([0-9a-f]+)\r\n/.exec(text);
        if (!line) return null;
        const length = parseInt(line[1], 16);
        const end = line[0].length + length + 2;
        if (text.length < end) return null;
        body += text.slice(line[0].length, end - 2);
        text = text.slice(end);
        if (length === 0) return { body, rest: text };
    }
};

// A connection. Bytes are latin1 text throughout.
export class Client {
    received = '';
    ended = false;   // the server's FIN was seen
    error = null;    // or a reset

    static async connect(port, host = '127.0.0.1') {
        const client = new Client();
        client.socket = net.connect({ port, host, allowHalfOpen: true, noDelay: true });
        client.socket.setEncoding('latin1');
        client.socket.on('data', (text) => { client.received += text; });
        client.socket.on('end', () => { client.ended = true; });
        client.socket.on('error', (error) => { client.error = error; });
        await within(new Promise((resolve, reject) => {
            client.socket.once('connect', resolve);
            client.socket.once('error', reject);
        }), 'a connection');
        return client;
    }

    write(text) {
        this.socket.write(text, 'latin1');
    }

    // Each byte in a segment of its own, as far as the kernel can be made to.
    async drip(text) {
        for (const byte of text) {
            await new Promise((resolve) => { this.socket.write(byte, 'latin1', resolve); });
        }
    }

    // The next whole response is taken off what was received.
    async answer({ method = 'GET' } = {}) {
        return until(() => this.#take(method), () =>
            `a whole response, got ${JSON.stringify(this.received.slice(0, 300))} ${this.error ?? ''}`);
    }

    #take(method) {
        const end = this.received.indexOf('\r\n\r\n');
        if (end < 0) return null;
        const [line, ...lines] = this.received.slice(0, end).split('\r\n');
        const headers = Object.fromEntries(lines.map((text) => {
            const colon = text.indexOf(': ');
            return [text.slice(0, colon).toLowerCase(), text.slice(colon + 2)];
        }));
        const status = Number(line.split(' ')[1]);
        const rest = this.received.slice(end + 4);
        const whole = (body, left) => {
            this.received = left;
            return { status, line, headers, body };
        };
        if (method === 'HEAD' || status === 204 || status === 304 || status < 200) {
            return whole('', rest);
        }
        if (headers['transfer-encoding'] === 'chunked') {
            const taken = takeChunks(rest);
            return taken && whole(taken.body, taken.rest);
        }
        if (headers['content-length'] === undefined) return this.ended ? whole(rest, '') : null;
        const length = Number(headers['content-length']);
        return rest.length < length ? null : whole(rest.slice(0, length), rest.slice(length));
    }

    // The server has closed, and said nothing more than was taken.
    async closed(deadlineMs) {
        await until(() => this.ended || this.error, 'the end of the connection', deadlineMs);
        return { rest: this.received, wasReset: this.error?.code === 'ECONNRESET' };
    }

    finish() {
        this.socket.end();
    }

    reset() {
        this.socket.resetAndDestroy();
    }

    destroy() {
        this.socket.destroy();
    }
}

export class Server {
    log = '';

    static async start(settings = {}, { files } = {}) {
        const server = new Server();
        const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
        server.process = files
            ? spawn('sh', ['-c', `ulimit -n ${files}; exec "$0" "$@"`, program, ...words])
            : spawn(program, words);
        let out = '';
        server.process.stdout.on('data', (data) => { out += data; });
        server.process.stderr.on('data', (data) => { server.log += data; });
        let hasEnded = false;
        server.exit = new Promise((resolve) => {
            server.process.on('close', (code) => {
                hasEnded = true;
                resolve({ code, out, log: server.log });
            });
        });
        await until(() => hasEnded || out.includes('\n'), 'listening');
        if (hasEnded) throw new Error(server.log);
        server.port = Number(/listening (\d+)/.exec(out)[1]);
        return server;
    }

    connect(host) {
        return Client.connect(this.port, host);
    }

    async state() {
        const client = await this.connect();
        client.write(get('/state'));
        const { body } = await client.answer();
        client.destroy();
        return JSON.parse(body);
    }

    // Sends one request on a connection of its own.
    async ask(text, method) {
        const client = await this.connect();
        client.write(text);
        const answer = await client.answer({ method });
        client.destroy();
        return answer;
    }

    cpuMs() {
        const fields = fs.readFileSync(`/proc/${this.process.pid}/stat`, 'latin1').split(' ');
        return (Number(fields[13]) + Number(fields[14])) * CLOCK_TICK_MS;
    }

    rss() {
        const status = fs.readFileSync(`/proc/${this.process.pid}/status`, 'latin1');
        return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
    }

    // Ends the process as an operator would, and sees that nothing was left behind.
    async stop(signal = 'SIGINT') {
        this.process.kill(signal);
        const { code, log } = await within(this.exit, 'the end of the server');
        if (code !== 0) throw new Error(`exit status ${code}: ${log}`);
    }
}
