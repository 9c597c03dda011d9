// A client as a careful application writes one: socket.io-client with its default reconnection and
// `retries`, one room, one message at a time under a messageId of its own. What it gets while it is
// a member of the room is its stream: that is to be whole and in order, whatever happens around it.

import { io } from 'socket.io-client';

import { MESSAGE, ROOM_JOINING, SEND_MESSAGE, TRANSPORTS } from '../lib/chat.mjs';
import { pause } from '../lib/until.mjs';

const ACK_TIMEOUT_MS = 8000; // longer than an edge takes to refuse: no join is under way twice
const RETRIES = 1000;       // it does not give up while the test lasts
const FIRST_RETRY_MS = 200;

export class Member {
    stream = [];            // broadcasts that came while it was a member, in order
    sent = [];              // [{messageId, isQuestion, ack, mayBeRepeated}]
    refusals = new Map();   // count by code
    joins = [];             // every room_joined
    present = new Set();    // who is in the room, as it was told
    presenceEvents = [];    // what changed it, as 'userJoined alice'
    recoveries = 0;         // connections that went on where the former one had ended
    rejoins = 0;            // those that joined again with `since`
    incomplete = 0;         // of those, the replays that were not whole
    diary = [];             // what became of its connection and what it was told of presence
    isMember = false;
    #isOver = false;
    #isJoining = false;
    #joinEvent;             // with `since`, the newest of its stream, at any time
    #pace;

    // pace() tells the ms until it speaks again, asks() whether it is a question to the agent.
    constructor({ url, name, roomId, transport, pace, asks, options = {} }) {
        Object.assign(this, { name, roomId, transport });
        this.#pace = { pace, asks };
        this.#joinEvent = { type: ROOM_JOINING, payload: { roomId, entityId: name } };
        this.socket = io(url, {
            forceNew: true, transports: TRANSPORTS[transport], auth: { entityId: name },
            retries: RETRIES, ackTimeout: ACK_TIMEOUT_MS, ...options,
        });
        this.socket.on('connect', () => this.#onConnect());
        this.socket.on('disconnect', (reason) => this.#note(`disconnect: ${reason}`));
        this.socket.on('messageBroadcast', (data) => this.#onBroadcast(data));
        this.socket.on('room_joined', (data) => this.#onJoined(data));
        this.socket.on('userJoined', ({ userId }) => {
            this.present.add(userId);
            this.presenceEvents.push(`userJoined ${userId}`);
            this.#note(`userJoined ${userId}`);
        });
        this.socket.on('userLeft', ({ userId }) => {
            this.present.delete(userId);
            this.presenceEvents.push(`userLeft ${userId}`);
            this.#note(`userLeft ${userId}`);
        });
    }

    get acknowledged() {
        return this.sent.filter(({ ack }) => ack !== null);
    }

    get isSettled() {
        return this.socket.connected && this.isMember && this.sent.every(({ ack }) => ack !== null);
    }

    // Speaks until it is told to stop(); resolves when all it has said is acknowledged.
    async speak() {
        while (!this.#isOver) {
            await this.#say();
            await pause(this.#pace.pace());
        }
    }

    stop() {
        this.#isOver = true;
    }

    close() {
        this.stop();
        this.socket.disconnect();
    }

    #count(map, key) {
        map.set(key, (map.get(key) ?? 0) + 1);
    }

    #note(what) {
        this.diary.push(`${new Date().toISOString().slice(11, 23)} ${what}`);
    }

    #onConnect() {
        this.#note(`connect: ${this.socket.id}${this.socket.recovered ? ', recovered' : ''}`);
        if (this.socket.recovered && this.isMember) {
            this.recoveries++;
            return;
        }
        if (this.joins.length > 0) this.rejoins++;
        this.isMember = false;
        if (!this.#isJoining) this.#join(); // else the one that waits is sent again by itself
    }

    async #join() {
        this.#isJoining = true;
        for (;;) {
            const ack = await this.socket.emitWithAck('message', this.#joinEvent);
            if (ack.success) break;
            this.#count(this.refusals, ack.code);
            await pause(ack.retryAfterMs ?? FIRST_RETRY_MS);
        }
        this.#isJoining = false;
    }

    #onJoined(data) {
        this.joins.push(data);
        this.#note(`room_joined: ${data.members.map(({ userId }) => userId)}`);
        this.isMember = true;
        this.present = new Set(data.members.map(({ userId }) => userId));
        this.#joinEvent.payload.since ??= data.seq;
        if (data.replay?.complete === false) this.incomplete++;
    }

    // Its own copy of a message that a new connection sent ahead of its join is not of the stream:
    // the join brings it.
    #onBroadcast(data) {
        if (!this.isMember || !this.socket.connected) return;
        this.stream.push(data);
        this.#joinEvent.payload.since = data.id;
    }

    async #say() {
        const isQuestion = this.#pace.asks();
        const messageId = `${this.name}/${this.sent.length}`;
        const entry = { messageId, isQuestion, ack: null, mayBeRepeated: false };
        const repeats = () => { entry.mayBeRepeated = true; };
        this.sent.push(entry);
        const payload = {
            senderId: this.name, senderName: this.name, roomId: this.roomId, messageId,
            message: `${messageId} is what I say`, source: 'chaos', metadata: { messageId },
        };
        this.socket.on('disconnect', repeats);
        for (;;) {
            const ack = await this.socket.emitWithAck('message', {
                type: isQuestion ? SEND_MESSAGE : MESSAGE, payload,
            });
            if (ack.success) {
                entry.ack = ack;
                this.socket.off('disconnect', repeats);
                return;
            }
            repeats();
            this.#count(this.refusals, ack.code);
            await pause(ack.retryAfterMs ?? FIRST_RETRY_MS);
        }
    }
}
