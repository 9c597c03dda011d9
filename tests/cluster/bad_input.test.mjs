// What a client gets wrong is its own affair: a broken packet ends its session, a broken payload is
// answered, nobody else notices, and no answer repeats what it sent.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { RAW_TRANSPORTS, RawWebSocket } from './raw.mjs';
import { assertShape, isText } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const MARK = 'ClientTextThatMustNotComeBack';
const MAX_PAYLOAD = 1000000;

const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);

let cluster;
let witness;    // another client of the same edge
let roomId;
let witnessSocketId;
const raws = [];
const clients = new Clients();

before(async () => {
    cluster = await startCluster({ edges: 1 });
    witness = await new Clients().connect({ url: cluster.url });
    witnessSocketId = witness.socket.id;
    roomId = randomUUID();
    await witness.join(roomId);
});
after(async () => {
    witness?.stop();
    await cluster?.stop();
});
afterEach(async () => {
    clients.stop();
    await Promise.all(raws.splice(0).map((raw) => raw.stop()));
});

const open = async (transport = 'websocket') => {
    const raw = await RAW_TRANSPORTS[transport].open(cluster.url);
    raws.push(raw);
    return raw;
};

// The witness is where it was, talks and hears.
const assertUnnoticed = async () => {
    const ack = await witness.say(roomId, 'Still here');
    await witness.event('messageBroadcast', ({ id }) => id === ack.messageId);
    assert.equal(witness.socket.id, witnessSocketId);
    assert.equal(cluster.edges[0].isRunning, true);
};

const EVENT = '42["message",';
const BROKEN_PACKETS = {
    'an empty message': '4',
    'an unknown Engine.IO type': '9',
    'no Engine.IO type': 'x',
    'a ping of a client': '2',
    'an unknown Socket.IO type': '49',
    'an event that is an object': '42{}',
    'an event without a name': '42[]',
    'an event whose name is an object': '42[{}]',
    'an event whose name is null': '42[null]',
    'a reserved event': '42["disconnect"]',
    'a reserved event in disguise': '42["\\u0064isconnect"]',
    'half an array': '42["message"',
    'half a string': '42["mess',
    'rubbish behind an event': '42["message"]x',
    'a comma too many': `${EVENT}]`,
    'a number with a leading zero': `${EVENT}{"a":01}]`,
    'a control character in a string': `${EVENT}"\u0001"]`,
    'a broken escape': `${EVENT}"\\x"]`,
    'a member without a name': `${EVENT}{1:2}]`,
    'NaN': `${EVENT}NaN]`,
    'an ack id that no client counts to': '4299999999999999999999999["message"]',
    'an ack that is an object': '431{}',
    'a CONNECT_ERROR of a client': '44{}',
    'an event of a namespace it is not in': '42/other,["message"]',
    'a CONNECT with a text': '40/x,"y"',
    'a CONNECT with half an object': '40/x,{',
    'too many attachments': '4599999999999-["message"]',
    'attachments without their number': '45-["message"]',
    'text where an attachment is expected':
        '451-["message",{"_placeholder":true,"num":0}]\x1e42["a"]',
    'a namespace with a control character': '40/a\u0002b,',
    'a namespace that is too long': `40/${'n'.repeat(5000)},`,
};

