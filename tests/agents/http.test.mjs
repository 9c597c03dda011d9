// The http runtime: a service of one's own, in one piece or as a stream.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { parseEvents, restOf } from '../cluster/rest.mjs';
import { EVENT_STREAM, event, json, startModelServer } from './model_server.mjs';

const TEST_OPTIONS = { timeout: 300000 };

const clients = new Clients();
afterEach(clients.stop);

describe('an HTTP service as the runtime', TEST_OPTIONS, () => {
    let server;
    let cluster;
    let rest;

    before(async () => {
        server = await startModelServer(({ body }, response) => json(response, 200, {
            agentName: 'Echo', text: `${body.userName} said ${body.content}`,
            metadata: { seen: true }, actions: ['REPLY'],
        }));
        cluster = await startCluster({
            edges: 1, args: {
                bridge: ['--runtime', 'http', '--http-url', `${server.origin}/answer?a=1`],
            },
        });
        rest = restOf(cluster);
    });
    after(async () => {
        clients.stop();
        await cluster?.stop();
        await server?.stop();
    });

    const failureOf = async (answer) => {
        server.answer = answer;
        const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
        const last = parseEvents(await response.text()).at(-1);
        assert.equal(last.event, 'error', JSON.stringify(last));
    };

    it('answers as processMessage of the document does', async () => {
        const room = randomUUID();
        const client = await clients.connect({ url: cluster.url });
        await client.join(room);
        const { messageId } = await client.send(room, 'Hello', { senderName: 'Ada' });
        const reply = await client.reply(messageId);
        assert.equal(reply.senderName, 'Echo');
        assert.equal(reply.text, 'Ada said Hello');
        assert.deepEqual(reply.metadata, { seen: true });
        assert.deepEqual(reply.actions, ['REPLY']);
        const [{ path, body }] = server.requests;
        assert.equal(path, '/answer?a=1');
        assert.equal(body.roomId, room);
        assert.equal(body.userId, client.entityId);
        assert.equal(body.messageId, messageId);
        assert.equal(body.agentName, 'Eliza');
    });

    it('streams', async () => {
        server.answer = (_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(event({ chunk: 'one ' }, 'chunk') + event({ chunk: 'two' }, 'chunk')
                + event({ x: 1 }, 'something-else') + event({ text: 'one two three', thought: 'hm' }, 'done'));
        };
        const { response } = await rest.send(randomUUID(), 'Hello', { mode: 'stream' });
        const events = parseEvents(await response.text());
        assert.equal(events.filter((one) => one.event === 'chunk').map(({ data }) => data.chunk)
            .join(''), 'one two three');
        assert.equal(events.at(-1).data.text, 'one two three');
        assert.equal(events.at(-1).data.thought, 'hm');
    });

    it('fails where the service fails', async () => {
        await failureOf((_, response) => json(response, 404, {}));
        await failureOf((_, response) => json(response, 200, { nothing: true }));
        await failureOf((_, response) => json(response, 200, { text: '', actions: ['IGNORE'] }));
        await failureOf((_, response) => json(response, 200, 'no JSON'));
        await failureOf((_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(event({ chunk: 'half' }, 'chunk'));
        });
        await failureOf((_, response) => {
            response.writeHead(200, EVENT_STREAM);
            response.end(event({ error: 'broken' }, 'error'));
        });
    });
});
