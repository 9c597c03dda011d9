// The same conversations with our sessions and with socket.io, and what each of them said.
//
// A conversation is a list of steps, one line each:
//
//     open [QUERY]             a polling handshake, whose sid the steps after it use
//     GET [QUERY]              a poll            POST BODY            a payload, as text
//     octets HEX               a payload, as application/octet-stream
//     METHOD /?QUERY [BODY]    any request; SID stands for the session's id
//     park / parked            a GET that is left waiting / its answer
//     ws [QUERY]               a WebSocket: of its own, or with sid=SID in the query an upgrade
//     say TEXT / bytes HEX     a message on it
//     frame OPCODE TEXT        a frame of it, as it is
//     hear                     everything that it was told until now, and whether it is still open
//     end / lose               closes it with a close frame / without

import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import { Server } from 'socket.io';

import { until, within } from '../lib/until.mjs';
import { EchoServer, frame, PING, RawWebSocket, BINARY, TEXT } from './engineio_wire.mjs';

export const MAX_BUFFER = 5000;
export const NO_ANSWER = 'no answer';
const ANSWER_DEADLINE_MS = 4000;
const SID_BYTES = 18; // so that sids are as long as ours

// socket.io with the application of the echo server.
class Reference {
    static async start() {
        const self = new Reference();
        self.http = createServer((_, response) => response.writeHead(404).end());
        self.io = new Server(self.http, {
            allowEIO3: true, maxHttpBufferSize: MAX_BUFFER, serveClient: false,
            cors: { origin: true, credentials: true },
        });
        self.io.engine.generateId = () => randomBytes(SID_BYTES).toString('base64url');
        for (const name of ['/', '/custom']) {
            self.io.of(name).on('connection', Reference.#serve);
        }
        await new Promise((resolve) => { self.http.listen(0, '127.0.0.1', resolve); });
        self.port = self.http.address().port;
        return self;
    }

    static #serve(socket) {
        const { handshake, conn } = socket;
        socket.emit('auth',
            conn.protocol === 3 && !conn.isKnown ? handshake.query : handshake.auth);
        conn.isKnown = true;
        socket.on('message', (...args) => socket.emit('message-back', ...args));
        socket.on('message-with-ack', (...args) => args.pop()?.(...args));
        socket.on('bye', () => socket.disconnect());
        socket.on('error', () => {});
    }

    stop() {
        return new Promise((resolve) => { this.io.close(resolve); });
    }
}

export const startBoth = async () => ({
    ours: await EchoServer.start('--eio3', '--max-buffer', String(MAX_BUFFER)),
    theirs: await Reference.start(),
});

// Ids are of no account, and close codes are ours to choose.
const level = (text) => text.replace(/(sid\\*":\\*")[\w-]+/g, '$1SID');

const ask = (port, method, query, { body, type, onSent } = {}) => new Promise((resolve, reject) => {
    const sent = request({
        port, method, path: `/socket.io/?${query}`, agent: false, timeout: ANSWER_DEADLINE_MS,
        headers: {
            ...type === undefined ? {} : { 'content-type': type },
            ...body === undefined ? {} : { 'content-length': body.length },
        },
    }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
            const bytes = Buffer.concat(parts);
            const isText = response.headers['content-type'] !== 'application/octet-stream';
            resolve({
                status: response.statusCode,
                type: response.headers['content-type'] ?? '',
                body: isText ? bytes.toString() : bytes.toString('hex'),
            });
        });
    });
    sent.on('timeout', () => {
        sent.destroy();
        resolve({ status: 0, type: '', body: NO_ANSWER });
    });
    sent.on('error', () => resolve({ status: 0, type: '', body: 'connection lost' }));
    onSent?.(new Promise((finished) => { sent.once('finish', finished); }));
    sent.end(body);
});

const told = ({ status, type, body }) => level([status, type, body].filter(Boolean).join(' '));

class Conversation {
    said = [];
    #sid = 'none';
    #parked = [];
    #sockets = [];

