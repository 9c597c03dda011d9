// Who is in the room, who of them is typing and which agent is thinking. Knows neither network
// nor page; time enters as an argument, in milliseconds.

const TYPING_LIFETIME_MS = 6000;
const THINKING_LIFETIME_MS = 60000;

export class People {
    #selfId;
    #names = new Map();
    #present = new Set();
    #agents = new Set();
    #count = 0;
    #typing = new Map();
    #thinking = new Map();

    constructor(selfId, selfName) {
        this.#selfId = selfId;
        this.#names.set(selfId, selfName);
    }

    // The member list of `room_joined`. A large room names only some of its members.
    reset(members, memberCount) {
        this.#present.clear();
        this.#typing.clear();
        for (const member of members) {
            this.#present.add(member.userId);
            this.learnName(member.userId, member.displayName ?? member.username);
        }
        this.#present.add(this.#selfId);
        this.#count = Math.max(memberCount ?? 0, this.#present.size);
    }

    // Returns whether this is news.
    join(userId, name, memberCount) {
        const isNewName = this.learnName(userId, name);
        const isNew = !this.#present.has(userId);
        this.#present.add(userId);
        this.#count = memberCount ?? this.#count + isNew;
        return isNew || isNewName;
    }

    leave(userId, name, memberCount) {
        this.learnName(userId, name);
        this.#typing.delete(userId);
        const isNew = userId !== this.#selfId && this.#present.delete(userId);
        this.#count = memberCount ?? this.#count - isNew;
        return isNew;
    }

    // Returns whether this is news.
    learnName(userId, name) {
        if (!name || userId === this.#selfId || this.#names.get(userId) === name) return false;
        this.#names.set(userId, name);
        return true;
    }

    // Returns whether this is news.
    learnAgent(userId) {
        if (this.#agents.has(userId)) return false;
        this.#agents.add(userId);
        return true;
    }

    nameOf(userId) {
        return this.#names.get(userId) ?? (this.#agents.has(userId) ? 'Agent' : 'Guest');
    }

    get count() {
        return this.#count;
    }

    // Ourselves first, then the others by name; agents that have spoken here are among them.
    get members() {
        return [...new Set([...this.#present, ...this.#agents])]
            .map((userId) => ({
                userId, name: this.nameOf(userId), isSelf: userId === this.#selfId,
                isAgent: this.#agents.has(userId),
            }))
            .sort((a, b) => b.isSelf - a.isSelf || a.name.localeCompare(b.name));
    }

    setTyping(userId, isTyping, now) {
        if (isTyping && userId !== this.#selfId) {
            this.#typing.set(userId, now + TYPING_LIFETIME_MS);
        } else {
            this.#typing.delete(userId);
        }
    }

    setThinking(userId, isThinking, now) {
        if (isThinking) {
            this.#thinking.set(userId, now + THINKING_LIFETIME_MS);
        } else {
            this.#thinking.delete(userId);
        }
    }

    stopThinking() {
        this.#thinking.clear();
    }

    // Drops what nobody has confirmed for too long; returns whether anything changed.
    expire(now) {
        const before = this.#typing.size + this.#thinking.size;
        for (const states of [this.#typing, this.#thinking]) {
            for (const [userId, end] of states) if (end <= now) states.delete(userId);
        }
        return this.#typing.size + this.#thinking.size !== before;
    }

    get typingNames() {
        return [...this.#typing.keys()].map((userId) => this.nameOf(userId));
    }

    get thinkingNames() {
        return [...this.#thinking.keys()].map((userId) => this.nameOf(userId));
    }
}
