// The document's clients behind one port that two edges share: any request may reach either edge.

import { randomUUID } from 'node:crypto';
import { after, before, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { assertExactlyOnce, converse } from './assertions.mjs';
import { MODERN_FIRST_TEXT, TRANSPORTS, startMinimalClient, startModernClient } from './client.mjs';

// So many clients that hardly ever all requests of all of them reach the edge they belong to.
const CLIENTS = 8;

let cluster;

before(async () => {
    cluster = await startCluster({ edges: 2, sharedPort: true });
});
after(() => cluster?.stop());

for (const transport of Object.keys(TRANSPORTS)) {
    it(`a roomful of clients is served, transport ${transport}`, { timeout: 300000 }, async () => {
        const options = { url: cluster.url, roomId: randomUUID(), transport };
        const clients = Array.from({ length: CLIENTS }, () => startMinimalClient(options));
        try {
            await Promise.all(clients.map((client) => client.event('room_joined')));
            const modern = startModernClient(options);
            clients.push(modern);
            await converse(modern, MODERN_FIRST_TEXT);
            for (const client of clients) {
                const { own, reply } = await client.exchange('Are you still there?');
                assertExactlyOnce(client, own.id, reply.id);
            }
        } finally {
            for (const client of clients) client.stop();
        }
    });
}
