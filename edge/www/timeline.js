// Shows a Conversation: one element per entry, in its order. Whatever people have written enters
// the page as text, never as markup.

const GROUP_GAP_MS = 5 * 60 * 1000;
const NEAR_BOTTOM_PX = 80;
const FIRST_HUE = 200;
const HUES = 240;

const LINK = /\bhttps?:\/\/[^\s<>"']*[^\s<>"'.,;:!?()[\]{}]/g;

const STATE_TEXT = {
    waiting: 'Waiting for the connection',
    sending: 'Sending…',
    stopped: 'Ended early',
};

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(undefined, {
    weekday: 'long', day: 'numeric', month: 'long',
});

export const element = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
};

const initials = (name) => {
    const words = name.trim().split(/\s+/);
    const letters = words.length > 1 ? [words[0], words.at(-1)] : [name.trim()];
    return letters.map((word) => [...word][0] ?? '').join('').toUpperCase();
};

// The same person has the same colour everywhere; the greens are the agents'.
const hue = (userId) => {
    let hash = 0;
    for (const character of userId) hash = (hash * 31 + character.codePointAt(0)) | 0;
    return FIRST_HUE + (hash >>> 0) % HUES;
};

export const avatar = (userId, name, isAgent) => {
    const node = element('span', isAgent ? 'avatar agent' : 'avatar', initials(name));
    node.setAttribute('aria-hidden', 'true');
    if (!isAgent) node.style.setProperty('--hue', hue(String(userId)));
    return node;
};

const withLinks = (text) => {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(LINK)) {
        const link = element('a', '', match[0]);
        link.href = match[0];
        link.target = '_blank';
        link.rel = 'noopener noreferrer nofollow';
        parts.push(text.slice(end, match.index), link);
        end = match.index + match[0].length;
    }
    parts.push(text.slice(end));
    return parts;
};

const isSameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

export class Timeline {
    #scroller;
    #list;
    #newest;
    #newestText;
    #nodes = new Map();
    #unseen = 0;
    #isFollowing = true;
    #lastTop = 0;
    #frame = 0;

    nameOf = () => '';
    onRetry = () => {};
    onStop = () => {};

