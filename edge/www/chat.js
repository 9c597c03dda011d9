// The page: asks for a name and a room, and connects what the Room knows with what is shown.

import { Room, randomId } from './room.js';
import { Timeline, avatar, element } from './timeline.js';

const DEFAULT_ROOM = 'lobby';
const MAX_PEOPLE_SHOWN = 200;
const NOTICE_LIFETIME_MS = 4000;

const byId = (id) => document.getElementById(id);

const page = {
    roomName: byId('room-name'),
    status: byId('status'),
    statusWord: byId('status-word'),
    statusVia: byId('status-via'),
    share: byId('share'),
    change: byId('change'),
    peopleToggle: byId('people-toggle'),
    peopleToggleCount: byId('people-toggle-count'),
    people: byId('people'),
    peopleClose: byId('people-close'),
    peopleCount: byId('people-count'),
    peopleList: byId('people-list'),
    peopleMore: byId('people-more'),
    veil: byId('veil'),
    empty: byId('empty'),
    earlier: byId('earlier'),
    activity: byId('activity'),
    composer: byId('composer'),
    text: byId('text'),
    send: byId('send'),
    entry: byId('entry'),
    entryForm: byId('entry-form'),
    entryTitle: byId('entry-title'),
    entryName: byId('entry-name'),
    entryRoom: byId('entry-room'),
    entryKeyRow: byId('entry-key-row'),
    entryKey: byId('entry-key'),
    entryCancel: byId('entry-cancel'),
};

const timeline = new Timeline({
    scroller: byId('scroller'),
    list: byId('messages'),
    newest: byId('newest'),
    newestText: byId('newest-text'),
});

let room = null;
let notice = '';
let noticeEnd;
let unread = 0;
let peopleFrame = 0;

// Storage may be forbidden; the page works without.
const recall = (storage, key) => {
    try {
        return window[storage].getItem(`elizamq.${key}`) ?? '';
    } catch {
        return '';
    }
};

const remember = (storage, key, value) => {
    try {
        window[storage].setItem(`elizamq.${key}`, value);
    } catch {
        // It is asked for again next time.
    }
};

// One identity per tab: two tabs are two people, a reloaded tab is still the same.
const ownId = () => {
    const id = recall('sessionStorage', 'entityId') || randomId();
    remember('sessionStorage', 'entityId', id);
    return id;
};

const selfId = ownId();

// The room is in the address: /#lobby, or /?room=lobby from elsewhere.
const roomInAddress = () => {
    try {
        const hash = decodeURIComponent(location.hash.slice(1)).trim();
        return hash || new URLSearchParams(location.search).get('room')?.trim() || '';
    } catch {
        return '';
    }
};

const addressOf = (roomId) => `${location.origin}/#${encodeURIComponent(roomId)}`;

// ---- Status, people, activity ----

const TRANSPORT_NAMES = { polling: 'Polling', websocket: 'WebSocket' };

const statusText = () => {
    switch (room.state) {
    case 'joined': return 'Connected';
    case 'joining': return 'Entering the room…';
    case 'lost': return 'Connection lost, trying again…';
    case 'refused': return `Refused: ${room.detail}`;
    default: return 'Connecting…';
    }
};

const showStatus = () => {
    const { state, edge, transport } = room;
    const via = state === 'joined' ? [TRANSPORT_NAMES[transport] ?? transport, edge] : [];
    page.statusWord.textContent = statusText();
    page.statusVia.textContent = via.filter(Boolean).join(' · ');
    Object.assign(page.status.dataset, { transport, edge });
    document.body.dataset.state = state;
};

const personItem = ({ userId, name, isSelf, isAgent }) => {
    const item = element('li', 'person', avatar(userId, name, isAgent),
        element('span', 'person-name', name));
    if (isSelf) item.append(element('span', 'tag', 'you'));
    if (isAgent) item.append(element('span', 'tag', 'agent'));
    return item;
};

