// The whole history of a channel, as REST pages it: oldest first.

export const readHistory = async (url, roomId) => {
    const stored = new Map();
    let before = '';
    for (;;) {
        const response = await fetch(
            `${url}/api/messaging/channels/${roomId}/messages?limit=1000${before}`);
        const { messages } = (await response.json()).data;
        const known = stored.size;
        for (const message of messages) stored.set(message.id, message);
        if (stored.size === known) break;
        // Times are shared by messages: the next page may overlap this one.
        before = `&before=${messages.at(-1).created_at + 1}`;
    }
    return [...stored.values()].sort((a, b) => a.seq - b.seq);
};

export const readPresence = async (url, roomId) => {
    const response = await fetch(`${url}/api/messaging/channels/${roomId}/presence?limit=1000`);
    const { data } = await response.json();
    return data;
};