    constructor(port, eio) {
        this.port = port;
        this.base = `EIO=${eio}`;
    }

    get #socket() {
        return this.#sockets.at(-1);
    }

    #poll(more = '') {
        return `${this.base}&transport=polling&sid=${this.#sid}${more}`;
    }

    async open(query) {
        const answer = await ask(this.port, 'GET', `${this.base}&transport=polling${query}`);
        this.#sid = /sid\\?":\\?"([\w-]+)/.exec(answer.body)?.[1] ?? 'none';
        return told(answer);
    }

    async GET(query) {
        return told(await ask(this.port, 'GET', this.#poll(query)));
    }

    async POST(body) {
        return told(await ask(this.port, 'POST', this.#poll(), {
            body: Buffer.from(body), type: 'text/plain;charset=UTF-8',
        }));
    }

    async octets(hex) {
        return told(await ask(this.port, 'POST', this.#poll(), {
            body: Buffer.from(hex, 'hex'), type: 'application/octet-stream',
        }));
    }

    async any(method, rest) {
        const [query, ...body] = rest.replaceAll('SID', this.#sid).split(' ');
        return told(await ask(this.port, method, query.slice(2),
            body.length > 0 ? { body: Buffer.from(body.join(' ')), type: 'text/plain' } : {}));
    }

    // It is there before whatever comes behind it: the server has answered a later request.
    async park() {
        let sent;
        this.#parked.push(ask(this.port, 'GET', this.#poll(), { onSent: (done) =>
            { sent = done; } }));
        await within(sent, 'a GET on its way');
        await ask(this.port, 'GET', 'transport=none');
    }

    async parked() {
        return told(await this.#parked.shift());
    }

    async ws(query) {
        const socket = await RawWebSocket.open(this.port, {
            target: `/socket.io/?${this.base}&transport=websocket${query}`
                .replaceAll('SID', this.#sid),
        });
        this.#sockets.push(socket);
        const { status } = socket.handshake ?? { status: 0 };
        return status === 101 ? '101' : level(`${status} ${socket.client.received}`);
    }

    say(text) {
        this.#socket.write(frame(TEXT, text));
    }

    bytes(hex) {
        this.#socket.write(frame(BINARY, Buffer.from(hex, 'hex')));
    }

    frame(rest) {
        const [opcode, ...text] = rest.split(' ');
        this.#socket.write(frame(Number(opcode), text.join(' ')));
    }

    // Two pings are two turns of the server's loop: what it has to say it has said by then.
    async hear() {
        const socket = this.#socket;
        const isOver = () => socket.closeCode !== null || socket.client.ended ||
            socket.client.error !== null;
        const heard = [];
        const listen = () => heard.push(...socket.read().map((message) => (
            typeof message === 'string' ? level(message) : `<${message.toString('hex')}>`)));
        for (let round = 1; round <= 2 && !isOver(); round++) {
            const pongs = socket.pongs.length;
            socket.write(frame(PING, String(round)));
            await until(() => {
                listen();
                return socket.pongs.length > pongs || isOver();
            }, 'a pong');
        }
        listen();
        return [...heard, isOver() ? 'closed' : 'open'].join(' ');
    }

    end() {
        this.#socket.write(frame(8, Buffer.from([3, 232])));
    }

    lose() {
        this.#socket.destroy();
    }

    async take(line) {
        const [word, ...words] = line.split(' ');
        const rest = words.join(' ');
        const isRequest = word === word.toUpperCase() && rest.startsWith('/');
        const answer = await (isRequest ? this.any(word, rest) : this[word](rest));
        if (answer !== undefined) this.said.push(`${line} -> ${answer}`);
    }

    stop() {
        for (const socket of this.#sockets) socket.destroy();
    }
}

// What that server says to the steps, one line each.
export const converse = async (server, eio, steps) => {
    const conversation = new Conversation(server.port, eio);
    try {
        for (const step of steps) await conversation.take(step);
        return conversation.said;
    } finally {
        conversation.stop();
    }
};