for (const transport of Object.keys(RAW_TRANSPORTS)) {
    describe(`a broken packet over ${transport}`, TEST_OPTIONS, () => {
        for (const [name, packets] of Object.entries(BROKEN_PACKETS)) {
            it(`${name} ends its session`, async () => {
                const raw = await (await open(transport)).connect();
                await raw.send(...packets.split('\x1e'));
                await raw.closed();
                await assertUnnoticed();
            });
        }

        it('an event before CONNECT ends the session', async () => {
            const raw = await open(transport);
            await raw.send('42["message"]');
            await raw.closed();
            await assertUnnoticed();
        });

        it('bytes that are not UTF-8 end the session', async () => {
            const raw = await (await open(transport)).connect();
            const bytes = Buffer.from(`${EVENT}"\xff\xfe"]`, 'latin1');
            await (transport === 'polling' ? raw.send(bytes) : raw.sendText(bytes));
            await raw.closed();
            await assertUnnoticed();
        });

        it('a packet over maxPayload ends the session', async () => {
            const raw = await (await open(transport)).connect();
            await raw.send(`${EVENT}"${'x'.repeat(MAX_PAYLOAD)}"]`).catch(() => {});
            if (transport === 'websocket') await raw.closed();
            else assert.equal(raw.statuses.at(-1), 413);
            await assertUnnoticed();
        });

        it('nesting as deep as maxPayload allows ends nothing but its own session', async () => {
            const raw = await (await open(transport)).connect();
            await raw.send(`${EVENT}${nested(400000)}]`);
            await assertUnnoticed();
        });
    });
}

