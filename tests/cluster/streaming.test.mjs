// Answers as they are written: whoever comes late, comes back, or whose process is killed has the
// same text as everybody else in the end, and may write again.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { Late, inTime, until } from '../lib/until.mjs';
import { parseEvents, restOf } from './rest.mjs';

const TEST_OPTIONS = { timeout: 1800000 };
const WORD_DELAY_MS = 60;
const KILLS = process.env.ELIZAMQ_LONG ? 300 : 20;
const QUESTION = 'My boyfriend made me come here, and I am unhappy about my mother.';

const clients = new Clients();
let cluster;
let rest;

before(async () => {
    cluster = await startCluster({
        edges: 2, args: {
            router: ['--bus-timeout', '700ms', '--job-attempts', '10'],
            bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`],
        },
    });
    rest = restOf(cluster);
});
after(() => cluster?.stop());
afterEach(clients.stop);

// The text that chunks make: of those behind the last reset, in the order of their index.
const assemble = (chunks) => {
    const last = chunks.findLastIndex(({ reset }) => reset);
    const pieces = chunks.slice(Math.max(last, 0)).sort((a, b) => a.index - b.index);
    assert.equal(new Set(pieces.map(({ index }) => index)).size, pieces.length, 'an index twice');
    return pieces.map(({ chunk }) => chunk).join('');
};

const connect = (edge, channel) => clients.connect({ url: cluster.edges[edge].url }).then(
    async (client) => {
        await client.join(channel);
        return client;
    });

const chunksOf = (client, question) => client.received('messageStreamChunk').filter(
    ({ inReplyTo }) => inReplyTo === question);

// Reads an SSE answer until `isEnough`, or its end; the events so far.
const readEvents = async (response, isEnough = () => false) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
        const { done, value } = await reader.read();
        text += value ?? '';
        const whole = text.slice(0, text.lastIndexOf('\n\n') + 2);
        const events = whole === '' ? [] : parseEvents(whole);
        if (done || isEnough(events)) {
            if (!done) await reader.cancel();
            return events;
        }
    }
};

const chunkData = (events) => events.filter(({ event }) => event === 'chunk')
    .map(({ data }) => data);

describe('an answer that is being written', TEST_OPTIONS, () => {
    it('is shown so far to who joins in the middle, and then the rest', () => inTime(async () => {
        const channel = randomUUID();
        const ann = await connect(0, channel);
        const { messageId } = await ann.send(channel, QUESTION);
        await until(() => chunksOf(ann, messageId).length >= 3, 'it has begun');
        const late = await Promise.all([connect(0, channel), connect(1, channel)]);
        await ann.event('messageComplete');
        // The bridge was taken for dead meanwhile, or the answer had ended before they came.
        const isAnew = chunksOf(ann, messageId).some(({ attempt }) => attempt > 1);
        if (isAnew) throw new Late('the bridge was heard');
        if (late.some((client) => chunksOf(client, messageId).length === 0)) {
            await Promise.all(late.map((client) => client.settle(channel)));
            const hasMissed = late.some(({ broadcasts }) => broadcasts.length === 0);
            if (hasMissed) throw new Late('they joined');
        }
        for (const client of [ann, ...late]) {
            const { text } = await client.reply(messageId);
            const chunks = chunksOf(client, messageId);
            assert.equal(assemble(chunks), text);
            assert.equal(chunks[0].reset ?? false, client !== ann);
            if (client !== ann) assert.ok(chunks[0].index >= 2 && chunks[0].attempt === 1);
        }
    }));

    it('is resumed over SSE where it was cut, on another edge', async () => {
        const channel = randomUUID();
        const first = await fetch(
            `${cluster.edges[0].url}/api/messaging/channels/${channel}/messages`, {
                method: 'POST', headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ text: QUESTION, entityId: 'ann', mode: 'stream' }),
            });
        const begun = await readEvents(first, (events) => chunkData(events).length >= 3);
        const chunks = chunkData(begun);
        const last = begun.findLast(({ event }) => event === 'chunk');
        const path = `/channels/${channel}/messages/${last.data.messageId}/stream`;
        const { response } = await rest.api(path, {
            edge: 1, headers: { 'Last-Event-ID': last.id },
        });
        const resumed = await readEvents(response);
        const { event, data: { text } } = resumed.at(-1);
        assert.equal(event, 'done');
        assert.equal(assemble([...chunks, ...chunkData(resumed)]), text);
        // One that was over by then, or had to be attempted anew, comes as a whole.
        const attempts = new Set([last, ...resumed].filter(({ id }) => id !== undefined)
            .map(({ id }) => id.split('.')[0]));
        if (attempts.size === 1 && chunkData(resumed).length > 1) {
            assert.ok(chunkData(resumed).every(({ reset }) => reset === undefined));
        }

        for (const id of [last.data.messageId, begun[0].data.id]) { // it is over: the whole
            const events = await rest.api(`/channels/${channel}/messages/${id}/stream`)
                .then((answer) => readEvents(answer.response));
            assert.deepEqual(events.map((one) => one.event), ['chunk', 'done']);
            assert.equal(assemble(chunkData(events)), text);
        }
        const { status } = await rest.api(
            `/channels/${channel}/messages/${randomUUID()}/stream`);
        assert.equal(status, 404);
    });

    it('is stopped by way of another edge, and the asker may write again',
        () => inTime(async () => {
            const channel = randomUUID();
            const ann = await connect(0, channel);
            const { messageId } = await ann.send(channel, QUESTION);
            await until(() => chunksOf(ann, messageId).length >= 2, 'it has begun');
            const path = `/channels/${channel}/messages/${messageId}/stop`;
            const stopped = await rest.api(path, { method: 'POST', edge: 1 });
            const complete = await ann.event('messageComplete');
            if (complete.success) throw new Late('the stop');
            assert.equal(stopped.status, 200);
            assert.equal(complete.success, false);
            assert.equal(complete.code, 'cancelled');
            await ann.event('controlMessage', ({ action }) => action === 'enable_input');
            assert.equal((await rest.api(path, { method: 'POST' })).status, 404);
            const [{ id, content, metadata }, asked] = await rest.getMessages(channel);
            assert.equal(asked.id, messageId);
            assert.equal(metadata.stopped, true);
            const seen = ann.broadcasts.at(-1);
            assert.deepEqual([seen.id, seen.text, seen.metadata.stopped], [id, content, true]);
            assert.equal(assemble(chunksOf(ann, messageId)), content);
            const events = await rest.api(`/channels/${channel}/messages/${id}/stream`, { edge: 1 })
                .then((answer) => readEvents(answer.response));
            assert.equal(assemble(chunkData(events)), content);
            assert.equal(events.at(-1).data.cancelled, true);
        }));
});

// A viewer like a page: it joins again when it is connected anew, unless it goes on as it was.
class Viewer {
    #client;
    channel;

    static async open(edge, channel) {
        const viewer = new Viewer();
        viewer.channel = channel;
        viewer.#client = await connect(edge, channel);
        viewer.#client.socket.on('connect', () => {
            if (!viewer.#client.socket.recovered) viewer.#rejoin();
        });
        return viewer;
    }

    get client() {
        return this.#client;
    }

    #rejoin() {
        const last = this.#client.broadcasts.at(-1);
        const since = last === undefined ? {} : { since: last.seq, sinceEpoch: last.epoch };
        this.#client.join(this.channel, since).catch(() => {});
    }

    // What the page shows of a reply: its final text, else what its chunks make.
    shown(question) {
        const final = this.#client.broadcasts.find(({ inReplyTo }) => inReplyTo === question);
        return final?.text;
    }

    get mayWrite() {
        return this.#client.received('controlMessage').filter(
            ({ action }) => action.endsWith('_input')).at(-1)?.action !== 'disable_input';
    }
}

describe(`${KILLS} kills amid answers`, TEST_OPTIONS, () => {
    it('leave one reply each, the same for everybody, and nobody unable to write', async () => {
        for (let round = 0; round < KILLS; round++) {
            const channel = randomUUID();
            const viewers = [await Viewer.open(0, channel), await Viewer.open(1, channel)];
            const [asker, other] = viewers;
            const { messageId } = await asker.client.send(channel, QUESTION);
            const index = Math.floor(Math.random() * 8);
            const victim = [cluster.bridge, cluster.router, ...cluster.edges][round % 4];
            await until(() => viewers.some(({ client }) => chunksOf(client, messageId)
                .some((chunk) => chunk.index >= index) || other.shown(messageId) !== undefined),
            `chunk ${index}`);
            await victim.kill('SIGKILL');
            victim.start();
            const what = `round ${round}, ${victim.name} at chunk ${index}`;
            for (const viewer of viewers) {
                await until(() => viewer.shown(messageId) !== undefined, `the reply: ${what}`,
                    60000);
            }
            await until(() => viewers.every(({ mayWrite }) => mayWrite), `input: ${what}`, 60000);
            await victim.waitReady();
            const messages = await until(async () => rest.getMessages(channel).catch(() => null),
                `the history: ${what}`); // a connection kept from before the kill may fail once
            const replies = messages.filter(
                ({ inReplyToRootMessageId }) => inReplyToRootMessageId === messageId);
            assert.equal(replies.length, 1, what);
            for (const { client } of viewers) {
                const told = client.broadcasts.filter(({ inReplyTo }) => inReplyTo === messageId);
                assert.deepEqual(told.map(({ text }) => text), [replies[0].text], what);
                const chunks = chunksOf(client, messageId);
                assert.ok(replies[0].text.startsWith(assemble(chunks)), what);
            }
            clients.stop();
        }
    });
});

describe('a question that every bridge dies of', TEST_OPTIONS, () => {
    it('is given up, honestly, and the next one is answered', async () => {
        const own = await startCluster({
            edges: 1, args: {
                router: ['--bus-timeout', '700ms', '--job-attempts', '2'],
                bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`],
            },
        });
        try {
            const channel = randomUUID();
            const ann = await clients.connect({ url: own.url });
            await ann.join(channel);
            const { messageId } = await ann.send(channel, QUESTION);
            for (let attempt = 1; attempt <= 2; attempt++) {
                // Each of them had begun to write when it died.
                await until(() => chunksOf(ann, messageId).some((chunk) => (
                    attempt === 1 || chunk.attempt > 1)), `attempt ${attempt} writes`);
                await own.bridge.kill('SIGKILL');
                own.bridge.start();
            }
            const failed = await ann.event('messageStreamError');
            assert.equal(failed.code, 'attempts_exhausted');
            assert.ok(failed.partialText.length > 0);
            const complete = await ann.event('messageComplete');
            assert.deepEqual([complete.success, complete.code], [false, 'attempts_exhausted']);
            await ann.event('controlMessage', ({ action }) => action === 'enable_input');
            const next = await ann.send(channel, 'Hello');
            assert.ok((await ann.reply(next.messageId)).text.length > 0);
            assert.equal(ann.broadcasts.filter((one) => one.inReplyTo === messageId).length, 0);
        } finally {
            await own.stop();
        }
    });
});
