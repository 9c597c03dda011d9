// REST answers what it cannot use with a status and {"success":false,"error":{code,message}}: never
// 500 for what a client sent, and never with what the client sent.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { request } from './raw.mjs';
import { assertShape, isText } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const MARK = 'ClientTextThatMustNotComeBack';
const JSON_TYPE = { 'Content-Type': 'application/json' };
const BODY_MAX = 2000000;
const MESSAGES = '/api/messaging/channels/some-room/messages';
const PRESENCE = '/api/messaging/channels/some-room/presence';
const CHANNELS = '/api/messaging/channels';

let cluster;

before(async () => {
    cluster = await startCluster({ edges: 1 });
});
after(() => cluster?.stop());

const assertRefused = async (options, status, code) => {
    const answer = await request(cluster.url, options);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.headers['content-type'], /^application\/json/);
    const body = JSON.parse(answer.body);
    assertShape(body, { success: false, error: (error) => typeof error === 'object' });
    assertShape(body.error, { code, message: isText });
    assert.ok(!answer.body.includes(MARK), 'client text came back');
    assert.equal((await request(`${cluster.url}/healthz`)).status, 200);
    return answer;
};

const post = (path, body, headers = JSON_TYPE) => ({
    method: 'POST', path, headers, body: typeof body === 'string' || Buffer.isBuffer(body)
        ? body : JSON.stringify(body),
});

const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const message = { text: MARK, entityId: 'me' };

describe('bodies', TEST_OPTIONS, () => {
    for (const body of [
        '', ' ', '{', '}', 'null', 'true', '5', '"text"', '[]', `["${MARK}"]`, `{"text":"${MARK}"`,
        '{"text":"a",}', '{"text":01,"entityId":"a"}', '{"text":"\u0001","entityId":"a"}',
        '{"text":"\\ud8zz","entityId":"a"}', `{"text":"a"}${MARK}`, "{'text':'a'}", '\ufeff{}',
    ]) {
        for (const path of [MESSAGES, CHANNELS]) {
            it(`POST ${path} ${JSON.stringify(body)}`,
                () => assertRefused(post(path, body), 400, 'malformed'));
        }
    }

    it('that are not UTF-8', () => assertRefused(
        post(MESSAGES, Buffer.from('{"text":"\xff\xfe","entityId":"a"}', 'latin1')),
        400, 'malformed'));

    for (const depth of [129, 1000, 100000]) {
        it(`nested ${depth} deep`, () => assertRefused(
            post(MESSAGES, `{"text":"a","entityId":"a","metadata":{"a":${nested(depth)}}}`),
            400, 'too_deep'));
    }

    it('over 2 MB', () => assertRefused(
        post(MESSAGES, { ...message, text: 'x'.repeat(BODY_MAX) }), 413, 'too_large'));

    it('over 2 MB in chunks of unannounced length', async () => {
        const headers = { ...JSON_TYPE, 'Transfer-Encoding': 'chunked' };
        await assertRefused(post(MESSAGES, { ...message, text: 'x'.repeat(BODY_MAX) }, headers),
            413, 'too_large');
    });

    for (const type of [
        undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx',
        'text/json', 'multipart/form-data; boundary=x', MARK,
    ]) {
        it(`of type ${type}`, () => assertRefused(
            post(MESSAGES, message, type === undefined ? {} : { 'Content-Type': type }),
            415, 'INVALID_CONTENT_TYPE'));
    }

    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON',
        'application/json;charset=UTF-8', 'application/json ; charset=utf-8']) {
        it(`type ${type} is right`, async () => {
            const answer = await request(cluster.url, post(MESSAGES, message,
                { 'Content-Type': type }));
            assert.equal(answer.status, 201, answer.body);
        });
    }
});

describe('fields of a message', TEST_OPTIONS, () => {
    for (const [field, value] of [
        ['text', undefined], ['text', ''], ['text', 5], ['text', null], ['text', {}],
        ['text', [MARK]],
        ['entityId', undefined], ['entityId', ''], ['entityId', 5], ['entityId', null],
        ['entityId', 'x'.repeat(257)], ['entityId', 'a\0b'], ['mode', 'bogus'], ['mode', 5],
        ['mode', {}], ['mode', MARK], ['transport', 'bogus'], ['transport', ''], ['metadata', []],
        ['metadata', MARK], ['metadata', 5], ['attachments', {}], ['attachments', MARK],
        ['messageId', 5], ['messageId', 'x'.repeat(257)], ['message_server_id', 5],
        ['senderName', 5], ['senderName', 'x'.repeat(257)], ['source_type', 5],
    ]) {
        it(`${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
            post(MESSAGES, { ...message, [field]: value }), 400, 'malformed'));
    }
});

describe('fields of a channel', TEST_OPTIONS, () => {
    const channel = { name: MARK, participantCentralUserIds: [randomUUID()] };
    for (const [field, value] of [
        ['name', undefined], ['name', ''], ['name', 5], ['name', null], ['name', 'x'.repeat(257)],
        ['participantCentralUserIds', MARK], ['participantCentralUserIds', {}],
        ['participantCentralUserIds', [5]], ['participantCentralUserIds', ['']],
        ['participantCentralUserIds', [null]], ['participantCentralUserIds', ['x'.repeat(257)]],
        ['message_server_id', 5], ['message_server_id', MARK], ['message_server_id', ''],
        ['type', 5], ['type', 'x'.repeat(257)], ['metadata', []], ['metadata', MARK],
    ]) {
        it(`${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
            post(CHANNELS, { ...channel, [field]: value }), 400, 'malformed'));
    }
});

