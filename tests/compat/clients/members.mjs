// The official clients of ten years, and what the tests of them do alike.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { io } from 'socket.io-client';

import { until } from '../../lib/until.mjs';

const require = createRequire(import.meta.url);

// These are told of their connection before they have said anything: their query says which parser
// they have.
const withMsgpack2 = (library) => (url, options) => library(url, {
    ...options, parser: require('socket.io-msgpack-parser-2.2'),
    query: { ...options.query, parser: 'msgpack' },
});
const withMsgpack3 = (library) => (url, options) =>
    library(url, { ...options, parser: require('socket.io-msgpack-parser') });

export const CLIENT_2_5 = require('socket.io-client-2.5');
export const LIBRARIES = {
    '1.3.0': require('socket.io-client-1.3'),
    '1.7.4': require('socket.io-client-1.7'),
    '2.0.4': require('socket.io-client-2.0'),
    '2.5.0': CLIENT_2_5,
    '3.1.3': require('socket.io-client-3.1').io,
    '4.0.2': require('socket.io-client-4.0').io,
    '4.8.4': io,
};
export const MSGPACK_LIBRARIES = {
    '2.5.0 with msgpack': withMsgpack2(CLIENT_2_5),
    '3.1.3 with msgpack': withMsgpack3(LIBRARIES['3.1.3']),
    '4.8.4 with msgpack': withMsgpack3(io),
};
export const ALL_LIBRARIES = { ...LIBRARIES, ...MSGPACK_LIBRARIES };
export const TRANSPORTS = {
    polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'],
};

const DEADLINE_MS = 60000;
const CONTROLS = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('');
export const TEXTS = [
    'Grüße, 日本, 😀 and 👩‍👩‍👧', `controls: ${CONTROLS}\x7f\u2028\u2029 \\u0041 \\n "quoted"`,
    'é', 'x'.repeat(100000),
];

// A client of any generation that writes down what it hears.
export class Member {
    heard = [];

    constructor(library, url, transport, entityId, options = {}) {
        this.entityId = entityId;
        this.socket = library(url, {
            transports: TRANSPORTS[transport], forceNew: true, reconnection: false,
            query: { entityId }, ...options,
        });
        for (const name of ['connect', 'authenticated', 'connection_established', 'room_joined',
            'userJoined', 'userLeft', 'userTyping', 'messageBroadcast', 'messageComplete',
            'messageError', 'disconnect', 'error', 'connect_error']) {
            this.socket.on(name, (data) => this.heard.push({ name, data }));
        }
    }

    all(name, condition = () => true) {
        return this.heard.filter((event) => event.name === name && condition(event.data))
            .map(({ data }) => data);
    }

    event(name, condition) {
        return until(() => this.all(name, condition)[0], () => `${name} at ${this.entityId}; ${
            JSON.stringify(this.heard.map((event) => event.name))}`, DEADLINE_MS);
    }

    // Resolves with what the callback was given.
    async ask(event, data) {
        let answer;
        this.socket.emit(event, data, (given) => { answer = given; });
        return until(() => answer, `the acknowledgement of ${event} at ${this.entityId}`,
            DEADLINE_MS);
    }

    join(roomId) {
        return this.ask('message', { type: 1, payload: { roomId, entityId: this.entityId } });
    }

    say(roomId, message, more) {
        return this.ask('message', {
            type: 2,
            payload: {
                roomId, senderId: this.entityId, senderName: this.entityId, message,
                messageId: randomUUID(), ...more,
            },
        });
    }

    stop() {
        this.socket.disconnect();
    }
}
