// The page's Conversation: every message once and in order, on whatever way it arrives.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { beforeEach, describe, it } from 'node:test';

// The page's modules are plain .js; imported by content they need no package around them.
const source = fs.readFileSync(new URL('../../edge/www/conversation.js', import.meta.url), 'utf8');
const { Conversation } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const SELF = 'self';
let conversation;
let shown;

beforeEach(() => {
    conversation = new Conversation(SELF);
    shown = [];
    conversation.onPut = (entry, next) => {
        shown = shown.filter((other) => other !== entry);
        shown.splice(next ? shown.indexOf(next) : shown.length, 0, entry);
    };
    conversation.onRemove = (entry) => { shown = shown.filter((other) => other !== entry); };
});

const broadcast = (id, createdAt, fields = {}) => ({
    id, createdAt, senderId: 'other', senderName: 'Other', text: `text of ${id}`, source: 'chat',
    ...fields,
});

const item = (id, createdAt, fields = {}) => ({
    id, created_at: createdAt, authorId: 'other', content: `text of ${id}`, sourceType: 'chat',
    metadata: { user_display_name: 'Other' }, ...fields,
});

const draft = (clientMessageId) => conversation.draft({
    clientMessageId, senderName: 'Me', text: `draft ${clientMessageId}`,
});

const ids = () => {
    assert.deepEqual(shown, conversation.entries);
    return shown.map(({ id, clientMessageId }) => id ?? clientMessageId);
};

