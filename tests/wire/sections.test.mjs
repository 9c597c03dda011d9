// The two protocol documents, section by section, byte by byte. Sections are counted in the order of
// the documents, Introduction being 1. The cases at their edges are in the files beside this one.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { EchoServer, POLLING } from './engineio_wire.mjs';
import { Client } from './http_wire.mjs';
import { converse } from './reference_wire.mjs';

let server;
before(async () => { server = await EchoServer.start('--eio3', '--ping-interval', '60000'); });
after(() => server.stop());

// Each line is a step, and what it is answered: nothing stands for nothing.
const says = (name, eio, lines) => it(name, async () => {
    const steps = lines.map((line) => line.split(' -> ')[0]);
    const expected = lines.filter((line) => line.includes(' -> '));
    assert.deepEqual(await converse(server, eio, steps), expected);
});

const TEXT = '200 text/plain; charset=UTF-8';
const OPTIONS = '"upgrades":["websocket"],"pingInterval":60000,"pingTimeout":20000,' +
    '"maxPayload":1000000';
const OPEN = `open  -> ${TEXT} 0{"sid":"SID",${OPTIONS}}`;
const WS_OPEN = `0{"sid":"SID",${OPTIONS.replace('"websocket"', '')}}`;
const OK = '200 text/html ok';
const connected = [OPEN, `POST 40 -> ${OK}`,
    `GET  -> ${TEXT} 40{"sid":"SID"}\x1e42["auth",{}]`];

describe('Engine.IO protocol, revision 4', () => {
    says('2.1.1 Request path', 4, ['GET /?EIO=4&transport=websocket -> ' +
        '400 application/json {"code":3,"message":"Bad request"}']);
    says('2.1.2 Query parameters', 4, [
        'GET /?transport=polling&EIO=4&sid=none -> ' +
            '400 application/json {"code":1,"message":"Session ID unknown"}',
        'GET /?EIO=4 -> 400 application/json {"code":0,"message":"Transport unknown"}',
        'GET /?EIO=4&transport=abc -> 400 application/json {"code":0,"message":"Transport unknown"}',
        'PUT /?EIO=4&transport=polling -> ' +
            '400 application/json {"code":2,"message":"Bad handshake method"}',
    ]);
    it('2.1.3 Headers', async () => {
        const client = await Client.connect(server.port);
        client.write(`GET ${POLLING} HTTP/1.1\r\nHost: test\r\n\r\n`);
        const { body } = await client.answer();
        const { sid } = JSON.parse(body.slice(1));
        client.write(`POST ${POLLING}&sid=${sid} HTTP/1.1\r\nHost: test\r\n` +
            'Content-Type: text/plain; charset=UTF-8\r\nContent-Length: 2\r\n\r\n40');
        const { line, headers } = await client.answer();
        client.destroy();
        assert.equal(line, 'HTTP/1.1 200 OK');
        assert.equal(headers['content-type'], 'text/html');
        assert.equal(headers['content-length'], '2');
    });
    says('2.1.4.1 Sending data', 4, [...connected,
        `POST 42["message","a"]\x1e42["message","b"] -> ${OK}`,
        `GET  -> ${TEXT} 42["message-back","a"]\x1e42["message-back","b"]`]);
    says('2.1.4.2 Receiving data', 4, [...connected, 'park ', `POST 42["message","a"] -> ${OK}`,
        `parked  -> ${TEXT} 42["message-back","a"]`]);
    says('2.2 WebSocket', 4, ['ws  -> 101', `hear  -> ${WS_OPEN} open`, 'say 40',
        'say 42["message","a"]',
        'hear  -> 40{"sid":"SID"} 42["auth",{}] 42["message-back","a"] open']);
    says('3.1 Handshake', 4, [OPEN]);
    it('3.2 Heartbeat', async () => {
        const quick = await EchoServer.start('--ping-interval', '200', '--ping-timeout', '5000');
        try {
            const socket = await quick.join();
            for (let i = 0; i < 3; i++) {
                assert.equal(await socket.next(), '2');
                socket.say('3');
            }
            socket.destroy();
        } finally {
            await quick.stop();
        }
    });
    says('3.3 Upgrade', 4, [...connected, 'ws &sid=SID -> 101', 'park ', 'say 2probe',
        'hear  -> 3probe open', `parked  -> ${TEXT} 6`, 'say 5', 'say 42["message","a"]',
        'hear  -> 42["message-back","a"] open']);
    says('3.4 Message', 4, [...connected, `POST 42["message",{"a":[1,null]}] -> ${OK}`,
        `GET  -> ${TEXT} 42["message-back",{"a":[1,null]}]`]);
    says('4.1 Packet encoding, HTTP long-polling', 4, [...connected,
        `POST 451-["message",{"_placeholder":true,"num":0}]\x1ebAQIDBA== -> ${OK}`,
        `GET  -> ${TEXT} 451-["message-back",{"_placeholder":true,"num":0}]\x1ebAQIDBA==`]);
    says('4.2 Packet encoding, WebSocket', 4, ['ws  -> 101', 'say 40',
        `hear  -> ${WS_OPEN} 40{"sid":"SID"} 42["auth",{}] open`,
        'say 451-["message",{"_placeholder":true,"num":0}]', 'bytes 01020304',
        'hear  -> 451-["message-back",{"_placeholder":true,"num":0}] <01020304> open']);
});

