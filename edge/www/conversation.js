// The messages of one room in the order in which they are shown, each of them exactly once, no
// matter how often or on which way it arrives: as our own draft, live, replayed after a
// reconnect, streamed word by word, or from the history. Knows neither network nor page.
//
// An entry: {key, id, clientMessageId, senderId, senderName, text, createdAt (ms), seq, isAgent,
// isOwn, isStopped, state, note, nextChunk, streamedAt}. `key` is unique and never changes; `id` is
// the server's, null until it is known; `createdAt` is null until the server has said where the
// entry belongs; `isStopped`: it is all that was said until somebody stopped it.
//
//   waiting    ours, not sent yet: there is no connection
//   sending    ours, sent, not acknowledged
//   failed     ours, refused or unanswered: `note` says why; may be sent again
//   streaming  an agent's answer while it is being written
//   stopped    an agent's answer that ended without its final text: `note` may say why
//   settled    acknowledged or received; `note` may say why nobody answers

const MAX_ENTRIES = 2000;

export const toMillis = (time) => {
    const millis = typeof time === 'string' ? Date.parse(time) : time;
    return Number.isFinite(millis) ? millis : null;
};

const isAgentSource = (source) => source === 'agent_response' || source === 'agent_action';

const precedes = (a, b) => {
    if (a.createdAt === null || b.createdAt === null) {
        return a.createdAt !== b.createdAt ? b.createdAt === null : a.key < b.key;
    }
    if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
    if (a.seq !== null && b.seq !== null && a.seq !== b.seq) return a.seq < b.seq;
    return a.key < b.key;
};

export class Conversation {
    #selfId;
    #entries = [];
    #byId = new Map();
    #byClientMessageId = new Map();
    #lastKey = 0;

    // Called with each entry that is new or has changed, and the entry that now follows it.
    onPut = () => {};
    // Called with each entry that is no longer shown.
    onRemove = () => {};

    constructor(selfId) {
        this.#selfId = selfId;
    }

    get entries() {
        return this.#entries;
    }

    get oldest() {
        const first = this.#entries[0];
        return first?.createdAt != null ? first : null;
    }

    // The last message that has its place, from which a rejoin continues.
    get newest() {
        return this.#entries.findLast((entry) => entry.createdAt !== null) ?? null;
    }

    has(id) {
        return this.#byId.has(id);
    }

    // Our own messages that the server has not acknowledged, oldest first.
    get unsent() {
        return this.#entries.filter(({ state }) => state === 'waiting' || state === 'sending');
    }