describe('Conversation', () => {
    it('shows a message once, live, replayed or from the history', () => {
        assert.ok(conversation.receive(broadcast('a', 1)));
        assert.equal(conversation.receive(broadcast('a', 1, { replay: true })), null);
        assert.equal(conversation.receiveHistory([item('b', 2), item('a', 1)]), 1);
        assert.equal(conversation.receive(broadcast('b', 2)), null);
        assert.deepEqual(ids(), ['a', 'b']);
    });

    it('orders by time, then by sequence, then by arrival', () => {
        conversation.receive(broadcast('c', 2, { seq: 3 }));
        conversation.receive(broadcast('b', 2, { seq: 2 }));
        conversation.receive(broadcast('d', 3));
        conversation.receive(broadcast('e', 3));
        conversation.receiveHistory([item('a', 1)]);
        assert.deepEqual(ids(), ['a', 'b', 'c', 'd', 'e']);
    });

    it('keeps the newest-first order of the history within one millisecond', () => {
        conversation.receiveHistory([item('c', 1), item('b', 1), item('a', 1)]);
        assert.deepEqual(ids(), ['a', 'b', 'c']);
    });

    it('confirms a draft by the echo, whichever of echo and acknowledgement is first', () => {
        draft('one');
        draft('two');
        assert.deepEqual(conversation.unsent.length, 2);
        const echo = (id, at, clientMessageId) => broadcast(id, at, {
            senderId: SELF, clientMessageId,
        });
        conversation.receive(echo('a', 1, 'one'));
        conversation.acknowledge('one', 'a');
        conversation.acknowledge('two', 'b');
        conversation.receive(echo('b', 2, 'two'));
        assert.deepEqual(ids(), ['a', 'b']);
        assert.ok(shown.every(({ isOwn, state }) => isOwn && state === 'settled'));
        assert.deepEqual(conversation.unsent, []);
    });

    it('recognises its draft in a replay without the client id, once acknowledged', () => {
        draft('one');
        conversation.receive(broadcast('a', 1, { senderId: SELF, replay: true }));
        assert.deepEqual(ids(), ['a', 'one']);
        conversation.acknowledge('one', 'a');
        assert.deepEqual(ids(), ['a']);
        assert.ok(shown[0].isOwn);
    });

    it('recognises its own draft in the history', () => {
        draft('one');
        conversation.receiveHistory([item('a', 1, { authorId: SELF, sourceId: 'one' })]);
        assert.deepEqual(ids(), ['a']);
        assert.deepEqual(conversation.unsent, []);
    });

    it('keeps a draft below what has arrived until it has its place', () => {
        draft('one');
        conversation.receive(broadcast('a', 5));
        assert.deepEqual(ids(), ['a', 'one']);
        conversation.receive(broadcast('b', 3, { senderId: SELF, clientMessageId: 'one' }));
        assert.deepEqual(ids(), ['b', 'a']);
    });

    it('marks a refused draft, and a late acknowledgement heals it', () => {
        const entry = draft('one');
        conversation.refuse('one', 'rate limited');
        assert.deepEqual([entry.state, entry.note], ['failed', 'rate limited']);
        assert.deepEqual(conversation.unsent, []);
        conversation.acknowledge('one', 'a');
        assert.deepEqual([entry.state, entry.note], ['settled', null]);
        conversation.refuse('one', 'too late');
        assert.equal(entry.state, 'settled');
    });

    it('puts the text so far in the place of what it has, whatever its number', () => {
        const chunk = (index, text, reset) => conversation.receiveChunk(
            { messageId: 'r', agentId: 'eliza', index, chunk: text, reset }, 0);
        chunk(0, 'How ');
        chunk(1, 'do ');
        assert.equal(chunk(4, 'How do you do', true).text, 'How do you do');
        assert.equal(chunk(5, '?').text, 'How do you do?');
        assert.equal(chunk(2, 'Well, then', true).text, 'Well, then'); // another attempt
        assert.equal(chunk(7, '.').text, 'Well, then.'); // one that stands for several
    });

    it('builds a reply from chunks, which its broadcast completes', () => {
        const chunk = (index, text) => conversation.receiveChunk(
            { messageId: 'r', agentId: 'eliza', index, chunk: text }, 0);
        chunk(0, 'How ');
        chunk(1, 'do ');
        assert.equal(chunk(1, 'do '), null);
        assert.deepEqual([shown[0].text, shown[0].state], ['How do ', 'streaming']);
        chunk(0, 'Well, ');
        assert.equal(shown[0].text, 'Well, ');
        conversation.receive(broadcast('q', 1));
        assert.deepEqual(ids(), ['q', 'r']);
        conversation.receive(broadcast('r', 2, { text: 'Well, well.', source: 'agent_response' }));
        assert.equal(chunk(2, 'more'), null);
        assert.deepEqual([shown[1].text, shown[1].state, shown[1].isAgent],
            ['Well, well.', 'settled', true]);
    });

    it('ends a stream that does not move, and takes it up again when it does', () => {
        const chunk = (index, now) => conversation.receiveChunk(
            { messageId: 'r', agentId: 'eliza', index, chunk: 'x' }, now);
        chunk(0, 100);
        conversation.stopStreams(({ streamedAt }) => streamedAt < 100);
        assert.equal(shown[0].state, 'streaming');
        conversation.stopStreams(({ id }) => id === 'r');
        assert.equal(shown[0].state, 'stopped');
        chunk(1, 200);
        assert.deepEqual([shown[0].text, shown[0].state], ['xx', 'streaming']);
    });

    it('says with an answer that failed why, and with the question when nothing of it is shown', () => {
        const failure = { inReplyTo: 'a', error: 'The agent cannot be reached' };
        const question = conversation.receive(broadcast('a', 1));
        conversation.receiveChunk({ messageId: 'r', agentId: 'eliza', index: 0, chunk: 'Well' }, 0);
        conversation.receiveError({ ...failure, messageId: 'r' });
        const answer = conversation.entries.find(({ id }) => id === 'r');
        assert.deepEqual([answer.state, answer.text, answer.note],
            ['stopped', 'Well', 'The agent cannot be reached']);
        assert.equal(question.note, null);
        conversation.receiveError({ ...failure, messageId: 's' });
        assert.deepEqual([question.state, question.note],
            ['settled', 'The agent cannot be reached']);
        conversation.receiveError({ ...failure, messageId: 's', inReplyTo: 'unknown' });
        assert.deepEqual(ids(), ['a', 'r']);
    });

    it('knows from where a rejoin continues', () => {
        assert.equal(conversation.newest, null);
        conversation.receive(broadcast('a', 1));
        conversation.receive(broadcast('b', 2));
        draft('one');
        conversation.acknowledge('one', 'c');
        assert.equal(conversation.newest.id, 'b');
        assert.equal(conversation.oldest.id, 'a');
    });

    it('forgets what lies before a gap, and only that', () => {
        conversation.receiveHistory([item('c', 3), item('b', 2), item('a', 1)]);
        draft('one');
        conversation.forgetBefore(3);
        assert.deepEqual(ids(), ['c', 'one']);
        assert.equal(conversation.receiveHistory([item('a', 1)]), 1);
    });

    it('stays bounded', () => {
        for (let at = 1; at <= 2100; at++) {
            conversation.receive(broadcast(`m${at}`, at));
            conversation.trim();
        }
        assert.equal(conversation.entries.length, 2000);
        assert.equal(conversation.oldest.id, 'm101');
        assert.deepEqual(shown, conversation.entries);
    });
});