const showPeople = () => {
    const { members, count } = room.people;
    const shown = members.slice(0, MAX_PEOPLE_SHOWN);
    const hidden = count - shown.filter(({ isAgent }) => !isAgent).length;
    page.peopleList.replaceChildren(...shown.map(personItem));
    page.peopleMore.hidden = hidden <= 0;
    page.peopleMore.textContent = `and ${hidden} more`;
    page.peopleCount.textContent = count || '';
    page.peopleToggleCount.textContent = count || '';
};

// Once per frame, however many come and go.
const showPeopleSoon = () => {
    if (peopleFrame) return;
    peopleFrame = requestAnimationFrame(() => {
        peopleFrame = 0;
        showPeople();
    });
};

const listNames = (names, one, many) => {
    if (names.length === 0) return '';
    if (names.length === 1) return `${names[0]} ${one}`;
    if (names.length === 2) return `${names[0]} and ${names[1]} ${many}`;
    return `${names.length} people ${many}`;
};

const showActivity = () => {
    const { thinkingNames, typingNames } = room.people;
    const busy = [
        listNames(thinkingNames, 'is thinking', 'are thinking'),
        listNames(typingNames, 'is typing', 'are typing'),
    ].filter(Boolean).join(', ');
    const text = busy || notice;
    page.activity.classList.toggle('busy', busy !== '');
    // Worth a look, but not worth being read aloud again and again.
    page.activity.ariaLive = busy ? 'off' : 'polite';
    if (page.activity.textContent !== text) page.activity.textContent = text;
};

const showNotice = (text) => {
    notice = text;
    clearTimeout(noticeEnd);
    noticeEnd = setTimeout(() => {
        notice = '';
        showActivity();
    }, NOTICE_LIFETIME_MS);
    showActivity();
};

const showTitle = () => {
    document.title = `${unread ? `(${unread}) ` : ''}${room.roomId} · elizamq`;
};

const showEmpty = () => {
    page.empty.hidden = room.conversation.entries.length > 0 || room.state !== 'joined';
};

const openPeople = (isOpen) => {
    page.people.classList.toggle('open', isOpen);
    page.veil.hidden = !isOpen;
    page.peopleToggle.setAttribute('aria-expanded', isOpen);
    (isOpen ? page.peopleClose : page.peopleToggle).focus();
};

// ---- The room ----

const enterRoom = (roomId, displayName) => {
    room?.close();
    timeline.clear();
    const apiKey = recall('localStorage', 'key');
    room = new Room({ io: window.io, roomId, selfId, displayName, apiKey });
    const { conversation, people } = room;

    conversation.onPut = (entry, next) => {
        timeline.put(entry, next);
        if (timeline.isFollowing) conversation.trim();
        showEmpty();
    };
    conversation.onRemove = (entry) => timeline.remove(entry);
    timeline.nameOf = (userId) => people.nameOf(userId);
    timeline.onRetry = (entry) => room.retry(entry);
    timeline.onStop = () => room.stopReply();

    room.addEventListener('status', () => {
        showStatus();
        showEmpty();
        if (room.wantsKey && !page.entry.open) askForEntry();
    });
    room.addEventListener('people', showPeopleSoon);
    room.addEventListener('activity', showActivity);
    room.addEventListener('notice', ({ detail }) => showNotice(detail));
    room.addEventListener('history', ({ detail }) => {
        page.earlier.hidden = !detail.mayHaveMore;
        showPeopleSoon();
        showEmpty();
    });
    room.addEventListener('message', () => {
        if (document.hidden) unread++;
        showTitle();
    });

    unread = 0;
    notice = '';
    page.earlier.hidden = true;
    page.empty.hidden = true;
    page.roomName.textContent = roomId;
    remember('localStorage', 'name', displayName);
    remember('localStorage', 'room', roomId);
    if (roomInAddress() !== roomId) history.pushState(null, '', addressOf(roomId));
    showTitle();
    showStatus();
    showPeople();
    showActivity();
    room.open();
};

