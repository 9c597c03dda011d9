// What was acknowledged survives a restart of all processes: history with its ids, order and epoch,
// and the memory of which messageId was seen.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';

const MESSAGES = 20;
const clients = new Clients();
afterEach(clients.stop);

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL']) {
    describe(`a restart of all processes by ${signal}`, { timeout: 300000 }, () => {
        const roomId = randomUUID();
        const sent = [];        // {messageId, ack} of every message
        let cluster;
        let channelId;          // of a channel whose participants are no agents
        let broadcasts;         // before the restart, of one member
        let history;

        const api = async (path, options) => {
            const response = await fetch(`${cluster.url}/api/messaging${path}`, options);
            return response.json();
        };
        const getHistory = async () => (
            (await api(`/channels/${roomId}/messages?limit=1000`)).data.messages);
        const connect = (entityId, edge = 0) => clients.connect({
            url: cluster.edges[edge].url, entityId,
        });
        const send = (client, messageId) => client.send(roomId, `text of ${messageId}`,
            { messageId, metadata: { messageId } });

        before(async () => {
            cluster = await startCluster();
            const author = await connect('author');
            await author.join(roomId);
            for (let i = 0; i < MESSAGES; i++) {
                const messageId = `message ${i}`;
                sent.push({ messageId, ack: await send(author, messageId) });
            }
            for (const { ack } of sent) await author.reply(ack.messageId);
            ({ broadcasts } = author);
            history = await getHistory();
            ({ data: { id: channelId } } = await api('/channels', {
                method: 'POST', headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({
                    name: 'Without agents', participantCentralUserIds: [randomUUID()],
                }),
            }));
            clients.stop();
            const outcomes = await Promise.all(cluster.processes.map(
                (process) => process.kill(signal)));
            const expected = signal === 'SIGKILL'
                ? { code: null, signal } : { code: 0, signal: null };
            for (const outcome of outcomes) assert.deepEqual(outcome, expected);
            for (const process of cluster.processes) process.start();
            await Promise.all(cluster.processes.map((process) => process.waitReady()));
        });
        after(() => {
            clients.stop();
            return cluster?.stop();
        });

        it('keeps history', async () => {
            assert.equal(history.length, MESSAGES * 2);
            assert.deepEqual(await getHistory(), history);
            assert.deepEqual(history.map(({ id, seq, epoch }) => ({ id, seq, epoch })),
                broadcasts.map(({ id, seq, epoch }) => ({ id, seq, epoch })).reverse());
        });

        it('replays it to who joins with since', async () => {
            const reader = await connect('reader', 1);
            const { seq, epoch } = broadcasts[0];
            const { replay } = await reader.join(roomId, { since: seq, sinceEpoch: epoch });
            assert.deepEqual(replay, { count: MESSAGES * 2 - 1, complete: true });
            await reader.settle(roomId);
            assert.deepEqual(reader.broadcasts, broadcasts.slice(1).map(
                ({ clientMessageId, ...message }) => ({ ...message, replay: true })));
        });

        it('acknowledges a messageId sent again with the first id, and says it to nobody',
            async () => {
                const listener = await connect('listener', 1);
                const author = await connect('author');
                await listener.join(roomId);
                await author.join(roomId);
                for (const { messageId, ack } of sent) {
                    assert.deepEqual(await send(author, messageId), { ...ack, duplicate: true });
                }
                const { messageId } = await author.send(roomId, 'Something new');
                await listener.reply(messageId);
                assert.deepEqual(listener.broadcasts.map(({ id, inReplyTo }) => inReplyTo ?? id),
                    [messageId, messageId]);
                assert.equal((await getHistory()).length, MESSAGES * 2 + 2);
            });

        it('goes on in the same epoch with higher numbers', async () => {
            const author = await connect('author');
            const { seq, epoch } = await author.say(roomId, 'The next one');
            assert.equal(epoch, broadcasts[0].epoch);
            assert.ok(seq > broadcasts.at(-1).seq);
        });

        it('keeps who answers in a channel', async () => {
            const author = await connect('author');
            assert.equal((await author.send(channelId, 'Anybody here?')).code, 'no_agent');
        });
    });
}

describe('a question nobody has answered yet', { timeout: 300000 }, () => {
    it('is answered after a restart of everything, once', async () => {
        const cluster = await startCluster({ args: { bridge: ['--eliza-delay', '200ms'] } });
        try {
            const roomId = randomUUID();
            const author = await clients.connect({ url: cluster.url, entityId: 'author' });
            await author.join(roomId);
            const { messageId } = await author.send(roomId, 'Hello');
            await author.event('messageStreamChunk');
            clients.stop();
            await Promise.all(cluster.processes.map((process) => process.kill('SIGKILL')));
            for (const process of cluster.processes) process.start();
            await Promise.all(cluster.processes.map((process) => process.waitReady()));
            const reader = await clients.connect({ url: cluster.edges[1].url });
            await reader.join(roomId, { since: messageId });
            const reply = await reader.reply(messageId);
            const next = await reader.send(roomId, 'Hello again');
            await reader.reply(next.messageId);
            assert.deepEqual(reader.broadcasts.map(({ id, inReplyTo }) => inReplyTo ?? id),
                [messageId, next.messageId, next.messageId]);
            assert.notEqual(reply.text, '');
        } finally {
            clients.stop();
            await cluster.stop();
        }
    });
});
