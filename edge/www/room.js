// One room on one Socket.IO connection: joins it, again after each reconnect, keeps a Conversation
// and the People in it up to date, and sees to it that what we say is sent exactly once. Knows
// nothing of the page, which listens to the events `status`, `people`, `activity` and `notice`.

import { Conversation, toMillis } from './conversation.js';
import { People } from './people.js';

const MESSAGE_TYPE = { join: 1, send: 2, control: 6 };

const ANSWER_TIMEOUT_MS = 10000;
const REJOIN_DELAY_MS = 2000;
const RECONNECT_DELAY_MS = 3000;
const TYPING_REPEAT_MS = 3000;
const TYPING_PAUSE_MS = 4000;
const STREAM_IDLE_MS = 30000;
const TICK_MS = 1000;
const HISTORY_PAGE = 50;
const MAX_CATCH_UP_PAGES = 20;

const KEY_REFUSED = 'Invalid or missing API Key'; // as the server says it

// Why nobody answers; any other reason: nobody can.
const UNANSWERED = {
    not_addressed: 'no agent is addressed: write @ and its name',
    agents_away: 'the agents are away',
};

// crypto.randomUUID() exists only on secure origins; a phone may be on plain http.
export const randomId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

export class Room extends EventTarget {
    #socket;
    #apiKey;
    #isJoined = false;
    #isClosed = false;
    // The message after which the last join asked for what it missed.
    #since = null;
    // The message after which something may still be missing, null if nothing is.
    #gapAfter = null;
    #isTyping = false;
    #typingSentAt = 0;
    #typingPause;
    #ticker;
    #timers = new Set();

    // connecting, joining, joined, lost, refused; `detail` says why it was refused
    state = 'connecting';
    detail = '';
    // It was refused for want of a key that is right: another Room is to be made with one.
    wantsKey = false;
    // The name of the edge that serves us.
    edge = '';

