// Callers of REST who wait for an agent that takes its time.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { CONTROL, Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { Late, inTime, until } from '../lib/until.mjs';
import { request } from './raw.mjs';
import { parseEvents } from './rest.mjs';
import { assertShape, isText } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };

const clients = new Clients();
afterEach(clients.stop);

describe('while the agent takes its time', TEST_OPTIONS, () => {
    const WORD_DELAY_MS = 100;
    const SYNC_TIMEOUT_MS = 500;
    const IMPATIENT_EDGE = 2;
    let slow;
    let proxy;      // between the first edge and the router

    before(async () => {
        const port = await freePort();
        proxy = await startProxy(`http://127.0.0.1:${port}`);
        const edgeArgs = [
            ['--router', proxy.url.replace('http', 'tcp')], [],
            ['--sync-timeout', `${SYNC_TIMEOUT_MS}ms`, '--stream-comment', '100ms'],
        ];
        slow = await startCluster({
            edges: 3, args: {
                router: ['--bind-edges', `tcp://127.0.0.1:${port}`],
                bridge: ['--eliza-delay', `${WORD_DELAY_MS}ms`],
                edge: (index) => ['--router', `tcp://127.0.0.1:${port}`, ...edgeArgs[index]],
            },
        });
    });
    after(async () => {
        clients.stop();
        await slow?.stop();
        await proxy?.close();
    });

    const ask = (edge, channel, fields) => request(slow.edges[edge].url, {
        method: 'POST', path: `/api/messaging/channels/${channel}/messages`,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'Hello', entityId: 'rest-user', ...fields }),
    });

    const listen = async (channel) => {
        const client = await clients.connect({ url: slow.edges[1].url });
        await client.join(channel);
        return client;
    };

    it('a repeat by way of another edge gets the same reply', async () => {
        const channel = randomUUID();
        const fields = { mode: 'sync', messageId: 'asked again' };
        const first = ask(0, channel, fields);
        await until(async () => (await fetch(
            `${slow.edges[1].url}/api/messaging/channels/${channel}/messages`).then(
            (response) => response.json())).data.messages.length >= 1, 'the first is stored');
        const second = ask(1, channel, fields);
        const third = ask(1, channel, { ...fields, mode: 'stream' });
        const { agentResponse } = JSON.parse((await first).body);
        assert.deepEqual(JSON.parse((await second).body).agentResponse, agentResponse);
        const events = parseEvents((await third).body);
        assert.equal(events.at(-1).event, 'done');
        assert.deepEqual(events.at(-1).data, agentResponse);
    });

    it('a reply given while the edge had lost the router arrives', async () => {
        const channel = randomUUID();
        const listener = await listen(channel);
        const answer = ask(0, channel, { mode: 'sync' });
        await listener.event('messageStreamChunk');
        proxy.cut();
        const [, reply] = await until(() => listener.broadcasts.length === 2
            && listener.broadcasts, 'the reply is given');
        proxy.mend();
        const { status, body } = await answer;
        assert.equal(status, 201);
        assert.equal(JSON.parse(body).agentResponse.responseId, reply.id);
    });

    it('a caller of sync is told when it takes too long; the reply follows',
        () => inTime(async () => {
            const channel = randomUUID();
            const listener = await listen(channel);
            const { status, body, headers } = await ask(IMPATIENT_EDGE, channel, { mode: 'sync' });
            if (status === 201) throw new Late('the edge looked at its clock');
            assert.equal(status, 504);
            const { error, success } = JSON.parse(body);
            assert.equal(success, false);
            assertShape(error, { code: 'timeout', message: isText });
            assert.ok(Number(headers['retry-after']) > 0);
            await until(() => listener.broadcasts.length === 2, 'the reply is given');
        }));

    it('a silent stream is kept alive by comments', () => inTime(async () => {
        const channel = randomUUID();
        const { body } = await ask(IMPATIENT_EDGE, channel, { mode: 'stream', text: 'Hello' });
        const events = parseEvents(body);
        assert.equal(events.at(-1).event, 'done');
        if (!/^: /m.test(body)) throw new Late('a comment');
    }));

    // Stops an answer once it has begun; resolves with what its asker and the room are told.
    const stopped = (fields) => inTime(async () => {
        const channel = randomUUID();
        const listener = await listen(channel);
        const asked = ask(0, channel, fields);
        await listener.event('messageStreamChunk');
        await listener.message(CONTROL, { channelId: channel, action: 'stop' });
        const answer = await asked;
        const reply = await listener.event('messageBroadcast', ({ inReplyTo }) => inReplyTo);
        if (!reply.metadata?.stopped) throw new Late('the stop');
        return { answer, reply };
    });

    it('a stop ends the wait', async () => {
        const { answer: { status, body }, reply } = await stopped({ mode: 'sync' });
        assert.equal(status, 201);
        const { agentResponse } = JSON.parse(body);
        assert.equal(agentResponse.cancelled, true);
        assert.ok(reply.text.length > 0);
        assert.equal(agentResponse.text, reply.text);
        assert.deepEqual(reply.metadata, { stopped: true });
        const { answer: stream } = await stopped({ mode: 'stream' });
        assert.equal(parseEvents(stream.body).at(-1).data.cancelled, true);
    });
});
