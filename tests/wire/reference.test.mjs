// Bad input of every kind, and much that is good: our sessions answer as socket.io 4.8 does with
// allowEIO3, but for the deviations named at their cases.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Late, inTime } from '../lib/until.mjs';
import { converse, MAX_BUFFER, NO_ANSWER, startBoth } from './reference_wire.mjs';

let servers;
before(async () => { servers = await startBoth(); });
after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

const SEPARATOR = '\x1e';
// Packets as the payload of a revision.
const payload = (eio, ...packets) => (eio === 3 ?
    packets.map((text) => `${text.length}:${text}`).join('') : packets.join(SEPARATOR));

// What a client of that revision does to be in the main namespace.
const connected = (eio) => ['open ', ...eio === 3 ? [] : ['POST 40'], 'GET '];
const joined = (eio) => ['ws ', ...eio === 3 ? [] : ['say 40'], 'hear '];
const ALIVE_TEXT = '42["message","alive"]';
const alive = (eio) => [`POST ${payload(eio, ALIVE_TEXT)}`, 'GET '];

// {what, steps(revision)}, filled below.
const cases = [];
const say = (what, steps) => cases.push({ what, steps });

const UNKNOWN = /Session ID unknown|closed|-> 400$/;
// Where a line of ours may differ from theirs: in these cases, when both lines look like this.
const deviations = [{
    why: 'scripts are called scripts: under nosniff browsers refuse others',
    what: /&j=/, ours: /200 text\/javascript/, theirs: /200 text\/plain/,
}, {
    why: 'a method that does not fit is the client\'s error, not ours',
    what: /^\w+ to a session$/, ours: /-> 400/, theirs: /-> 500$/,
}, {
    why: 'a malformed payload is answered with 400, as the protocol\'s own test suite has it',
    eio: 4, what: /the body/, ours: /^POST [^]* -> 400$/, theirs: /-> 200 text\/html ok$/,
}, {
    why: 'numbers are decimal digits, not all that JavaScript takes for one',
    what: /the body "(1\.0|1e0|0x1| 1|1 |\+1):2"|the packet "2 1\[/, ours: UNKNOWN,
}, {
    why: 'and a blank is none',
    what: /the packet "2 \[/, ours: /42\["message-back/, theirs: /42\d\["message-back/,
}, {
    why: 'what is said goes on as it came, and is not read and written again',
    what: /,(1e400|true,|\{\\"a)/, ours: /message-back/,
}, {
    why: 'so do attachments, in their order',
    what: /attachments: two, crossed/, ours: /452-.*:1.*:0/, theirs: /452-.*:0.*:1/,
}, {
    why: 'the ids of acknowledgements are numbers that JavaScript counts to',
    what: /the packet "2(9007199254740993|1234567890)/, ours: /closed/,
}, {
    why: 'base64 that is none, and packets of no type, are malformed and not skipped',
    what: /body "(5:b4!!!|1:b|3:b7A|b!!!!|b4|bA)"|the message "b|the binary message (|07|34|ff)$/,
    ours: UNKNOWN,
}, {
    why: 'so are binary payloads that are empty, of no kind, or shorter than they say',
    eio: 3, what: /the octets (|000200ff3432|0101ff09|0201ff34|0009ff34)$/, ours: UNKNOWN,
}, {
    why: 'a namespace that is no URL is refused as any other',
    eio: 3, what: /the packet "0\/\/,"/, ours: /open/, theirs: /closed/,
}, {
    why: 'clients of this revision know the refusal as a text',
    eio: 3, what: /packet "0\//, ours: /44\/[^{]*"Invalid namespace"/,
    theirs: /44\/.*\{"message":"Invalid namespace"\}/,
}, {
    why: 'an event behind its DISCONNECT fits no more, in the same payload as in the next',
    what: /(before another|with a GET parked) the packet "1"/, theirs: /no answer/,
}, {
    why: 'a CLOSE packet ends the session, on a WebSocket too',
    what: /the message "1x?"|the binary message 01/, ours: /closed/, theirs: /open/,
}];

// --- handshakes ------------------------------------------------------------------------------

for (const query of [
    'transport=polling', 'EIO=2&transport=polling', 'EIO=5&transport=polling',
    'EIO=abc&transport=polling', 'EIO=&transport=polling', 'EIO=4&EIO=3&transport=polling', 'EIO=4',
    'EIO=4&transport=', 'EIO=4&transport=flashsocket', 'EIO=4&transport=webtransport',
    'EIO=4&transport=websocket',
    'EIO=3&transport=websocket', 'EIO=4&transport=POLLING', 'EIO=4&transport=polling&sid=',
    'EIO=4&transport=polling&sid=unknown', 'EIO=3&transport=polling&sid=unknown',
    'EIO=4&transport=polling&sid=__proto__', 'EIO=4&transport=polling&sid=constructor',
    'EIO=4&transport=websocket&sid=unknown', 'EIO=9&transport=none&sid=unknown',
    'EIO=4&transport=polling&b64=1', 'EIO=3&transport=polling&j=0',
    'EIO=3&transport=polling&j=x1y2',
    'EIO=4&transport=polling&j=0', 'EIO=3&transport=polling&j=',
    'EIO=4&transport=polling&transport=none',
]) {
    say(`a GET of ?${query}`, () => [`GET /?${query}`]);
}
for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
    say(`a handshake by ${method}`, (eio) => [`${method} /?EIO=${eio}&transport=polling`]);
    say(`${method} without a transport`, (eio) => [`${method} /?EIO=${eio}`]);
    say(`${method} to a session that is not`, (eio) =>
        [`${method} /?EIO=${eio}&transport=polling&sid=none`]);
}
for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD']) {
    say(`${method} to a session`, (eio) => [...connected(eio),
        `${method} /?EIO=${eio}&transport=polling&sid=SID`, ...alive(eio)]);
}

// --- requests to a session --------------------------------------------------------------------

say('the other revision', (eio) => [...connected(eio),
    `GET /?EIO=${7 - eio}&transport=polling&sid=SID`,
    `POST /?EIO=${7 - eio}&transport=polling&sid=SID 4`, ...alive(eio)]);
say('no revision', () => [...connected(4), 'GET /?transport=polling&sid=SID', ...alive(4)]);
say('another transport', (eio) => [...connected(eio),
    `GET /?EIO=${eio}&transport=websocket&sid=SID`, `GET /?EIO=${eio}&transport=x&sid=SID`,
    `POST /?EIO=${eio}&transport=websocket&sid=SID 4`, ...alive(eio)]);
say('two GETs at once', (eio) => [...connected(eio), 'park ', 'GET ', 'parked ', 'GET ', 'POST 2']);
say('binary payloads', (eio) => [...connected(eio), 'octets 34', 'GET ']);
say('too large', (eio) => [...connected(eio), `POST ${'x'.repeat(MAX_BUFFER + 1)}`, ...alive(eio)]);
say('as large as may be', (eio) => [...connected(eio),
    `POST ${payload(eio, `42["message","${'x'.repeat(MAX_BUFFER - 20 - (eio === 3 ? 5 : 0))}"]`)}`,
        'GET ']);

// --- payloads ---------------------------------------------------------------------------------

const bodies = [
    '', 'x', 'abc', '7', '9', ':', '4', '40', '0', '1', '2', '3', '5', '6', '2probe', '3probe',
    '5x', '6x',
    '0{"sid":"x"}', '\x00', '4\x00', ' 4', '-1', '44', 'b', 'bAAAA', 'b4', 'b!!!!', 'bA', '\u00e94',
    SEPARATOR, `4${SEPARATOR}`, `${SEPARATOR}4`, `2${SEPARATOR}x`, `3${SEPARATOR}${SEPARATOR}3`,
    '1:', ':1', '1:1', '1:2', '1:3', '1:4', '1:5', '1:6', '1:0', '1:7', '1:x', '0:', '0:0:', '2:4',
    '2:40', '01:2', '1.0:2',
    '1e0:2', '0x1:2', ' 1:2', '1 :2', '+1:2', '-1:2', 'a:2', '1:21', '1:2x', '6:2probe', '6:3probe',
    '1:22:40', '1:21:2',
    '99999999999:2', '1:b', '2:b4', '6:b4AAAA', '5:b4!!!', '3:b7A', '1:2:1:2', '1:21:',
];
for (const body of bodies) {
    // What is said within a turn of the loop goes out together: with them, packet by packet.
    if (body !== '40') say(`the body ${JSON.stringify(body)}`, (eio) => ['open ', 'park ',
        `POST ${body}`, 'parked ']);
    say(`between two GETs the body ${JSON.stringify(body)}`, (eio) => [...connected(eio),
        `POST ${body}`, ...alive(eio), 'GET ']);
}
for (const hex of ['', '00', '0001ff34', '0102ff0405', '000200ff3432', '00ff34', '0001ff', '01ff',
    '0101ff04', '0101ff09',
    '0001ff32', '0001ff31', '0201ff34', '000100ff', '0009ff34']) {
    say(`the octets ${hex}`, (eio) => [...connected(eio), `octets ${hex}`, ...alive(eio)]);
}

// --- Socket.IO packets ------------------------------------------------------------------------

const packets = [
    '', '0', '1', '2', '3', '4', '5', '6', '7', '9', 'x', '0/', '0/,', '0/custom', '0/custom,',
    '0/none', '0/none,', '0custom', '0{}', '0{"a":1}', '0[]', '0"x"', '0x',
    '0null', '01', '0/custom?a=b', '0/custom?a=b,', '0/none?a=b,{"c":1}', '0/custom,{"a":1}',
    '0/custom,[]', '0,', '0/custom/x,', '0/Custom,', '0//,',
    '1/', '1/custom', '1/custom,', '1x', '1{}', '1[]', '11', '1/none,',
    '2', '2[', '2[]', '2{}', '2""', '2null', '2"message"', '2["message"]', '2["message",',
    '2["message"]x', '2["message"] ', '2 ["message"]', '2[null]', '2[1]', '2[1,2]', '2[{}]',
    '2[true]',
    '2["connect"]', '2["connect_error"]', '2["disconnect"]', '2["disconnecting"]',
    '2["newListener"]', '2["removeListener"]', '2["error"]', '2["connection"]',
    '2/custom,["message"]', '2/none,["message"]', '2/custom["message"]', '2/,["message",1]',
    '2,["message"]',
    '20["message-with-ack",1]', '200["message-with-ack",1]', '2-1["message-with-ack"]',
    '21.5["message-with-ack"]', '21e3["message-with-ack"]',
    '29007199254740993["message-with-ack"]', '212345678901234567890["message-with-ack"]',
    '2 1["message-with-ack"]',
    '3', '3[]', '31[]', '31', '31{}', '3["x"]', '31/custom,[]', '3/custom,1[]', '30[]',
    '4', '4"x"', '4{"message":"x"}', '4[]', '4/custom,"x"', '4/none,{}',
    '5', '5["message"]', '50-["message"]', '51["message"]', '5-["message"]', '5a-["message"]',
    '51-', '51-[]', '51-{}', '5-1-["message"]', '51.5-["message"]', '511-["message"]',
    '5999999-["message"]',
    '50-["message",{"_placeholder":true,"num":0}]', '6', '60-1[]', '61-[]', '61-1["x"]',
    '2["message","\\ud800"]', '2["message","\u0000"]', '2["message","\\u0000"]', '2["message",01]',
    '2["message",1.]', '2["message",.5]', "2['message']", '2["message",1e400]',
    '2["message",NaN]', '2["message",undefined]', '2["message",true,false,null,-0]',
    '2["message","\\x41"]', '2["message","\t"]', '2["message",{"a":1,"a":2}]',
    '2["message",{"__proto__":1}]',
];
for (const packet of packets) {
    say(`on a WebSocket the packet ${JSON.stringify(packet)}`, (eio) => [...joined(eio),
        `say 4${packet}`, 'hear ', `say ${ALIVE_TEXT}`, 'hear ']);
    say(`first on a WebSocket the packet ${JSON.stringify(packet)}`, (eio) => ['ws ',
        `say 4${packet}`, 'hear ', 'say 40', 'hear ']);
}
const inPayloads = ['', '0', '7', '2[]', '2', '1', '5', '4', 'x', '31[]', '2/none,["message"]',
    '2["message"'];
for (const packet of inPayloads) {
    say(`by polling the packet ${JSON.stringify(packet)}`, (eio) => [...connected(eio),
        `POST ${payload(eio, `4${packet}`)}`, ...alive(eio), 'GET ']);
    say(`before another the packet ${JSON.stringify(packet)}`, (eio) => [...connected(eio),
        `POST ${payload(eio, `4${packet}`, ALIVE_TEXT)}`, 'GET ', 'GET ']);
    say(`with a GET parked the packet ${JSON.stringify(packet)}`, (eio) => [...connected(eio),
        'park ', `POST ${payload(eio, `4${packet}`, '42["message"]')}`, 'parked ']);
}

// --- attachments ------------------------------------------------------------------------------

const B = { 3: '04', 4: '' }; // what a binary message begins with
const placeholder = (num) => `{"_placeholder":true,"num":${num}}`;
for (const [what, header, ...frames] of [
    ['one', `51-["message",${placeholder(0)}]`, '010203'],
    ['an empty one', `51-["message",${placeholder(0)}]`, ''],
    ['two', `52-["message",${placeholder(0)},${placeholder(1)}]`, '01', '02'],
    ['two, crossed', `52-["message",${placeholder(1)},${placeholder(0)}]`, '01', '02'],
    ['one, acknowledged', `51-7["message-with-ack",${placeholder(0)}]`, '01'],
    ['a placeholder too many', `51-["message",${placeholder(0)},${placeholder(1)}]`, '01'],
    ['a negative placeholder', `51-["message",${placeholder(-1)}]`, '01'],
    ['a placeholder of a text', `51-["message",${placeholder('"0"')}]`, '01'],
    ['none that was announced', '50-["message"]'],
    ['eleven', `511-["message"]`, '01'],
]) {
    say(`attachments: ${what}`, (eio) => [...joined(eio), `say 4${header}`,
        ...frames.map((hex) => `bytes ${B[eio]}${hex}`), 'hear ', `say ${ALIVE_TEXT}`, 'hear ']);
}
say('binary that was not announced', (eio) => [...joined(eio), `say ${ALIVE_TEXT}`, 'hear ',
    `bytes ${B[eio]}01`, 'hear ']);
say('text between attachments', (eio) => [...joined(eio),
    `say 452-["message",${placeholder(0)},${placeholder(1)}]`,
    `bytes ${B[eio]}01`, 'say 42["message"]', 'hear ']);
say('a ping between attachments', (eio) => [...joined(eio), `say 451-["message",${placeholder(0)}]`,
    `say ${eio === 3 ? 2 : 3}`, `bytes ${B[eio]}01`, 'hear ']);

// --- WebSocket messages -----------------------------------------------------------------------

for (const message of ['', '0', '1', '2', '3', '5', '6', '7', 'x', '2probe', '3probe', 'b', 'bAAAA',
    'b4AAAA', 'b4', '\x00', '1x', '5x', '4', '44', '2\x00']) {
    say(`the message ${JSON.stringify(message)}`, (eio) => [...joined(eio), `say ${message}`,
        'hear ', `say ${ALIVE_TEXT}`, 'hear ']);
}
for (const hex of ['', '00', '01', '02', '03', '05', '06', '07', '34', 'ff', '0432']) {
    say(`the binary message ${hex}`, (eio) => [...joined(eio), `bytes ${hex}`, 'hear ',
        `say ${ALIVE_TEXT}`, 'hear ']);
}
say('a message that is too large', (eio) => [...joined(eio), `say 4${'x'.repeat(MAX_BUFFER)}`,
    'hear ']);
say('a frame of no kind', (eio) => [...joined(eio), 'frame 3 x', 'hear ']);
say('a continuation of nothing', (eio) => [...joined(eio), 'frame 0 x', 'hear ']);
say('an end', (eio) => [...joined(eio), 'end ', 'hear ']);
say('a socket that the server ends', (eio) => [...joined(eio), 'say 42["bye"]', 'hear ', 'say 40',
    'hear ']);
say('a polling socket that the server ends', (eio) => [...connected(eio),
    `POST ${payload(eio, '42["bye"]')}`, 'GET ']);

// --- upgrades ---------------------------------------------------------------------------------

const UPGRADE = 'ws &sid=SID';
say('an upgrade', (eio) => [...connected(eio), UPGRADE, 'say 2probe', 'hear ', 'GET ', 'say 5',
    `say ${ALIVE_TEXT}`, 'hear ', 'GET ', 'POST 2']);
say('an upgrade of a session that is not', (eio) => ['ws &sid=none']);
say('an upgrade of the other revision', (eio) => [...connected(eio), `ws &sid=SID&EIO=${7 - eio}`,
    ...alive(eio)]);
say('a second upgrade beside the first', (eio) => [...connected(eio), UPGRADE, 'say 2probe',
    'hear ', UPGRADE, 'hear ', ...alive(eio)]);
say('a second upgrade after the first', (eio) => [...connected(eio), UPGRADE, 'say 2probe', 'hear ',
    'GET ', 'say 5', 'hear ', UPGRADE, 'hear ']);
say('an upgrade of a WebSocket', (eio) => ['ws ', 'hear ', 'ws &sid=none']);
for (const message of ['2', '2x', '5', '4', '3probe', '1', 'x', '', '6', '2probe2']) {
    say(`an upgrade that begins with ${JSON.stringify(message)}`, (eio) => [...connected(eio),
        UPGRADE, `say ${message}`, 'hear ', ...alive(eio)]);
    say(`an upgrade that goes on with ${JSON.stringify(message)}`, (eio) => [...connected(eio),
        UPGRADE, 'say 2probe', 'hear ', `say ${message}`, 'hear ']);
}
say('an upgrade that is lost', (eio) => [...connected(eio), UPGRADE, 'say 2probe', 'hear ', 'lose ',
    ...alive(eio)]);
say('a session that ends during its upgrade', (eio) => [...connected(eio), UPGRADE, 'say 2probe',
    'hear ', `POST ${payload(eio, '1')}`, 'hear ', 'GET ']);

// --- the comparison ---------------------------------------------------------------------------

const differs = (what, eio, ours, theirs) => !deviations.some((deviation) => {
    const fits = (deviation.eio ?? eio) === eio && deviation.what.test(what) &&
        (deviation.ours ?? /./).test(ours) && (deviation.theirs ?? /./).test(theirs);
    deviation.isUsed ||= fits;
    return fits;
});

describe('as socket.io 4.8', { concurrency: 48 }, () => {
    for (const { what, steps } of cases) {
        for (const eio of [3, 4]) {
            it(`revision ${eio}: ${what}`, () => inTime(async () => {
                const [ours, theirs] = await Promise.all([servers.ours, servers.theirs].map(
                    (server) => converse(server, eio, steps(eio))));
                const allowed = theirs.map((line, i) => (
                    line === ours[i] || differs(what, eio, ours[i], line) ? line : ours[i]));
                const isSilent = [...ours, ...theirs].some((line) => line.includes(NO_ANSWER));
                if (isSilent && String(ours) !== String(allowed)) throw new Late('an answer');
                assert.deepEqual(ours, allowed);
            }));
        }
    }
});

it('no deviation is without a case', () => {
    assert.deepEqual(deviations.filter(({ isUsed }) => !isUsed), []);
});