describe('queries', TEST_OPTIONS, () => {
    for (const query of [
        'limit=-1', 'limit=x', 'limit=1.5', 'limit=0x10', 'limit=99999999999999999999',
        `limit=${MARK}`, 'before=x', `before=${MARK}`, 'before=-1', 'before=2026-13-01',
        'before=2026-11-23T25:00:00Z', 'after=x', 'after=99999999999999999999', 'after=%00',
    ]) {
        it(`GET …/messages?${query}`, () => assertRefused(
            { path: `${MESSAGES}?${query}` }, 400, 'malformed'));
    }
    for (const query of ['limit=-1', 'limit=x', 'offset=-1', 'offset=x', `offset=${MARK}`]) {
        it(`GET …/presence?${query}`, () => assertRefused(
            { path: `${PRESENCE}?${query}` }, 400, 'malformed'));
    }
    it('unknown and empty parameters are ignored', async () => {
        for (const query of ['', '?', '?limit=', '?nothing=1&&=&a', '?limit=5']) {
            const answer = await request(cluster.url, { path: `${MESSAGES}${query}` });
            assert.equal(answer.status, 200, `${query} ${answer.body}`);
        }
    });
});

describe('paths and methods', TEST_OPTIONS, () => {
    for (const [method, path] of [
        ['PUT', MESSAGES], ['PATCH', MESSAGES], ['POST', PRESENCE],
        ['DELETE', PRESENCE], ['GET', CHANNELS], ['PUT', CHANNELS], ['GET', `${CHANNELS}/x`],
    ]) {
        it(`${method} ${path}`, async () => {
            const { headers } = await assertRefused({ method, path }, 405, 'method_not_allowed');
            assert.ok(isText(headers.allow));
        });
    }

    for (const path of [
        '/api', '/api/', '/api/nothing', '/api/messaging',
        '/api/messaging/channels/x/nothing', '/api/messaging/channels/x/messages/y/z',
        `/api/${MARK}`, '/api/messaging/channelsx/y/messages',
    ]) {
        for (const method of ['GET', 'POST', 'DELETE']) {
            it(`${method} ${path}`, () => assertRefused({ method, path }, 404, 404));
        }
    }

    for (const id of [
        '%00', 'a%00b', '%', '%2', '%zz', '%ff', '%c0%af', '%ed%a0%80', 'x'.repeat(257),
        '%C3%A4'.repeat(129),
    ]) {
        for (const path of [`${CHANNELS}/${id}/messages`, `${CHANNELS}/${id}/presence`]) {
            it(`GET ${path.slice(0, 60)}`, () => assertRefused({ path }, 400, 'malformed'));
        }
        it(`POST to ${id.slice(0, 40)}`, () => assertRefused(
            post(`${CHANNELS}/${id}/messages`, message), 400, 'malformed'));
    }

    it('an empty id', async () => {
        const answer = await request(cluster.url, { path: `${CHANNELS}//messages` });
        assert.ok([400, 404].includes(answer.status));
        assert.equal(JSON.parse(answer.body).success, false);
    });

    it('a slash at the end changes nothing', async () => {
        assert.equal((await request(cluster.url, { path: `${MESSAGES}/` })).status, 200);
    });

    for (const [path, id] of [
        ['a%2Fb', 'a/b'], ['a%20b', 'a b'], ['%C3%A4%F0%9F%98%80', 'ä😀'], ['%25', '%'],
        ['%3F%23', '?#'], ['a+b', 'a+b'], ['..%2F..', '../..'], ['%2e%2e', '..'],
        ['a;b=c', 'a;b=c'],
        ['x'.repeat(256), 'x'.repeat(256)], ['%22%5C', '"\\'], ['~!$&\'()*,@', '~!$&\'()*,@'],
    ]) {
        it(`the id ${path.slice(0, 40)} is one segment`, async () => {
            const text = randomUUID();
            const sent = await request(cluster.url, post(`${CHANNELS}/${path}/messages`,
                { text, entityId: 'me' }));
            assert.equal(sent.status, 201, sent.body);
            assert.equal(JSON.parse(sent.body).userMessage.channel_id, id);
            const { body } = await request(cluster.url, { path: `${CHANNELS}/${path}/messages` });
            const { messages } = JSON.parse(body).data;
            assert.ok(messages.some(({ content, channelId }) => (
                content === text && channelId === id)));
        });
    }
});

it('what is odd but valid is taken', TEST_OPTIONS, async () => {
    for (const [body, text] of [
        ['{"text":"\\ud800","entityId":"me"}', '\ufffd'],
        ['{"text":"a\\u0000b","entityId":"me"}', 'a\0b'],
        ['{"text":"first","text":"second","entityId":"me"}', 'second'],
        ['\r\n\t {"text":"spaced","entityId":"me"} \n', 'spaced'],
        ['{"text":"numbers","entityId":"me","metadata":{"n":1e999,"m":-0.0}}', 'numbers'],
        ['{"text":"null","entityId":"me","metadata":null,"mode":null}', 'null'],
    ]) {
        const answer = await request(cluster.url, post(MESSAGES, body));
        assert.equal(answer.status, 201, answer.body);
        assert.equal(JSON.parse(answer.body).userMessage.text, text);
    }
});