// The length is of the id as it is.
const length = `0{"sid":"SID",${OPTIONS}}`.length + 24 - 3;
const PLACEHOLDER = '{"_placeholder":true,"num":0}';
const BYTES = Buffer.from([4, 1, 2, 3]); // a message
// A payload as hexadecimal: of each packet whether it is bytes, its length in decimal digits, 255.
const octets = (...packets) => Buffer.concat(packets.flatMap((packet) => [
    Buffer.from([typeof packet === 'string' ? 0 : 1, ...[...String(packet.length)].map(Number), 255]),
    Buffer.from(packet),
])).toString('hex');
const connected3 = [`open &user=me -> ${TEXT} ${length}:0{"sid":"SID",${OPTIONS}}`,
    `GET  -> ${TEXT} 2:4056:42["auth",{"EIO":"3","transport":"polling","user":"me"}]`];

describe('Engine.IO protocol, revision 3', () => {
    says('5.2 From v3 to v4: the client pings', 3, [...connected3, `POST 1:2 -> ${OK}`,
        `GET  -> ${TEXT} 1:3`]);
    says('5.2 From v3 to v4: lengths, in characters', 3, [...connected3,
        `POST 19:42["message","a😀"]19:42["message","bcé"] -> ${OK}`,
        // What is said to 1.x and 2.x alike has no character that either could take for another.
        `GET  -> ${TEXT} 34:42["message-back","a\\ud83d\\ude00"]29:42["message-back","bc\\u00e9"]`]);
    says('5.2 From v3 to v4: bytes in polls, each packet with its kind and length', 3, [
        ...connected3, `octets ${octets(`451-["message",${PLACEHOLDER}]`, BYTES)} -> ${OK}`,
        `GET  -> 200 application/octet-stream ${octets(`451-["message-back",${PLACEHOLDER}]`, BYTES)}`,
    ]);
    says('5.2 From v3 to v4: bytes on a WebSocket begin with their type', 3, ['ws  -> 101',
        `hear  -> ${WS_OPEN} 40 42["auth",{"EIO":"3","transport":"websocket"}] open`,
        'say 451-["message",{"_placeholder":true,"num":0}]', 'bytes 04010203',
        'hear  -> 451-["message-back",{"_placeholder":true,"num":0}] <04010203> open']);
});

const joined = ['ws  -> 101', 'say 40', `hear  -> ${WS_OPEN} 40{"sid":"SID"} 42["auth",{}] open`];
describe('Socket.IO protocol, revision 5', () => {
    says('2.1 Connection to a namespace', 4, ['ws  -> 101', 'say 40/custom,{"token":"123"}',
        `hear  -> ${WS_OPEN} 40/custom,{"sid":"SID"} 42/custom,["auth",{"token":"123"}] open`,
        'say 40/random', 'hear  -> 44/random,{"message":"Invalid namespace"} open']);
    says('2.2 Sending and receiving data', 4, [...joined, 'say 42["message","foo"]',
        'hear  -> 42["message-back","foo"] open']);
    says('2.3 Acknowledgement', 4, [...joined, 'say 4212["message-with-ack","foo",[2]]',
        'hear  -> 4312["foo",[2]] open']);
    says('2.4 Disconnection from a namespace', 4, [...joined, 'say 40/custom',
        'hear  -> 40/custom,{"sid":"SID"} 42/custom,["auth",{}] open', 'say 41/custom,',
        'say 42["message"]', 'hear  -> 42["message-back"] open']);
    says('3.1 Format, with attachments, namespace and id', 4, ['ws  -> 101', 'say 40/custom,',
        `hear  -> ${WS_OPEN} 40/custom,{"sid":"SID"} 42/custom,["auth",{}] open`,
        'say 452-/custom,7["message-with-ack",{"_placeholder":true,"num":0},' +
            '{"_placeholder":true,"num":1}]', 'bytes 0102', 'bytes 03',
        'hear  -> 462-/custom,7[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] ' +
            '<0102> <03> open']);
    says('4 Sample session', 4, [...connected,
        `POST 42["message","hello"] -> ${OK}`, `GET  -> ${TEXT} 42["message-back","hello"]`,
        'ws &sid=SID -> 101', 'say 2probe', 'hear  -> 3probe open', `GET  -> ${TEXT} 6`, 'say 5',
        'say 42["message","ws"]', 'hear  -> 42["message-back","ws"] open', 'say 41', 'say 1',
        'hear  -> closed']);
});

describe('Socket.IO protocol, revision 4', () => {
    says('5.1 Difference between v5 and v4: connected unasked, refused with a text', 3, [
        'ws  -> 101', `hear  -> ${WS_OPEN} 40 42["auth",{"EIO":"3","transport":"websocket"}] open`,
        'say 40/custom?token=123', 'hear  -> 40/custom, 42/custom,["auth",{"token":"123"}] open',
        'say 40/random', 'hear  -> 44/random,"Invalid namespace" open']);
});