    draft({ clientMessageId, senderName, text }) {
        return this.#put(this.#blank({
            clientMessageId, senderId: this.#selfId, senderName, text, isOwn: true,
            state: 'waiting',
        }));
    }

    mark(entry, state, note = null) {
        if (entry.state === 'settled' || !this.#entries.includes(entry)) return;
        this.#put(Object.assign(entry, { state, note }));
    }

    // The server has accepted our message and named it.
    acknowledge(clientMessageId, id, note = null) {
        const entry = this.#byClientMessageId.get(clientMessageId);
        if (!entry) return;
        const known = id ? this.#byId.get(id) : undefined;
        if (known && known !== entry) {
            this.#remove(entry);
            this.#byClientMessageId.set(clientMessageId, known);
            this.#put(Object.assign(known, { isOwn: true, note }));
            return;
        }
        this.#put(Object.assign(entry, { id: id ?? entry.id, state: 'settled', note }));
    }

    refuse(clientMessageId, note) {
        const entry = this.#byClientMessageId.get(clientMessageId);
        if (entry) this.mark(entry, 'failed', note);
    }

    // A `messageBroadcast`. Returns the entry, or null if it was known already.
    receive(data) {
        return this.#settle({
            id: data.id,
            clientMessageId: data.clientMessageId ?? null,
            senderId: data.senderId,
            senderName: data.senderName,
            text: String(data.text ?? ''),
            createdAt: toMillis(data.createdAt) ?? Date.now(),
            seq: data.seq ?? null,
            isAgent: isAgentSource(data.source),
            isStopped: data.metadata?.stopped === true,
        });
    }

    // A page of the history, newest first. Returns how many of its messages were not known.
    receiveHistory(items) {
        let added = 0;
        for (const item of [...items].reverse()) {
            const isOwn = item.authorId === this.#selfId;
            const entry = this.#settle({
                id: item.id,
                clientMessageId: isOwn ? item.sourceId ?? null : null,
                senderId: item.authorId,
                senderName: item.metadata?.user_display_name ?? item.metadata?.agentName,
                text: String(item.content ?? ''),
                createdAt: toMillis(item.created_at) ?? toMillis(item.createdAt) ?? 0,
                seq: item.seq ?? null,
                isAgent: isAgentSource(item.sourceType),
                isStopped: item.metadata?.stopped === true,
            });
            if (entry) added++;
        }
        return added;
    }

    // A `messageStreamChunk`. A stream that begins anew, because another worker took the question
    // over, or is told so far, because we came back, replaces what there was. Returns the entry, or null if there is nothing new in it.
    receiveChunk({ messageId, chunk, index, agentId, reset = false }, now) {
        const entry = this.#byId.get(messageId) ?? this.#blank({
            id: messageId, senderId: agentId, isAgent: true, state: 'streaming',
        });
        if (entry.state === 'settled') return null;
        if (reset || index === 0) {
            entry.text = '';
        } else if (index < entry.nextChunk) {
            return null;
        }
        entry.text += chunk;
        return this.#put(Object.assign(entry, {
            nextChunk: index + 1, streamedAt: now, state: 'streaming',
        }));
    }

    // A `messageStreamError`: the answer ends here; if nothing of it is shown, the question says why.
    receiveError({ messageId, inReplyTo, error }) {
        const answer = this.#byId.get(messageId);
        if (answer) {
            this.mark(answer, 'stopped', error);
            return;
        }
        const question = this.#byId.get(inReplyTo);
        if (question) this.#put(Object.assign(question, { note: error }));
    }

    // Ends the streams of which the condition is true: their final text will not come.
    stopStreams(condition) {
        for (const entry of this.#entries.filter(({ state }) => state === 'streaming')) {
            if (condition(entry)) this.mark(entry, 'stopped');
        }
    }

    // After a gap that cannot be filled, what lies before it must not look like its neighbour.
    forgetBefore(createdAt) {
        for (const entry of this.#entries.filter((entry) => entry.createdAt !== null)) {
            if (entry.createdAt < createdAt) this.#remove(entry);
        }
    }

    // Keeps the memory of a page that stays open for weeks flat.
    trim() {
        while (this.#entries.length > MAX_ENTRIES && this.#entries[0].createdAt !== null) {
            this.#remove(this.#entries[0]);
        }
    }

    #blank(fields) {
        return {
            key: ++this.#lastKey, id: null, clientMessageId: null, senderId: null, senderName: null,
            text: '', createdAt: null, seq: null, isAgent: false, isOwn: false, isStopped: false,
            state: 'settled', note: null, nextChunk: 0, streamedAt: 0, ...fields,
        };
    }

    #settle(fields) {
        const entry = this.#byId.get(fields.id)
            ?? this.#byClientMessageId.get(fields.clientMessageId);
        if (!entry) {
            return this.#put(this.#blank({
                ...fields, isOwn: fields.senderId === this.#selfId,
            }));
        }
        if (entry.state === 'settled' && entry.createdAt !== null) return null;
        this.#put(Object.assign(entry, {
            ...fields,
            clientMessageId: fields.clientMessageId ?? entry.clientMessageId,
            senderName: fields.senderName ?? entry.senderName,
            state: 'settled',
            note: entry.state === 'settled' ? entry.note : null,
        }));
        return entry;
    }

    #put(entry) {
        const old = this.#entries.indexOf(entry);
        if (old >= 0) this.#entries.splice(old, 1);
        let place = this.#entries.length;
        while (place > 0 && precedes(entry, this.#entries[place - 1])) place--;
        this.#entries.splice(place, 0, entry);
        if (entry.id) this.#byId.set(entry.id, entry);
        if (entry.clientMessageId) this.#byClientMessageId.set(entry.clientMessageId, entry);
        this.onPut(entry, this.#entries[place + 1] ?? null);
        return entry;
    }

    #remove(entry) {
        const place = this.#entries.indexOf(entry);
        if (place < 0) return;
        this.#entries.splice(place, 1);
        if (this.#byId.get(entry.id) === entry) this.#byId.delete(entry.id);
        if (this.#byClientMessageId.get(entry.clientMessageId) === entry) {
            this.#byClientMessageId.delete(entry.clientMessageId);
        }
        this.onRemove(entry, this.#entries[place] ?? null);
    }
}
