// An HTTP load balancer that gives each request to the next server in turn: no client keeps to one.

import http from 'node:http';
import net from 'node:net';

const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding'];

const endToEnd = (headers) => Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));

// Resolves with {url, close()}. A server that cannot be reached is passed over.
export const startBalancer = async (targetUrls) => {
    const targets = targetUrls.map((url) => new URL(url));
    const sockets = new Set();
    let turn = 0;
    // All of them, beginning with the one whose turn it is.
    const inTurn = () => {
        const first = turn++ % targets.length;
        return [...targets.slice(first), ...targets.slice(0, first)];
    };

    const forward = (request, response, body, [{ hostname, port }, ...others]) => {
        let isAnswered = false;
        const outgoing = http.request({
            hostname, port, agent: false, method: request.method, path: request.url,
            headers: { ...endToEnd(request.headers), 'content-length': body.length },
        }, (answer) => {
            isAnswered = true;
            response.writeHead(answer.statusCode, endToEnd(answer.headers));
            answer.pipe(response);
            answer.on('error', () => response.destroy());
        });
        outgoing.on('error', ({ code }) => {
            if (isAnswered || response.destroyed) return;
            if (code === 'ECONNREFUSED' && others.length > 0) {
                forward(request, response, body, others);
            } else {
                response.destroy();
            }
        });
        response.on('close', () => outgoing.destroy());
        outgoing.end(body);
    };

    const server = http.createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => forward(request, response, Buffer.concat(parts), inTurn()));
        request.on('error', () => {});
    });
    server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
    });
    server.on('upgrade', (request, socket, rest) => {
        const [{ hostname, port }] = inTurn();
        const lines = request.rawHeaders.flatMap((text, i, all) => (
            i % 2 === 0 ? [`${text}: ${all[i + 1]}`] : []));
        const target = net.connect(Number(port), hostname, () => {
            const head = [`${request.method} ${request.url} HTTP/1.1`, ...lines, '', ''];
            target.write(head.join('\r\n'));
            target.write(rest);
            socket.pipe(target).pipe(socket);
        });
        for (const [one, other] of [[socket, target], [target, socket]]) {
            one.on('error', () => {}).on('close', () => other.destroy());
        }
    });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        close: () => new Promise((resolve) => {
            server.close(resolve);
            for (const socket of sockets) socket.destroy();
        }),
    };
};
