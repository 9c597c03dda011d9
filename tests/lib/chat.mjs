// A Socket.IO client of the cluster that remembers what it receives, in order.

import { randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';

import { until } from './until.mjs';

const ACK_TIMEOUT_MS = 30000;
const CONNECT_DEADLINE_MS = 30000;

export const TRANSPORTS = {
    polling: ['polling'],
    websocket: ['websocket'],
    upgrade: ['polling', 'websocket'],
};

export const ROOM_JOINING = 1;
export const SEND_MESSAGE = 2;
export const MESSAGE = 3;
export const ACK = 4;
export const THINKING = 5;
export const CONTROL = 6;

// Options:
//   url        of an edge, or of a proxy before it
//   transport  a key of TRANSPORTS
//   entityId   who it is; null: a guest
//   keep       names of the events to remember; null: all
//   options    further options of socket.io-client
export class ChatClient {
    // What arrived, in order: [{name, data}].
    events = [];

    constructor({
        url, transport = 'websocket', entityId = randomUUID(), keep = null, options = {},
    }) {
        this.entityId = entityId;
        this.socket = io(url, {
            forceNew: true, transports: TRANSPORTS[transport],
            reconnectionDelay: 100, reconnectionDelayMax: 500,
            auth: entityId === null ? {} : { entityId }, ...options,
        });
        this.socket.onAny((name, data) => {
            if (keep === null || keep.includes(name)) this.events.push({ name, data });
        });
    }

    get broadcasts() {
        return this.received('messageBroadcast');
    }

    get names() {
        return this.events.map(({ name }) => name);
    }

    received(name) {
        return this.events.filter((event) => event.name === name).map(({ data }) => data);
    }

    async connected() {
        try {
            await until(() => this.socket.connected, 'it is connected', CONNECT_DEADLINE_MS);
        } catch (error) {
            this.stop();
            throw error;
        }
        return this;
    }

    // Resolves with the first event of that name that satisfies the condition, past or to come.
    event(name, condition = () => true, deadlineMs = undefined) {
        return until(() => this.received(name).find(condition), () => `the event ${name}; there `
            + `were ${this.names.slice(-30).join(', ') || 'none'}`, deadlineMs);
    }

    // Resolves with the reply to the message of that id.
    reply(messageId, deadlineMs = undefined) {
        return this.event('messageBroadcast', ({ inReplyTo }) => inReplyTo === messageId,
            deadlineMs);
    }

    // Resolves with the acknowledgement.
    emit(name, ...args) {
        return this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, ...args);
    }

    message(type, payload) {
        return this.emit('message', { type, payload });
    }

    join(roomId, fields = {}) {
        const entity = this.entityId === null ? {} : { entityId: this.entityId };
        return this.message(ROOM_JOINING, { roomId, ...entity, ...fields });
    }

    send(roomId, text, fields = {}) {
        return this.message(SEND_MESSAGE, this.#payload(roomId, text, fields));
    }

    // Sends what no agent is asked about.
    say(roomId, text, fields = {}) {
        return this.message(MESSAGE, this.#payload(roomId, text, fields));
    }

    // Everything that was on its way to this client when it is called has been received when this
    // resolves: an acknowledgement comes behind it, having been to the router.
    async settle(roomId) {
        await this.message(ROOM_JOINING, { roomId, entityId: this.entityId });
    }

    stop() {
        this.socket.disconnect();
    }

    #payload(roomId, text, fields) {
        const sender = this.entityId === null ? {} : { senderId: this.entityId };
        return {
            ...sender, senderName: 'Tester', message: text, roomId, messageId: randomUUID(),
            source: 'cluster_test', ...fields,
        };
    }
}

export const connectClient = (options) => new ChatClient(options).connected();

// Clients that end with a test: afterEach(clients.stop).
export class Clients {
    #clients = [];

    connect = async (options) => {
        const client = new ChatClient(options);
        this.#clients.push(client);
        return client.connected();
    };

    stop = () => {
        for (const client of this.#clients) client.stop();
        this.#clients = [];
    };
}
