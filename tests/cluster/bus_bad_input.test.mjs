// Whoever reaches a port of the bus may send anything: it is refused and counted, and no process
// comes to harm, nor do those who use it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { rootDir, startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { until } from '../lib/until.mjs';
import { ZmtpPeer } from '../lib/zmtp.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const ROUTING_ID_MAX = 255;

const clients = new Clients();
let cluster;
let member;
let roomId;
let ports;  // [{name, endpoint, process, counter}]

const argument = ({ args }, flag) => args[args.indexOf(flag) + 1];

before(async () => {
    cluster = await startCluster();
    const { router, edges: [edge] } = cluster;
    ports = [
        { name: 'edges', endpoint: argument(router, '--bind-edges'), process: router },
        { name: 'bridges', endpoint: argument(router, '--bind-bridges'), process: router },
        { name: 'relays', endpoint: argument(edge, '--peer-bind'), process: edge },
    ];
    roomId = randomUUID();
    member = await clients.connect({ url: cluster.url });
    await member.join(roomId);
});
after(async () => {
    clients.stop();
    await cluster?.stop();
});

const countRefused = ({ name, process }) => readMetric(
    process, `elizamq_${name === 'relays' ? 'edge' : 'router'}_frames_refused_total`);

// Lets a peer say so many wrong things; each is counted, and the members go on talking.
const assertRefused = async (identity, messages) => {
    const { socket: { id } } = member;
    for (const port of ports) {
        const refused = await countRefused(port);
        const peer = await ZmtpPeer.connect(port.endpoint, identity);
        for (const parts of messages) peer.send(...parts);
        await until(async () => await countRefused(port) >= refused + messages.length,
            () => `the port for ${port.name} has refused ${messages.length} messages`);
        peer.stop();
    }
    const { messageId } = await member.say(roomId, 'Undisturbed');
    await member.event('messageBroadcast', (message) => message.id === messageId);
    assert.equal(member.socket.id, id);
};

const [, VERSION] = /BUS_VERSION = (\d+)/.exec(
    fs.readFileSync(path.join(rootDir, 'proto/bus/message.h'), 'utf8'));

// [version, kind, link, sequence, acknowledge], of a link that nobody has
const DATA = Buffer.from([0x95, Number(VERSION), 0, 5, 1, 0]);
const OTHER_VERSION = Buffer.from([0x95, 99, 0, 5, 1, 0]);

for (const length of [ROUTING_ID_MAX + 1, 100000]) {
    it(`a peer with a routing id of ${length} bytes`, TEST_OPTIONS, () => assertRefused(
        Buffer.alloc(length, 'i'), [[DATA], [OTHER_VERSION]]));
}

it('what is no frame', TEST_OPTIONS, () => assertRefused(Buffer.from('peer'), [
    [Buffer.alloc(0)], [Buffer.from('GET / HTTP/1.1\r\n\r\n')], [DATA.subarray(0, 4)],
    [OTHER_VERSION], [DATA, DATA], [DATA, Buffer.alloc(0), Buffer.alloc(100000)],
    [Buffer.concat([DATA, Buffer.alloc(1000, 0xdd)])],
]));
