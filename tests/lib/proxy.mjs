// A TCP proxy that stands for the network between a client and a server, and can be cut or stalled.

import net from 'node:net';

// Resolves with {url, cut(), stall(), throttle(), mend(), close()}. While it is cut, connections are
// reset; while it is stalled, what is sent stays on its way, and arrives when it is mended; while it
// is throttled, clients get so many bytes a second.
export const startProxy = (targetUrl) => {
    const { hostname, port } = new URL(targetUrl);
    const pairs = new Set();
    let isCut = false;
    let isStalled = false;
    let rate = Infinity;

    // What a client gets, piece by piece.
    const limit = ([client, target]) => {
        target.unpipe(client);
        const turn = () => {
            if (rate === Infinity) {
                target.pipe(client);
                return;
            }
            const piece = target.read(Math.min(target.readableLength, Math.ceil(rate / 10)));
            if (piece !== null) client.write(piece);
            if (!client.destroyed) setTimeout(turn, 100);
        };
        turn();
    };

    const flow = ([client, target]) => client.pipe(target).pipe(client);
    const hold = ([client, target]) => {
        client.unpipe(target);
        target.unpipe(client);
    };
    const cut = () => {
        isCut = true;
        for (const [client] of pairs) client.destroy();
    };
    const server = net.createServer((client) => {
        if (isCut) {
            client.destroy();
            return;
        }
        const pair = [client, net.connect(Number(port), hostname)];
        const end = () => {
            for (const socket of pair) socket.destroy();
            pairs.delete(pair);
        };
        for (const socket of pair) socket.on('error', () => {}).on('close', end);
        pairs.add(pair);
        if (!isStalled) flow(pair);
    });

    return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve({
            url: `http://127.0.0.1:${server.address().port}`,
            cut,
            stall: () => {
                isStalled = true;
                pairs.forEach(hold);
            },
            throttle: (bytesPerSecond) => {
                rate = bytesPerSecond;
                pairs.forEach(limit);
            },
            mend: () => {
                rate = Infinity;
                if (isStalled) pairs.forEach(flow);
                isCut = false;
                isStalled = false;
            },
            close: () => new Promise((closed) => {
                cut();
                server.close(closed);
            }),
        }));
    });
};
