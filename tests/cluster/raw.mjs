// Engine.IO spoken by hand: what no client library would send, and every answer as it came.

import http from 'node:http';
import { WebSocket } from 'ws';

import { until, within } from '../lib/until.mjs';

const SEPARATOR = '\x1e';
const PATH = '/socket.io/?EIO=4&transport=';

const ANSWER_DEADLINE_MS = 30000;
const POLL_DEADLINE_MS = 60000;

// Resolves with {status, headers, body}. Bodies are sent as they are.
export const request = (url, {
    method = 'GET', path, headers = {}, body, agent = false, deadlineMs = ANSWER_DEADLINE_MS,
} = {}) => (
    within(new Promise((resolve, reject) => {
        const options = { method, headers, agent, ...path === undefined ? {} : { path } };
        const outgoing = http.request(url, options, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('end', () => resolve({
                status: response.statusCode, headers: response.headers,
                body: Buffer.concat(parts).toString(),
            }));
            response.on('error', reject);
        });
        outgoing.on('error', reject);
        outgoing.end(body);
    }), `an answer to ${method} ${path ?? url}`, deadlineMs));

class RawSession {
    // Packets of the server: '0{…}', '40{…}', '42[…]', …
    packets = [];
    isClosed = false;
    #waiting = new Set();   // [condition, resolve]

    received(packet) {
        this.packets.push(packet);
        for (const waiter of this.#waiting) {
            const [condition, resolve] = waiter;
            if (condition(packet)) {
                this.#waiting.delete(waiter);
                resolve(packet);
            }
        }
    }

    // Resolves with the first packet that satisfies the condition, past or to come.
    packet(condition, what) {
        const packet = this.packets.find(condition);
        if (packet !== undefined) return packet;
        return within(new Promise((resolve) => { this.#waiting.add([condition, resolve]); }), what);
    }

    // Connects to the main namespace.
    async connect(auth = {}) {
        await this.send(`40${JSON.stringify(auth)}`);
        await this.packet((text) => text.startsWith('40'), 'the CONNECT is answered');
        return this;
    }

    closed() {
        return until(() => this.isClosed, () => `the session is closed; there were ${
            this.packets.slice(-5).join(' ').slice(0, 500)}`);
    }

    // Resolves with the argument of an event's first packet that satisfies the condition.
    async event(name, condition = () => true) {
        const start = `42["${name}",`;
        const isIt = (text) => text.startsWith(start) && condition(JSON.parse(text.slice(2))[1]);
        return JSON.parse((await this.packet(isIt, `the event ${name}`)).slice(2))[1];
    }

    async ack(id) {
        const start = `43${id}[`;
        const text = await this.packet((packet) => packet.startsWith(start), `the ack ${id}`);
        return JSON.parse(text.slice(start.length - 1))[0];
    }
}

export class RawPolling extends RawSession {
    // Status of every POST.
    statuses = [];
    #url;

    static async open(url) {
        const session = new RawPolling();
        const { body } = await request(`${url}${PATH}polling`);
        session.sid = JSON.parse(body.slice(1)).sid;
        session.#url = `${url}${PATH}polling&sid=${session.sid}`;
        session.#poll();
        return session;
    }

    async #poll() {
        while (!this.isClosed) {
            const { status, body } = await request(this.#url, {
                deadlineMs: POLL_DEADLINE_MS,
            }).catch(() => ({ status: 0 }));
            if (status !== 200) {
                this.isClosed = true;
                return;
            }
            const packets = body.split(SEPARATOR);
            for (const packet of packets) {
                if (packet === '2') await this.send('3');
                else this.received(packet);
            }
            if (packets.includes('1')) this.isClosed = true;
        }
    }

    // Packets as text, or a whole payload as a buffer.
    async send(...packets) {
        const [first] = packets;
        const body = Buffer.isBuffer(first) ? first : packets.join(SEPARATOR);
        const { status } = await request(this.#url, {
            method: 'POST', headers: { 'Content-Type': 'text/plain;charset=UTF-8' }, body,
        });
        this.statuses.push(status);
    }

    async stop() {
        if (!this.isClosed) await this.send('1');
        await this.closed();
    }
}

export class RawWebSocket extends RawSession {
    #socket;

    static async open(url) {
        const session = new RawWebSocket();
        const socket = new WebSocket(`${url.replace('http', 'ws')}${PATH}websocket`);
        session.#socket = socket;
        socket.on('message', (data) => {
            const text = data.toString();
            if (text === '2') socket.send('3');
            else session.received(text);
        });
        socket.on('error', () => {});
        socket.on('close', () => { session.isClosed = true; });
        await session.packet((text) => text.startsWith('0'), 'the handshake');
        return session;
    }

    async send(...packets) {
        for (const packet of packets) this.#socket.send(packet);
    }

    // One text frame of arbitrary bytes.
    async sendText(bytes) {
        this.#socket.send(bytes, { binary: false });
    }

    async stop() {
        this.#socket.terminate();
        await this.closed();
    }
}

export const RAW_TRANSPORTS = { polling: RawPolling, websocket: RawWebSocket };
