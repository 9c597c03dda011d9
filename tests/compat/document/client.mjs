// Runs the document's JavaScript as it stands and records what it receives and prints.

import { randomUUID, webcrypto } from 'node:crypto';
import vm from 'node:vm';
import { io } from 'socket.io-client';

import { until } from '../../lib/until.mjs';
import { findBlock, substitute } from './blocks.mjs';

const DOCUMENT_URL = 'http://localhost:3000';

// The first is what the document's clients ask for; the others are forced upon them.
export const TRANSPORTS = {
    upgrade: null,
    polling: ['polling'],
    websocket: ['websocket'],
};

// Clients before 3.x have no onAny().
const onAnyEvent = (socket, listener) => {
    if (socket.onAny) {
        socket.onAny(listener);
        return;
    }
    const { onevent } = socket;
    socket.onevent = function (packet) {
        listener(...packet.data);
        onevent.call(this, packet);
    };
};

export class DocumentClient {
    #context;
    #sockets = [];
    // What arrived: [{name, data}], and what the document's code printed: [[argument, …]].
    events = [];
    printed = [];

    constructor({ url, roomId, entityId = randomUUID(), transport = 'upgrade', library = io }) {
        const transports = TRANSPORTS[transport];
        const print = (...args) => this.printed.push(args);
        const connect = (address, options) => {
            const socket = library(address,
                { ...options, forceNew: true, ...transports ? { transports } : {} });
            onAnyEvent(socket, (name, data) => this.events.push({ name, data }));
            this.#sockets.push(socket);
            return socket;
        };
        Object.assign(this, { url, roomId, entityId, transport });
        this.#context = vm.createContext({
            console: { log: print, error: print },
            crypto: webcrypto,
            fetch: (path, options) => fetch(new URL(path, url), options),
            io: connect,
            TextDecoder,
            userId: entityId,
        });
    }

    get socket() {
        return this.#sockets[0];
    }

    // Runs code beside what ran before, as if it stood in the same file. An import becomes what a
    // bundler makes of it: the name is there already.
    run(code) {
        return vm.runInContext(code.replace(/^import .*$/gm, ''), this.#context);
    }

    received(name) {
        return this.events.filter((event) => event.name === name).map(({ data }) => data);
    }

    get broadcasts() {
        return this.received('messageBroadcast');
    }

    hasPrinted(text) {
        return this.printed.some(([first]) => typeof first === 'string' && first.includes(text));
    }

    // Resolves with the first event of that name that satisfies the condition, past or to come.
    event(name, condition = () => true, what = name) {
        return until(() => this.received(name).find(condition), () => `${what}; it received ${
            this.events.map((event) => event.name).join(', ') || 'nothing'}`);
    }

    // Resolves with {own, reply}: the message with that text, and the agent's answer to it.
    async exchange(text) {
        const own = await this.event('messageBroadcast', (data) => data.text === text,
            `the broadcast of "${text}"`);
        const reply = await this.event('messageBroadcast', (data) => data.inReplyTo === own.id,
            `the reply to "${text}"`);
        return { own, reply };
    }

    stop() {
        for (const socket of this.#sockets) socket.disconnect();
    }
}

// "Minimal Socket.IO Client": joins when it is connected.
export const startMinimalClient = (options) => {
    const client = new DocumentClient(options);
    client.run(substitute(findBlock('Minimal Socket.IO Client', 'javascript'), {
        [DOCUMENT_URL]: client.url,
        'your-entity-id': client.entityId,
        'your-room-id': client.roomId,
    }));
    client.send = client.run('sendMessageToEliza');
    return client;
};

export const MODERN_FIRST_TEXT = 'Hello from extension!';

export const modernClientCode = ({ url, entityId, roomId }) => substitute(
    findBlock('Modern Implementation (Socket.IO v4.x)', 'javascript'), {
        [DOCUMENT_URL]: url,
        'my-extension-id': entityId,
        'agent-room-id': roomId,
    });

// "Modern Implementation": says its first text before it is connected, and joins afterwards.
export const startModernClient = (options) => {
    const client = new DocumentClient(options);
    client.run(modernClientCode(client));
    client.send = client.run('(text) => client.sendMessage(text)');
    return client;
};
