// A join with `since` replays what was missed, all of it or nothing, and meets the live messages.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };

let cluster;
const clients = new Clients();

before(async () => {
    cluster = await startCluster();
});
after(() => {
    clients.stop();
    return cluster?.stop();
});
afterEach(clients.stop);

const connect = (options = {}) => clients.connect({ url: cluster.edges[0].url, ...options });

describe('since', TEST_OPTIONS, () => {
    let roomId;
    let messages;   // as they were broadcast

    before(async () => {
        const author = await connect({ entityId: 'author' });
        roomId = randomUUID();
        await author.join(roomId);
        for (let i = 0; i < 4; i++) {
            await author.say(roomId, `message ${i}`, { messageId: `own-${i}` });
            const { createdAt } = author.broadcasts.at(-1);
            await until(() => Date.now() > createdAt + 1, 'the next one is later');
        }
        const { messageId } = await author.send(roomId, 'and an answer');
        await author.reply(messageId);
        messages = author.broadcasts;
        assert.equal(messages.length, 6);
    });

    const rejoin = async (fields, entityId = 'reader') => {
        const client = await connect({ entityId, url: cluster.edges[1].url });
        const ack = await client.join(roomId, fields);
        await client.settle(roomId);
        assert.deepEqual(client.received('room_joined')[0].replay, ack.replay);
        const at = client.names.indexOf('room_joined');
        assert.deepEqual(client.events.slice(at + 1, at + 1 + client.broadcasts.length)
            .map(({ data }) => data), client.broadcasts, 'a replay follows its room_joined');
        return { ack, replayed: client.broadcasts };
    };

    const assertReplay = ({ ack, replayed }, from) => {
        assert.deepEqual(ack.replay, { count: messages.length - from, complete: true });
        assert.deepEqual(replayed, messages.slice(from).map(({ clientMessageId, ...message }) => (
            { ...message, replay: true })));
    };

    const assertNothing = ({ ack, replayed }) => {
        assert.deepEqual(ack.replay, { count: 0, complete: false });
        assert.deepEqual(replayed, []);
    };

    it('a message id', async () => {
        assertReplay(await rejoin({ since: messages[1].id }), 2);
        assertReplay(await rejoin({ since: messages[5].id }), 6);
    });

    it('a seq and its epoch', async () => {
        const { seq, epoch } = messages[2];
        assertReplay(await rejoin({ since: seq, sinceEpoch: epoch }), 3);
        assertReplay(await rejoin({ since: 0, sinceEpoch: epoch }), 0);
    });

    it('milliseconds', async () => {
        assertReplay(await rejoin({ since: messages[0].createdAt }), 1);
    });

    it('an ISO time', async () => {
        assertReplay(await rejoin({ since: new Date(messages[3].createdAt).toISOString() }), 4);
    });

    it('own messages carry their clientMessageId', async () => {
        const { replayed } = await rejoin({ since: messages[0].id }, 'author');
        assert.deepEqual(replayed, messages.slice(1).map((message) => (
            { ...message, replay: true })));
    });

    it('an unknown id, another epoch or a seq to come replay nothing and say so', async () => {
        const { seq, epoch } = messages[2];
        assertNothing(await rejoin({ since: randomUUID() }));
        assertNothing(await rejoin({ since: 'not an id at all' }));
        assertNothing(await rejoin({ since: seq, sinceEpoch: epoch + 1 }));
        assertNothing(await rejoin({ since: seq + 1000, sinceEpoch: epoch }));
    });

    it('the id of a message of another room is unknown here', async () => {
        const other = await connect();
        const { messageId } = await other.say(randomUUID(), 'elsewhere');
        assertNothing(await rejoin({ since: messageId }));
    });

    it('replays meet the live messages without a gap or a double', async () => {
        const author = await connect({ entityId: 'busy author' });
        const busyRoom = randomUUID();
        const { messageId } = await author.say(busyRoom, 'first');
        let isOver = false;
        const talk = (async () => {
            while (!isOver) await author.say(busyRoom, 'more');
        })();
        const readers = [];
        for (let i = 0; i < 20; i++) {
            const reader = await connect({ url: cluster.edges[i % 2].url });
            await reader.join(busyRoom, { since: messageId });
            readers.push(reader);
        }
        isOver = true;
        await talk;
        await Promise.all(readers.map((reader) => reader.settle(busyRoom)));
        const ids = ({ broadcasts }) => broadcasts.map(({ id }) => id);
        const [first, ...rest] = ids(author);
        assert.equal(first, messageId);
        for (const reader of readers) assert.deepEqual(ids(reader), rest);
    });
});