describe('a broken payload', TEST_OPTIONS, () => {
    let raw;
    let lastAck = 0;

    before(async () => {
        raw = await (await RawWebSocket.open(cluster.url)).connect({ entityId: 'clumsy' });
    });
    after(() => raw.stop());

    const errorsSince = (from) => raw.packets.slice(from)
        .filter((text) => text.startsWith('42["messageError"'))
        .map((text) => JSON.parse(text.slice(2))[1]);

    // Sends an event given as raw JSON arguments; resolves with its messageError and its ack.
    const refuse = async (args) => {
        const from = raw.packets.length;
        const id = ++lastAck;
        await raw.send(`42${id}[${args}]`);
        const ack = await raw.ack(id);
        const errors = errorsSince(from);
        assert.equal(errors.length, 1, 'one messageError');
        assert.ok(!raw.packets.slice(from).join().includes(MARK), 'client text came back');
        return { ack, error: errors[0] };
    };

    const assertRefused = async (args, { code = 'malformed', field, clientMessageId } = {}) => {
        const { ack, error } = await refuse(args);
        const shape = {
            error: isText, code, ...field === undefined ? {} : { field },
            ...clientMessageId === undefined ? {} : { clientMessageId },
        };
        assertShape(error, shape);
        assertShape(ack, { success: false, ...shape });
        // Also without an ack id, and the session goes on.
        const from = raw.packets.length;
        await raw.send(`42[${args}]`);
        await raw.send(`42${++lastAck}["typing",{"roomId":"r","isTyping":true}]`);
        assert.deepEqual(await raw.ack(lastAck), { success: true });
        assert.deepEqual(errorsSince(from), [error]);
    };

    const LONG = 'x'.repeat(257);
    const message = (type, payload) => `"message",${JSON.stringify({ type, payload })}`;
    const id = randomUUID();
    const send = { roomId: 'r', senderId: 's', message: MARK, messageId: id, metadata: { MARK } };
    const join = { roomId: 'r', entityId: 'e', displayName: MARK };
    const typing = { roomId: 'r', userId: 'u', isTyping: true };
    const receipt = { messageId: id, status: 'read' };
    const control = { roomId: 'r', action: 'x' };
    const without = (object, ...names) => Object.fromEntries(
        Object.entries(object).filter(([name]) => !names.includes(name)));

    describe('envelope', () => {
        for (const args of [
            '"message"', '"message",null', '"message",5', `"message","${MARK}"`, '"message",[]',
            '"message",true', `"message",["${MARK}"]`,
        ]) it(args, () => assertRefused(args));

        for (const type of ['null', '""', '"x"', '"22"', '[]', '{}', 'true', '1.5', '1e300',
            '99999999999999999999', `"${MARK}"`]) {
            it(`type ${type}`, () => assertRefused(
                `"message",{"type":${type},"payload":{"messageId":"${MARK.slice(0, 9)}"}}`,
                { field: 'type', clientMessageId: MARK.slice(0, 9) }));
        }
        it('no type', () => assertRefused('"message",{"payload":{}}', { field: 'type' }));
        for (const type of [0, 7, -1, 1000, '"7"', '"0"']) {
            it(`type ${type}`, () => assertRefused(`"message",{"type":${type},"payload":{}}`,
                { code: 'unknown_type', field: 'type' }));
        }
        for (const type of [1, 2, 3, 4, 5, 6]) {
            for (const payload of ['null', '5', `"${MARK}"`, '[]', `["${MARK}"]`]) {
                it(`payload ${payload} of type ${type}`, () => assertRefused(
                    `"message",{"type":${type},"payload":${payload}}`, { field: 'payload' }));
            }
            it(`no payload of type ${type}`, () => assertRefused(`"message",{"type":${type}}`,
                { field: 'payload' }));
        }
        for (const event of ['"1"', '"2"', '1', '2']) {
            it(`event ${event}`, () => assertRefused(`${event},null`, { field: 'payload' }));
        }
        it('event typing', () => assertRefused('"typing","x"'));
    });

    describe('join', () => {
        const rows = [
            ['roomId', undefined], ['roomId', ''], ['roomId', 5], ['roomId', {}],
            ['roomId', [MARK]], ['roomId', true], ['roomId', LONG], ['roomId', 'a\0b'],
            ['entityId', 5],
            ['entityId', LONG], ['entityId', 'a\0b'], ['entityId', {}], ['displayName', 5],
            ['displayName', LONG], ['messageServerId', 5], ['agentId', []], ['since', {}],
            ['since', true], ['since', -1], ['since', 1e300], ['since', ''], ['since', LONG],
        ];
        for (const [field, value] of rows) {
            it(`${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
                message(1, { ...join, [field]: value }), { field }));
        }
        for (const sinceEpoch of ['x', -1, 1.5, {}]) {
            it(`sinceEpoch ${JSON.stringify(sinceEpoch)}`, () => assertRefused(
                message(1, { ...join, since: 1, sinceEpoch }), { field: 'sinceEpoch' }));
        }
    });

    for (const type of [2, 3]) {
        describe(`message of type ${type}`, () => {
            const rows = [
                ['roomId', undefined], ['roomId', null], ['roomId', ''], ['roomId', 5],
                ['roomId', LONG], ['roomId', 'a\0b'], ['senderId', 5], ['senderId', LONG],
                ['senderId', { MARK }], ['message', undefined], ['message', ''], ['message', 5],
                ['message', null], ['message', { MARK }], ['message', [MARK]], ['message', true],
                ['attachments', {}], ['attachments', MARK], ['attachments', 5], ['metadata', []],
                ['metadata', MARK], ['metadata', 5], ['senderName', 5], ['senderName', LONG],
                ['source', 5], ['source', LONG], ['messageServerId', 5],
            ];
            for (const [field, value] of rows) {
                it(`${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
                    message(type, { ...send, [field]: value }), { field, clientMessageId: id }));
            }
            for (const messageId of [5, LONG, 'a\0b', {}, true]) {
                it(`messageId ${JSON.stringify(messageId).slice(0, 40)}`, () => assertRefused(
                    message(type, { ...send, messageId }), { field: 'messageId' }));
            }
        });
    }

    describe('the others', () => {
        for (const [field, value] of [
            ['roomId', undefined], ['roomId', 5], ['roomId', LONG], ['userId', 5],
            ['isTyping', undefined], ['isTyping', 'yes'], ['isTyping', 1], ['isTyping', null],
        ]) {
            it(`typing: ${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
                `"typing",${JSON.stringify({ ...typing, [field]: value })}`, { field }));
        }
        for (const [field, value] of [
            ['messageId', undefined], ['messageId', ''], ['messageId', 5], ['messageId', LONG],
            ['status', undefined], ['status', ''], ['status', MARK], ['status', 5], ['userId', 5],
        ]) {
            const clientMessageId = field === 'messageId' ? undefined : id;
            it(`ACK: ${field} ${JSON.stringify(value)?.slice(0, 40)}`, async () => {
                const { ack } = await refuse(message(4, { ...receipt, [field]: value }));
                assert.equal(ack.code, 'malformed');
                assert.equal(ack.field, field);
                assert.ok([undefined, clientMessageId].includes(ack.clientMessageId));
            });
        }
        for (const [field, value] of [
            ['roomId', undefined], ['isThinking', undefined], ['isThinking', 'yes'], ['userId', {}],
        ]) {
            it(`THINKING: ${field} ${JSON.stringify(value)}`, () => assertRefused(
                message(5, { ...without(typing, 'isTyping'), isThinking: true, [field]: value }),
                { field }));
        }
        for (const [field, value] of [
            ['roomId', undefined], ['action', undefined], ['action', ''], ['action', 5],
            ['action', LONG], ['userId', 5],
        ]) {
            it(`CONTROL: ${field} ${JSON.stringify(value)?.slice(0, 40)}`, () => assertRefused(
                message(6, { ...control, [field]: value }), { field }));
        }
    });

    describe('nesting', () => {
        for (const depth of [129, 1000, 10000]) {
            it(`${depth} deep is a chat error`, () => assertRefused(
                `"message",{"type":2,"payload":{"roomId":"r","message":"x","metadata":{"a":${
                    nested(depth)}}}}`, { code: 'too_deep' }));
            it(`${depth} deep in an event that is not ours, too`, async () => {
                await raw.send(`42${++lastAck}["unknown",${nested(depth)}]`);
                assert.equal((await raw.ack(lastAck)).success, false);
            });
        }
        it('50 deep arrives as it was sent', async () => {
            const ack = ++lastAck;
            await raw.send(`42${ack}["message",{"type":3,"payload":{"roomId":"${
                roomId}","message":"deep","metadata":{"a":${nested(50)}}}}]`);
            const { messageId } = await raw.ack(ack);
            const { metadata } = await witness.event('messageBroadcast',
                (data) => data.id === messageId);
            assert.equal(JSON.stringify(metadata), `{"a":${nested(50)}}`);
        });
    });

    it('nobody else noticed', assertUnnoticed);
});

describe('odd but valid', TEST_OPTIONS, () => {
    // Says a message given as raw JSON; resolves with its ack and, as raw text, its broadcast.
    const say = async (fields) => {
        const raw = await (await open()).connect();
        await raw.send(`421["message",{"type":3,"payload":{"roomId":"${roomId}",${fields}}}]`);
        const ack = await raw.ack(1);
        const broadcast = raw.packets.find((text) => text.startsWith('42["messageBroadcast"'));
        return { ack, broadcast, raw };
    };
    const heard = ({ ack }) => witness.event('messageBroadcast', ({ id }) => id === ack.messageId);

    for (const text of ['\\ud800', '\\udfff', 'a\\ud83dz', '\\ud800\\ud800', '\\udc00\\ud800']) {
        it(`lone surrogates ${text} become U+FFFD or are refused`, async () => {
            const said = await say(`"message":"${text}"`);
            if (said.ack.success) {
                assert.match((await heard(said)).text, /^a?(\ufffd|\ufffd\ufffd)z?$/);
            } else {
                assert.equal(said.ack.field, 'message');
            }
            await assertUnnoticed();
        });
    }

    it('\\u0000 passes unharmed or is refused', async () => {
        const said = await say('"message":"a\\u0000b"');
        if (said.ack.success) assert.equal((await heard(said)).text, 'a\0b');
        else assert.equal(said.ack.field, 'message');
        await assertUnnoticed();
    });

    it('surrogates, NUL and numbers of any size in metadata pass as they were sent', async () => {
        const metadata = '{"big":123456789012345678901234567890,"huge":1e999,"precise":0.10,'
            + '"zero":-0,"text":"\\u0000\\ud800","":1,"twice":1,"twice":2}';
        const { ack, broadcast } = await say(`"message":"x","metadata":${metadata}`);
        assert.equal(ack.success, true);
        assert.ok(broadcast.includes('"big":123456789012345678901234567890,"huge":1e999'));
        assert.ok(broadcast.includes('"precise":0.10'));
        await assertUnnoticed();
    });

    it('of equal members the last one counts', async () => {
        const said = await say('"message":"first","message":"second","roomId":"elsewhere","roomId":'
            + `"${roomId}"`);
        assert.equal((await heard(said)).text, 'second');
    });

    it('members of prototypes are members like others', async () => {
        const said = await say('"message":"x","metadata":{"__proto__":{"a":1},"constructor":2},'
            + '"__proto__":{"b":3}');
        assert.equal(said.ack.success, true);
        assert.ok(said.broadcast.includes('"metadata":{"__proto__":{"a":1},"constructor":2}'));
    });

    it('a text as long as a packet may be arrives whole', async () => {
        const text = 'ä'.repeat((MAX_PAYLOAD - 1000) / 2);
        const said = await say(`"message":"${text}"`);
        assert.equal(said.ack.success, true);
        assert.ok((await heard(said)).text === text);
    });

    it('escapes of a long text do not make it grow beyond bounds', async () => {
        const said = await say(`"message":"${'\\u0001\\ud800'.repeat(80000)}"`);
        assert.equal(said.ack.success, true);
        assert.equal((await heard(said)).text.length, 160000);
        await assertUnnoticed();
    });

    it('a binary event is an event', async () => {
        const raw = await (await open()).connect();
        await raw.send(`451-1["message",{"type":3,"payload":{"roomId":"${
            roomId}","message":"with bytes","metadata":{"file":{"_placeholder":true,"num":0}}}}]`,
        Buffer.from([1, 2, 3]));
        const ack = await raw.ack(1);
        assert.equal(typeof ack.success, 'boolean');
        await assertUnnoticed();
    });

    it('packets that mean nothing here are ignored', async () => {
        const raw = await (await open()).connect();
        await raw.send('0{}', '5', '6', '3', '421["typing",{"roomId":"r","isTyping":true}]');
        assert.deepEqual(await raw.ack(1), { success: true });
    });

    it('an ack nobody asked for is ignored', async () => {
        const raw = await (await open()).connect();
        await raw.send('4377["x"]', '421["typing",{"roomId":"r","isTyping":true}]');
        assert.deepEqual(await raw.ack(1), { success: true });
    });

    it('more arguments than expected are ignored', async () => {
        const raw = await (await open()).connect();
        await raw.send('421["typing",{"roomId":"r","isTyping":true},1,{"a":[]}]');
        assert.deepEqual(await raw.ack(1), { success: true });
    });

    it('white space between tokens is none of our business', async () => {
        const raw = await (await open()).connect();
        await raw.send('421[ "typing" ,\t{ "roomId" : "r" ,\n "isTyping" : true } ]');
        assert.deepEqual(await raw.ack(1), { success: true });
    });

    it('a socket may be in so many rooms and no more', async () => {
        const raw = await (await open()).connect();
        const LIMIT = 1000;
        const rooms = Array.from({ length: LIMIT + 1 }, (_, i) => `many-${i}`);
        for (const [i, room] of rooms.entries()) {
            await raw.send(`42${i}["message",{"type":1,"payload":{"roomId":"${room}"}}]`);
            if (i % 100 === 99) await raw.ack(i);
        }
        assertShape(await raw.ack(LIMIT), {
            success: false, error: isText, code: 'limit_reached', field: 'roomId',
            retryAfterMs: (value) => value > 0,
        });
        await assertUnnoticed();
    });
});
