// What the document promises its clients, as assertions about a DocumentClient.

import assert from 'node:assert/strict';

const countById = (broadcasts) => {
    const counts = new Map();
    for (const { id } of broadcasts) counts.set(id, (counts.get(id) ?? 0) + 1);
    return Object.fromEntries(counts);
};

// Each of these messages, and no message at all more often.
export const assertExactlyOnce = (client, ...ids) => {
    const counts = countById(client.broadcasts);
    for (const id of ids) assert.equal(counts[id], 1, `broadcasts of one message: ${counts[id]}`);
    assert.deepEqual(Object.values(counts).filter((count) => count !== 1), [],
        'a message was broadcast twice');
};

const assertOwnMessage = (client, own, text) => {
    assert.equal(own.text, text);
    assert.equal(own.senderId, client.entityId);
    assert.equal(own.senderName, 'Extension User');
    assert.equal(own.source, 'extension');
    assert.equal(own.roomId, client.roomId);
    assert.equal(own.channelId, client.roomId);
    assert.ok(own.id);
};

export const assertReply = (client, reply) => {
    assert.equal(typeof reply.text, 'string');
    assert.notEqual(reply.text, '');
    assert.equal(typeof reply.senderName, 'string');
    assert.equal(reply.roomId, client.roomId);
    assert.equal(reply.channelId, client.roomId);
};

export const assertStreamed = (client, reply) => {
    const chunks = client.received('messageStreamChunk')
        .filter(({ messageId }) => messageId === reply.id);
    assert.ok(chunks.length > 0, 'the reply was not streamed');
    assert.equal(chunks.map(({ chunk }) => chunk).join(''), reply.text);
    chunks.reduce((last, { index }) => {
        assert.ok(index > last, 'chunks are out of order');
        return index;
    }, -1);
};

// What the document's clients are for. A second exchange comes after everything that belongs to
// the first, so that a double of that would have been seen.
export const converse = async (client, text) => {
    const first = await client.exchange(text);
    client.send('Are you still there?');
    const second = await client.exchange('Are you still there?');
    assertOwnMessage(client, first.own, text);
    assertReply(client, first.reply);
    assertReply(client, second.reply);
    assertStreamed(client, second.reply);
    await client.event('messageComplete',
        ({ channelId, roomId }) => (channelId ?? roomId) === client.roomId);
    assertExactlyOnce(client, first.own.id, first.reply.id, second.own.id, second.reply.id);
    return first;
};