const askForEntry = () => {
    const isFirst = room === null;
    const change = room?.wantsKey ? 'This server wants a key' : 'Change room or name';
    page.entryTitle.textContent = isFirst ? 'Welcome' : change;
    page.entryName.value = room?.displayName ?? recall('localStorage', 'name');
    page.entryRoom.value = room?.roomId
        ?? (roomInAddress() || recall('localStorage', 'room') || DEFAULT_ROOM);
    page.entryCancel.hidden = isFirst;
    page.entryKey.value = recall('localStorage', 'key');
    page.entryKeyRow.hidden = !room?.wantsKey && !page.entryKey.value;
    page.entry.showModal();
    const other = page.entryName.value ? page.entryRoom : page.entryName;
    (room?.wantsKey ? page.entryKey : other).select();
};

const start = () => {
    if (!window.io) {
        document.body.dataset.state = 'refused';
        page.statusWord.textContent = 'The Socket.IO client could not be loaded';
        return;
    }
    const name = recall('localStorage', 'name');
    const roomId = roomInAddress();
    if (name && roomId) {
        enterRoom(roomId, name);
    } else {
        askForEntry();
    }
};

page.entryForm.addEventListener('submit', (event) => {
    const name = page.entryName.value.trim();
    const roomId = page.entryRoom.value.trim();
    if (!name || !roomId) {
        event.preventDefault();
        return;
    }
    remember('localStorage', 'key', page.entryKey.value.trim());
    enterRoom(roomId, name);
    page.text.focus();
});
page.entry.addEventListener('cancel', (event) => {
    if (room === null) event.preventDefault();
});
page.entryCancel.addEventListener('click', () => page.entry.close());
page.change.addEventListener('click', askForEntry);

addEventListener('popstate', () => {
    const roomId = roomInAddress();
    if (room && roomId && roomId !== room.roomId) enterRoom(roomId, room.displayName);
});

// ---- Composer ----

const isTouch = matchMedia('(pointer: coarse)');

const fitText = () => {
    page.text.style.height = 'auto';
    page.text.style.height = `${page.text.scrollHeight}px`;
    page.send.disabled = page.text.value.trim() === '';
};

page.composer.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = page.text.value.trim();
    if (!text || !room) return;
    page.text.value = '';
    fitText();
    room.send(text);
    timeline.follow();
    page.text.focus();
});
page.text.addEventListener('input', () => {
    fitText();
    room?.typing(page.text.value !== '');
});
page.text.addEventListener('keydown', (event) => {
    const isPlainEnter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
    if (!isPlainEnter || isTouch.matches) return;
    event.preventDefault();
    page.composer.requestSubmit();
});

// ---- The rest of the page ----

page.earlier.addEventListener('click', async () => {
    page.earlier.disabled = true;
    try {
        const asked = room;
        const items = await asked.fetchEarlier();
        if (asked === room) {
            timeline.keepPlace(() => { page.earlier.hidden = !room.addEarlier(items); });
        }
    } catch {
        showNotice('Earlier messages could not be loaded');
    }
    page.earlier.disabled = false;
});
page.share.addEventListener('click', async () => {
    if (!room) return;
    try {
        await navigator.clipboard.writeText(addressOf(room.roomId));
        showNotice('Link copied');
    } catch {
        showNotice(addressOf(room.roomId));
    }
});
page.peopleToggle.addEventListener('click', () => {
    openPeople(!page.people.classList.contains('open'));
});
page.peopleClose.addEventListener('click', () => openPeople(false));
page.veil.addEventListener('click', () => openPeople(false));
document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape' && !page.veil.hidden) openPeople(false);
});
document.addEventListener('visibilitychange', () => {
    if (document.hidden || !room) return;
    unread = 0;
    showTitle();
    room.wake();
});
addEventListener('online', () => room?.wake());

// Where the on-screen keyboard covers the page instead of shrinking it.
visualViewport?.addEventListener('resize', () => {
    const isZoomed = visualViewport.scale !== 1;
    document.documentElement.style.setProperty('--visible-height',
        isZoomed ? '' : `${visualViewport.height}px`);
});

fitText();
start();