    // apiKey: empty for a server that wants none.
    constructor({ io, roomId, selfId, displayName, apiKey }) {
        super();
        this.#apiKey = apiKey;
        this.roomId = roomId;
        this.selfId = selfId;
        this.displayName = displayName;
        this.conversation = new Conversation(selfId);
        this.people = new People(selfId, displayName);
        this.#socket = io({
            auth: { entityId: selfId, ...(apiKey && { apiKey }) },
            forceNew: true,
            autoConnect: false,
            reconnectionDelay: 500,
            reconnectionDelayMax: 5000,
        });
        this.#listen();
    }

    open() {
        this.#ticker = setInterval(() => this.#tick(), TICK_MS);
        this.#socket.connect();
    }

    // Leaves the room for good: nothing is heard of it again.
    close() {
        this.#isClosed = true;
        this.conversation.onPut = () => {};
        this.conversation.onRemove = () => {};
        this.#socket.off();
        this.#socket.disconnect();
        clearInterval(this.#ticker);
        clearTimeout(this.#typingPause);
        for (const timer of this.#timers) clearTimeout(timer);
        this.#timers.clear();
    }

    // Tries at once instead of at the next turn, for instance because the network came back.
    wake() {
        if (this.#socket.connected) return;
        this.#socket.disconnect();
        this.#socket.connect();
    }

    get transport() {
        return this.#socket.connected ? this.#socket.io.engine.transport.name : '';
    }

    send(text) {
        this.#stopTyping(false);
        const entry = this.conversation.draft({
            clientMessageId: randomId(), senderName: this.displayName, text,
        });
        if (this.#isJoined) this.#transmit(entry);
    }

    // The same message with the same id: if it did arrive, it is not said twice.
    retry(entry) {
        this.conversation.mark(entry, 'waiting');
        if (this.#isJoined) this.#transmit(entry);
    }

    typing(hasText) {
        clearTimeout(this.#typingPause);
        if (!hasText) {
            this.#stopTyping(true);
            return;
        }
        const now = Date.now();
        if (!this.#isTyping || now - this.#typingSentAt >= TYPING_REPEAT_MS) {
            this.#isTyping = true;
            this.#typingSentAt = now;
            this.#emitTyping();
        }
        this.#typingPause = setTimeout(() => this.#stopTyping(true), TYPING_PAUSE_MS);
    }

    stopReply() {
        if (!this.#isJoined) return;
        this.#socket.emit('message', {
            type: MESSAGE_TYPE.control,
            payload: { action: 'stop', channelId: this.roomId, roomId: this.roomId },
        });
    }

    // The page of history before the oldest message shown; it may overlap by what was sent in the
    // same millisecond.
    fetchEarlier() {
        return this.#fetchHistory(this.conversation.oldest.createdAt + 1);
    }

    // Returns whether there may be more.
    addEarlier(page) {
        return this.conversation.receiveHistory(page) > 0 && page.length === HISTORY_PAGE;
    }

    #listen() {
        const socket = this.#socket;
        const ours = (handle) => (data) => {
            if ((data?.channelId ?? data?.roomId) === this.roomId) handle(data);
        };
        socket.on('connect', () => this.#handleConnect());
        socket.on('disconnect', (reason) => this.#handleDisconnect(reason));
        socket.on('connect_error', (error) => this.#handleConnectError(error));
        socket.on('connection_established', (data) => {
            this.edge = data?.edge ?? '';
            this.#emit('status');
        });
        socket.on('room_joined', ours((data) => this.#handleJoined(data)));
        socket.on('messageBroadcast', ours((data) => this.#handleBroadcast(data)));
        socket.on('messageAck', (data) => this.#handleAck(data));
        socket.on('messageError', (data) => this.#handleRefusal(data));
        socket.on('messageStreamChunk', ours((data) => this.#handleChunk(data)));
        socket.on('messageStreamError', ours((data) => this.conversation.receiveError(data)));
        socket.on('messageComplete', ours((data) => this.#handleComplete(data)));
        socket.on('controlMessage', ours(({ action }) => {
            if (action === 'agents_stopped') {
                this.#emit('notice', 'The agents talked for long enough; say something to go on');
            }
        }));
        socket.on('thinking', ours(({ userId, displayName, isThinking }) => {
            if (displayName) this.people.learnName(userId, displayName);
            this.people.setThinking(userId, isThinking, Date.now());
            this.#emit('activity');
        }));
        socket.on('userTyping', ours(({ userId, isTyping }) => {
            this.people.setTyping(userId, isTyping, Date.now());
            this.#emit('activity');
        }));
        socket.on('userJoined', ours(({ userId, displayName, memberCount }) => {
            const isNews = this.people.join(userId, displayName, memberCount);
            if (isNews) this.#announce(userId, 'joined');
        }));
        socket.on('userLeft', ours(({ userId, displayName, memberCount }) => {
            const isNews = this.people.leave(userId, displayName, memberCount);
            if (isNews) this.#announce(userId, 'left');
        }));
    }

    #handleConnect() {
        const { engine } = this.#socket.io;
        engine.once('upgrade', () => this.#emit('status'));
        this.#enter('joining');
        this.#join();
    }

    #handleDisconnect(reason) {
        this.#isJoined = false;
        this.#isTyping = false;
        for (const entry of this.conversation.unsent) this.conversation.mark(entry, 'waiting');
        this.people.stopThinking();
        this.#emit('activity');
        this.#enter('lost');
        // The client comes back by itself, except when it was told to leave.
        if (reason === 'io server disconnect') this.#later(RECONNECT_DELAY_MS, () => this.wake());
    }

    #handleConnectError(error) {
        if (this.#socket.active) {
            this.#enter('lost');
            return;
        }
        this.wantsKey = error.message === KEY_REFUSED;
        this.#enter('refused', error.message);
        if (!this.wantsKey) this.#later(RECONNECT_DELAY_MS, () => this.wake());
    }

    #join() {
        this.#since = this.#gapAfter ?? this.conversation.newest?.id ?? null;
        const payload = {
            roomId: this.roomId, entityId: this.selfId, displayName: this.displayName,
            ...(this.#since && { since: this.#since }),
        };
        this.#request({ type: MESSAGE_TYPE.join, payload }, (answer) => {
            if (this.#isJoined) return;
            if (answer && answer.success !== false) {
                this.#handleJoined(answer);
                return;
            }
            if (answer) this.#enter('refused', answer.error);
            this.#later(answer?.retryAfterMs ?? REJOIN_DELAY_MS, () => {
                if (this.#socket.connected && !this.#isJoined) this.#join();
            });
        });
    }

    #handleJoined({ members = [], memberCount, replay }) {
        this.people.reset(members, memberCount);
        this.#emit('people');
        if (this.#isJoined) return;
        this.#isJoined = true;
        this.#enter('joined');
        const isGapless = this.#since !== null && replay?.complete !== false;
        this.#gapAfter = isGapless ? null : this.#since;
        if (!isGapless) this.#catchUp(this.#since);
        for (const entry of this.conversation.unsent) this.#transmit(entry);
    }

    #transmit(entry) {
        const { clientMessageId } = entry;
        this.conversation.mark(entry, 'sending');
        const payload = {
            senderId: this.selfId, senderName: this.displayName, message: entry.text,
            roomId: this.roomId, messageId: clientMessageId, source: 'client_chat',
            attachments: [], metadata: {},
        };
        this.#request({ type: MESSAGE_TYPE.send, payload }, (answer) => {
            if (answer === null) {
                if (entry.state === 'sending') {
                    this.conversation.refuse(clientMessageId, 'no answer');
                }
            } else if (answer.success === false) {
                this.conversation.refuse(clientMessageId, answer.error);
            } else {
                this.#handleAck({ clientMessageId, ...answer });
            }
        });
    }

    // Calls back with the answer, or with null when none came although the connection stands.
    #request(message, answered) {
        const { id } = this.#socket;
        this.#socket.timeout(ANSWER_TIMEOUT_MS).emit('message', message, (error, answer) => {
            if (this.#socket.id === id) answered(error ? null : answer);
        });
    }

    #handleAck({ clientMessageId, messageId, code, reason }) {
        if (!clientMessageId) return;
        const why = UNANSWERED[reason] ?? 'nobody can answer here right now';
        const note = code === 'no_agent' ? `Sent, but ${why}` : null;
        this.conversation.acknowledge(clientMessageId, messageId, note);
    }

    #handleRefusal({ clientMessageId, error }) {
        if (clientMessageId) {
            this.conversation.refuse(clientMessageId, error);
        } else if (error) {
            this.#emit('notice', error);
        }
    }

    #handleBroadcast(data) {
        const { senderId, senderName } = data;
        const entry = this.conversation.receive(data);
        if (!entry) return;
        this.people.setTyping(senderId, false);
        this.people.setThinking(senderId, false);
        const isNewName = this.people.learnName(senderId, senderName);
        const isNewAgent = entry.isAgent && this.people.learnAgent(senderId);
        if (isNewName || isNewAgent) this.#emit('people');
        this.#emit('activity');
        this.#emit('message', entry);
    }

    #handleChunk(data) {
        if (this.people.learnAgent(data.agentId)) this.#emit('people');
        this.people.setThinking(data.agentId, false);
        this.conversation.receiveChunk(data, Date.now());
        this.#emit('activity');
    }

    #handleComplete({ messageId, success }) {
        if (success === false) this.conversation.stopStreams(({ id }) => id === messageId);
        this.people.stopThinking();
        this.#emit('activity');
    }

    #announce(userId, what) {
        this.#emit('people');
        this.#emit('notice', `${this.people.nameOf(userId)} ${what}`);
    }

    // Reads the history back to the message that was last seen, or one page if there is none.
    async #catchUp(knownId) {
        const isKnown = knownId !== null;
        let before = null;
        try {
            for (let pages = 0; pages < (isKnown ? MAX_CATCH_UP_PAGES : 1); pages++) {
                const page = await this.#fetchHistory(before);
                const meets = page.some(({ id }) => id === knownId);
                this.conversation.receiveHistory(page);
                if (meets || page.length < HISTORY_PAGE) {
                    this.#gapAfter = null;
                    this.#emit('history', { mayHaveMore: page.length === HISTORY_PAGE });
                    return;
                }
                before = toMillis(page.at(-1).created_at ?? page.at(-1).createdAt);
            }
            if (isKnown) this.conversation.forgetBefore(before);
            this.#gapAfter = null;
            this.#emit('history', { mayHaveMore: true });
        } catch {
            this.#emit('notice', 'Earlier messages could not be loaded');
            this.#emit('history', { mayHaveMore: true });
        }
    }

    async #fetchHistory(before) {
        const query = new URLSearchParams({ limit: HISTORY_PAGE, ...(before && { before }) });
        const path = `/api/messaging/channels/${encodeURIComponent(this.roomId)}/messages`;
        const headers = this.#apiKey ? { 'X-API-KEY': this.#apiKey } : {};
        const response = await fetch(`${path}?${query}`, { headers });
        if (!response.ok) throw new Error(`history: ${response.status}`);
        const { data } = await response.json();
        for (const { authorId, metadata, sourceType } of data.messages) {
            this.people.learnName(authorId, metadata?.user_display_name ?? metadata?.agentName);
            if (sourceType === 'agent_response') this.people.learnAgent(authorId);
        }
        return data.messages;
    }

    #stopTyping(tell) {
        clearTimeout(this.#typingPause);
        if (this.#isTyping && tell) {
            this.#isTyping = false;
            this.#emitTyping();
        }
        this.#isTyping = false;
    }

    #emitTyping() {
        if (!this.#isJoined) return;
        this.#socket.emit('typing', {
            roomId: this.roomId, userId: this.selfId, isTyping: this.#isTyping,
        });
    }

    #tick() {
        const now = Date.now();
        this.conversation.stopStreams(({ streamedAt }) => streamedAt < now - STREAM_IDLE_MS);
        if (this.people.expire(now)) this.#emit('activity');
    }

    #enter(state, detail = '') {
        this.state = state;
        this.detail = detail;
        this.#emit('status');
    }

    #later(delay, action) {
        const timer = setTimeout(() => {
            this.#timers.delete(timer);
            action();
        }, delay);
        this.#timers.add(timer);
    }

    #emit(type, detail) {
        if (!this.#isClosed) this.dispatchEvent(new CustomEvent(type, { detail }));
    }
}
