// Free ports on the loopback interface, for servers that must keep theirs across restarts. They
// lie below the range from which the kernel takes the ports of outgoing connections, so that none
// of those can sit on a port while its server is down. Test processes running at the same time
// draw from different parts.

import net from 'node:net';

const FIRST_PORT = 10240;
const LAST_PORT = 32767;
const PORTS_PER_PROCESS = 64;

const parts = Math.floor((LAST_PORT - FIRST_PORT + 1) / PORTS_PER_PROCESS);
const firstOfProcess = FIRST_PORT + (process.pid % parts) * PORTS_PER_PROCESS;
let next = 0;

const isFree = (port) => new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

export const freePort = async () => {
    for (let tries = 0; tries < PORTS_PER_PROCESS; tries++) {
        const port = firstOfProcess + next++ % PORTS_PER_PROCESS;
        if (await isFree(port)) return port;
    }
    throw new Error(`no free port from ${firstOfProcess} on`);
};
