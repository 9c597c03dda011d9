// A Socket.IO server with the room behaviour of ElizaOS and nothing else: no store, no agent, no
// log. It is what the benchmark measures beside this product.
//
// usage: node server.mjs --engine ws|uws --port PORT [--redis PORT]
//
//   ws     Socket.IO's stock engine on the `ws` package
//   uws    Socket.IO on the native µWebSockets engine
//   redis  share rooms with other processes through @socket.io/redis-adapter

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { Server } from 'socket.io';

const ROOM_JOINING = 1;
const SEND_MESSAGE = 2;

const { values: options } = parseArgs({
    options: {
        engine: { type: 'string', default: 'ws' },
        port: { type: 'string' },
        redis: { type: 'string' },
    },
});
const port = Number(options.port);
const io = new Server({ serveClient: false });

if (options.redis) {
    const { createClient } = await import('@redis/client');
    const { createAdapter } = await import('@socket.io/redis-adapter');
    const publisher = createClient({ url: `redis://127.0.0.1:${options.redis}` });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    io.adapter(createAdapter(publisher, subscriber));
}

io.on('connection', (socket) => {
    socket.on('message', ({ type, payload }) => {
        if (type === ROOM_JOINING) {
            join(socket, payload);
        } else if (type === SEND_MESSAGE) {
            broadcast(payload);
        }
    });
});

async function join(socket, { roomId }) {
    await socket.join(roomId);
    socket.emit('room_joined', { roomId, channelId: roomId });
}

function broadcast({ senderId, senderName, message, roomId, source, attachments, metadata }) {
    io.to(roomId).emit('messageBroadcast', {
        id: randomUUID(),
        senderId,
        senderName,
        text: message,
        roomId,
        channelId: roomId,
        createdAt: Date.now(),
        source,
        attachments,
        metadata,
    });
}

if (options.engine === 'uws') {
    // Without its native part the package falls back to plain JavaScript and says so on the console;
    // the native part is asked for by name, so that this can only fail.
    const { platform, arch, versions } = process;
    const native = `uws_${platform}_${arch}_${versions.modules}.node`;
    const { App } = createRequire(import.meta.url)(
        `@trufflesuite/uws-js-unofficial/binaries/${native}`);
    const app = App();
    io.attachApp(app);
    app.listen('127.0.0.1', port, (listening) => listening || process.exit(1));
} else {
    const http = createServer();
    io.attach(http);
    http.listen({ port, host: '127.0.0.1', backlog: 4096 });
}