    constructor({ scroller, list, newest, newestText }) {
        this.#scroller = scroller;
        this.#list = list;
        this.#newest = newest;
        this.#newestText = newestText;
        scroller.addEventListener('scroll', () => this.#handleScroll(), { passive: true });
        newest.addEventListener('click', () => this.follow());
        new ResizeObserver(() => this.#settleScroll()).observe(scroller);
    }

    get isFollowing() {
        return this.#isFollowing;
    }

    clear() {
        this.#nodes.clear();
        this.#list.replaceChildren();
        this.follow();
    }

    put(entry, next) {
        const isNew = !this.#nodes.has(entry.key);
        const parts = this.#nodes.get(entry.key) ?? this.#create(entry);
        this.#fill(parts, entry);
        const nextNode = next ? this.#nodes.get(next.key).node : null;
        if (isNew || parts.node.nextElementSibling !== nextNode) {
            const oldNext = parts.node.nextElementSibling;
            this.#list.insertBefore(parts.node, nextNode);
            this.#group(oldNext);
        }
        this.#group(parts.node);
        this.#group(parts.node.nextElementSibling);
        if (isNew && !this.#isFollowing && !entry.isOwn && nextNode === null) this.#unseen++;
        if (isNew && entry.isOwn && entry.state === 'waiting') this.#isFollowing = true;
        this.#settleScroll();
    }

    remove(entry) {
        const parts = this.#nodes.get(entry.key);
        if (!parts) return;
        const next = parts.node.nextElementSibling;
        parts.node.remove();
        this.#nodes.delete(entry.key);
        this.#group(next);
    }

    // Runs an insertion above what is being read without moving it, and without reading it aloud.
    keepPlace(insert) {
        const fromBottom = this.#scroller.scrollHeight - this.#scroller.scrollTop;
        this.#list.setAttribute('aria-busy', true);
        insert();
        if (!this.#isFollowing) {
            this.#scroller.scrollTop = this.#scroller.scrollHeight - fromBottom;
        }
        requestAnimationFrame(() => this.#list.setAttribute('aria-busy', false));
    }

    // Goes to the newest message and stays there.
    follow() {
        this.#isFollowing = true;
        this.#settleScroll();
    }

    #create(entry) {
        const node = element('article', 'message');
        const author = element('span', 'author');
        const time = element('time');
        const bubble = element('div', 'bubble');
        bubble.dir = 'auto';
        const note = element('p', 'note');
        const face = element('div', 'face');
        node.append(face, element('div', 'body',
            element('div', 'head', author, time), bubble, note));
        const parts = { node, face, author, time, bubble, note, entry, shown: null,
            isStreaming: false };
        this.#nodes.set(entry.key, parts);
        node.dataset.key = entry.key;
        return parts;
    }

    #fill(parts, entry) {
        const { node, face, author, time, bubble } = parts;
        const name = entry.senderName || this.nameOf(entry.senderId);
        const isStreaming = entry.state === 'streaming';
        node.classList.toggle('own', entry.isOwn);
        node.classList.toggle('agent', entry.isAgent);
        node.dataset.state = entry.state;
        if (entry.id) node.dataset.id = entry.id;
        node.setAttribute('aria-busy', isStreaming);
        if (author.textContent !== name) {
            author.textContent = name;
            face.replaceChildren(avatar(entry.senderId, name, entry.isAgent));
        }
        if (entry.createdAt !== null) {
            const date = new Date(entry.createdAt);
            time.dateTime = date.toISOString();
            time.textContent = clock.format(date);
            time.title = `${calendar.format(date)}, ${clock.format(date)}`;
        }
        if (isStreaming && parts.shown !== null && entry.text.startsWith(parts.shown)) {
            bubble.append(entry.text.slice(parts.shown.length));
        } else if (parts.shown !== entry.text || parts.isStreaming) {
            bubble.replaceChildren(...(isStreaming ? [entry.text] : withLinks(entry.text)));
        }
        parts.shown = entry.text;
        parts.isStreaming = isStreaming;
        this.#fillNote(parts, entry);
    }

    #fillNote({ note }, entry) {
        note.hidden = false;
        if (entry.state === 'failed') {
            const retry = element('button', 'quiet', 'Try again');
            retry.type = 'button';
            retry.addEventListener('click', () => this.onRetry(entry));
            note.replaceChildren(`Not sent: ${entry.note}. `, retry);
        } else if (entry.state === 'streaming') {
            if (note.firstElementChild) return;
            const stop = element('button', 'quiet', 'Stop');
            stop.type = 'button';
            stop.addEventListener('click', () => this.onStop(entry));
            note.replaceChildren(stop);
        } else {
            const state = STATE_TEXT[entry.isStopped ? 'stopped' : entry.state];
            const text = [state, entry.note].filter(Boolean).join(': ');
            note.replaceChildren(text);
            note.hidden = !text;
        }
    }

    // Messages of one sender in quick succession share one head; a new day has its own.
    #group(node) {
        if (!node) return;
        const { entry } = this.#nodes.get(Number(node.dataset.key));
        const previousNode = node.previousElementSibling;
        const previous = previousNode
            ? this.#nodes.get(Number(previousNode.dataset.key)).entry : null;
        const time = entry.createdAt ?? Date.now();
        const previousTime = previous ? previous.createdAt ?? Date.now() : 0;
        const isNewDay = !isSameDay(time, previousTime) && entry.createdAt !== null;
        node.classList.toggle('continued', !isNewDay && previous?.senderId === entry.senderId
            && time - previousTime < GROUP_GAP_MS);
        if (isNewDay && (previous || !isSameDay(time, Date.now()))) {
            node.dataset.day = isSameDay(time, Date.now()) ? 'Today' : calendar.format(time);
        } else {
            delete node.dataset.day;
        }
    }

    // Only scrolling up ends the following: the bottom may also move away by itself, since more was
    // said.
    #handleScroll() {
        const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
        if (scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX) {
            this.#isFollowing = true;
        } else if (scrollTop < this.#lastTop) {
            this.#isFollowing = false;
        }
        this.#lastTop = scrollTop;
        this.#showNewest();
    }

    #settleScroll() {
        if (this.#frame) return;
        this.#frame = requestAnimationFrame(() => {
            this.#frame = 0;
            if (this.#isFollowing) this.#scroller.scrollTop = this.#scroller.scrollHeight;
            this.#showNewest();
        });
    }

    #showNewest() {
        if (this.#isFollowing) this.#unseen = 0;
        this.#newest.hidden = this.#isFollowing;
        const count = this.#unseen === 1 ? '1 new message' : `${this.#unseen} new messages`;
        this.#newestText.textContent = this.#unseen ? count : 'Newest';
    }
}
