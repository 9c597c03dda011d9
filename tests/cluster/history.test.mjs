// GET …/messages: what was said, newest first, in pages.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID, assertShape, isIsoTime, isPositive, isTime, isUuid } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const HISTORY_DEFAULT = 50;
const HISTORY_MAX = 1000;

let cluster;
let api;
let send;
let getMessages;
let agentId;
const clients = new Clients();

before(async () => {
    cluster = await startCluster();
    ({ api, send, getMessages } = restOf(cluster));
    const { body } = await send(randomUUID(), 'Who are you?', { mode: 'sync' });
    agentId = body.agentResponse.senderId;
});
after(() => {
    clients.stop();
    return cluster?.stop();
});
afterEach(clients.stop);

// What is said after it has a later time.
const nextMillisecond = () => {
    const now = Date.now();
    return until(() => Date.now() > now, 'time passes');
};

describe('history', TEST_OPTIONS, () => {
    const channel = randomUUID();
    const COUNT = 60;
    let all;    // oldest first

    before(async () => {
        const author = await clients.connect({ url: cluster.url, entityId: 'author' });
        for (let i = 0; i < COUNT; i++) {
            await author.say(channel, `message ${i}`, { messageId: `own-${i}` });
            await nextMillisecond();
        }
        all = (await getMessages(channel, `?limit=${HISTORY_MAX}`)).reverse();
        assert.deepEqual(all.map(({ content }) => content),
            Array.from({ length: COUNT }, (_, i) => `message ${i}`));
        const times = all.map(({ created_at: at }) => at);
        assert.equal(new Set(times).size, COUNT);
        clients.stop();
    });

    const newestFirst = (from, to) => all.slice(from, to).reverse();

    it('shows whole rows', async () => {
        const asked = randomUUID();
        const { body } = await send(asked, 'Hello', { mode: 'sync', metadata: { given: 1 } });
        const [reply, question] = await getMessages(asked);
        const shared = {
            id: isUuid, channelId: asked, roomId: asked, messageServerId: NIL_UUID,
            createdAt: isIsoTime, updatedAt: isIsoTime, created_at: isTime, updated_at: isTime,
            seq: isPositive, epoch: isPositive,
        };
        assertShape(question, {
            ...shared, authorId: 'rest-user', senderName: 'User', content: 'Hello', text: 'Hello',
            rawMessage: { text: 'Hello' }, sourceType: 'eliza_gui',
            metadata: { given: 1, user_display_name: 'User' }, inReplyToRootMessageId: null,
        });
        const { text, thought } = body.agentResponse;
        assertShape(reply, {
            ...shared, authorId: agentId, senderName: 'Eliza', content: text, text,
            rawMessage: { text, thought, actions: ['REPLY'] }, sourceType: 'agent_response',
            metadata: {
                agentName: 'Eliza', agent_id: agentId, thought, actions: ['REPLY'],
                channelType: 'GROUP', isDm: false,
            },
            inReplyToRootMessageId: question.id,
        });
        assert.equal(Date.parse(reply.createdAt), reply.created_at);
        assert.equal(all[3].sourceId, 'own-3');
    });

    it('comes newest first, 50 at a time', async () => {
        assert.deepEqual(await getMessages(channel), newestFirst(COUNT - HISTORY_DEFAULT));
    });

    it('limit', async () => {
        assert.deepEqual(await getMessages(channel, '?limit=0'), []);
        assert.deepEqual(await getMessages(channel, '?limit=1'), newestFirst(COUNT - 1));
        assert.deepEqual(await getMessages(channel, '?limit=60'), newestFirst(0));
        assert.deepEqual(await getMessages(channel, '?limit=1000000'), newestFirst(0));
    });

    for (const [name, format] of [
        ['milliseconds', (ms) => ms], ['an ISO time', (ms) => new Date(ms).toISOString()],
        ['an ISO time of another zone', (ms) => encodeURIComponent(
            `${new Date(ms + 7200000).toISOString().slice(0, -1)}+02:00`)],
    ]) {
        const at = (index) => format(all[index].created_at);

        it(`before, exclusive, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?before=${at(10)}`), newestFirst(0, 10));
            assert.deepEqual(await getMessages(channel, `?before=${at(10)}&limit=3`),
                newestFirst(7, 10));
            assert.deepEqual(await getMessages(channel, `?before=${at(0)}`), []);
        });

        it(`after, exclusive: the oldest ones after it, newest first, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?after=${at(50)}`), newestFirst(51));
            assert.deepEqual(await getMessages(channel, `?after=${at(10)}&limit=3`),
                newestFirst(11, 14));
            assert.deepEqual(await getMessages(channel, `?after=${at(COUNT - 1)}`), []);
        });

        it(`after and before, ${name}`, async () => {
            assert.deepEqual(await getMessages(channel, `?after=${at(10)}&before=${at(15)}`),
                newestFirst(11, 15));
        });
    }

    it('can be paged back to the beginning', async () => {
        const pages = [];
        let page = await getMessages(channel, '?limit=7');
        while (page.length > 0) {
            pages.push(...page);
            page = await getMessages(channel, `?limit=7&before=${page.at(-1).createdAt}`);
        }
        assert.deepEqual(pages, newestFirst(0));
    });

    it('of large messages can be paged in both directions', async () => {
        const large = randomUUID();
        const ids = [];
        for (let i = 0; i < 8; i++) {
            const { body } = await send(large, `${i}`.repeat(900000), { entityId: agentId });
            ids.push(body.userMessage.id);
            await nextMillisecond();
        }
        const walk = async (query, next) => {
            const found = [];
            let page = await getMessages(large, query);
            while (page.length > 0) {
                found.push(page.map(({ id }) => id));
                page = await getMessages(large, next(page));
            }
            return found;
        };
        const backward = await walk('', (page) => `?before=${page.at(-1).created_at}`);
        assert.deepEqual(backward.flat(), [...ids].reverse());
        const forward = await walk('?after=1', (page) => `?after=${page[0].created_at}`);
        assert.deepEqual(forward.flatMap((page) => page.reverse()), ids);
    });

    it('of one millisecond is parted by no page', async () => {
        const burst = randomUUID();
        const author = await clients.connect({ url: cluster.url, entityId: agentId });
        await Promise.all(Array.from({ length: 200 }, (_, i) => author.say(burst, `message ${i}`)));
        const everything = await getMessages(burst, `?limit=${HISTORY_MAX}`);
        assert.equal(everything.length, 200);
        assert.ok(new Set(everything.map(({ created_at: at }) => at)).size < 200);
        for (const limit of [1, 7]) {
            const found = { before: [], after: [] };
            let page = await getMessages(burst, `?limit=${limit}`);
            while (page.length > 0) {
                found.before.push(...page);
                page = await getMessages(burst,
                    `?limit=${limit}&before=${page.at(-1).created_at}`);
            }
            page = await getMessages(burst, `?limit=${limit}&after=1`);
            while (page.length > 0) {
                found.after.unshift(...page);
                page = await getMessages(burst, `?limit=${limit}&after=${page[0].created_at}`);
            }
            assert.deepEqual(found, { before: everything, after: everything });
        }
    });

    it('of an unknown channel is empty', async () => {
        assert.deepEqual(await getMessages(randomUUID()), []);
    });

    it('is the same on every edge and under the old name', async () => {
        const { body } = await api(`/central-channels/${channel}/messages`, { edge: 1 });
        assert.deepEqual(body.data.messages, newestFirst(COUNT - HISTORY_DEFAULT));
    });
});
