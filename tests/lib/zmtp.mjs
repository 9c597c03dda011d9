// A ZeroMQ peer that keeps to nothing: ZMTP 3.0 (RFC 23, security NULL) by hand, so that it may
// call itself what libzmq would not let it, and send what no process of the cluster sends.

import net from 'node:net';

import { within } from './until.mjs';

const DEADLINE_MS = 30000;
const GREETING_BYTES = 64;
const MORE = 1;
const LONG = 2;
const COMMAND = 4;

const greeting = () => {
    const bytes = Buffer.alloc(GREETING_BYTES);
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes.write('NULL', 12);
    return bytes;
};

const frame = (flags, body) => {
    if (body.length < 256) return Buffer.concat([Buffer.from([flags, body.length]), body]);
    const head = Buffer.alloc(9);
    head[0] = flags | LONG;
    head.writeBigUInt64BE(BigInt(body.length), 1);
    return Buffer.concat([head, body]);
};

const property = (name, value) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, value]);
};

export class ZmtpPeer {
    #socket;
    #received = 0;

    // endpoint: tcp://host:port; identity: the routing id it claims, a Buffer.
    static async connect(endpoint, identity = Buffer.alloc(0)) {
        const { hostname, port } = new URL(endpoint.replace('tcp:', 'http:'));
        const peer = new ZmtpPeer();
        peer.#socket = net.connect(Number(port), hostname);
        peer.#socket.on('error', () => {});
        const greeted = new Promise((resolve) => {
            peer.#socket.on('data', (data) => {
                peer.#received += data.length;
                if (peer.#received > GREETING_BYTES) resolve();
            });
        });
        peer.#socket.write(greeting());
        peer.#socket.write(frame(COMMAND, Buffer.concat([
            Buffer.from('\x05READY'), property('Socket-Type', Buffer.from('DEALER')),
            property('Identity', identity),
        ])));
        await within(greeted, `${endpoint} speaks ZMTP`, DEADLINE_MS);
        return peer;
    }

    // One message of so many parts.
    send(...parts) {
        parts.forEach((part, index) => {
            this.#socket.write(frame(index < parts.length - 1 ? MORE : 0, part));
        });
    }

    stop() {
        this.#socket.destroy();
    }
}
