// An HTTP load balancer that gives every request to the next server in turn: no client keeps to one.

import http from 'node:http';
import net from 'node:net';

const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding'];

const endToEnd = (headers) => Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));

// Resolves with {url, close()}. A server that cannot be reached is passed over.
export const startBalancer = async (targetUrls) => {
    const targets = targetUrls.map((url) => new URL(url));
    const agent = new http.Agent({ keepAlive: true });
    const sockets = new Set();
    let turn = 0;
    const next = () => targets[turn++ % targets.length];

    const forward = (request, response, body, tries) => {
        const { hostname, port } = next();
        let isAnswered = false;
        const outgoing = http.request({
            hostname, port, agent, method: request.method, path: request.url,
            headers: { ...endToEnd(request.headers), 'content-length': body.length },
        }, (answer) => {
            isAnswered = true;
            response.writeHead(answer.statusCode, endToEnd(answer.headers));
            answer.pipe(response);
            answer.on('error', () => response.destroy());
        });
        outgoing.on('error', ({ code }) => {
            if (isAnswered || response.destroyed) return;
            const canRetry = code === 'ECONNREFUSED' || outgoing.reusedSocket;
            if (canRetry && tries > 1) forward(request, response, body, tries - 1);
            else response.destroy();
        });
        response.on('close', () => outgoing.destroy());
        outgoing.end(body);
    };

    const server = http.createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => forward(request, response, Buffer.concat(parts), targets.length));
        request.on('error', () => {});
    });
    server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
    });
    server.on('upgrade', (request, socket, head) => {
        const { hostname, port } = next();
        const lines = request.rawHeaders.flatMap((text, i, all) => (
            i % 2 === 0 ? [`${text}: ${all[i + 1]}`] : []));
        const target = net.connect(Number(port), hostname, () => {
            target.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
            target.write(head);
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
            agent.destroy();
        }),
    };
};
