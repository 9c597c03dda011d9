// The unmodified api-client's media service: method → result.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { loadApiClient } from './install.mjs';

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

let directory;
let cluster;
let media;

before(async () => {
    const { ElizaClient } = await loadApiClient();
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-media-'));
    cluster = await startCluster({
        edges: 2, bridge: false, args: { edge: ['--media-dir', directory] },
    });
    ({ media } = ElizaClient.create({ baseUrl: cluster.url }));
});
after(async () => {
    await cluster?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
});

const assertServed = async (url) => {
    const response = await fetch(cluster.edges[1].url + url);
    assert.equal(response.status, 200);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), PNG);
};

it('uploadAgentMedia', async () => {
    const agent = randomUUID();
    const file = new File([PNG], 'a.png', { type: 'image/png' });
    const answer = await media.uploadAgentMedia(agent, {
        file, filename: 'b.png', contentType: 'image/png', metadata: { note: 1 },
    });
    const { url, filename } = answer;
    assert.deepEqual(answer, { url, filename, type: 'image', originalName: 'b.png', size: PNG.length });
    assert.equal(url, `/media/uploads/agents/${agent}/${filename}`);
    await assertServed(url);
    await assert.rejects(media.uploadAgentMedia('nobody', { file, filename: 'b.png' }), {
        code: 'malformed', message: 'Invalid agent ID format', status: 400,
    });
});

it('uploadChannelMedia', async () => {
    const channel = randomUUID();
    const answer = await media.uploadChannelMedia(channel,
        new File([PNG], 'a.png', { type: 'image/png' }));
    const { url, filename } = answer;
    assert.deepEqual(answer, {
        url, filename, type: 'image/png', originalName: 'a.png', size: PNG.length,
    });
    assert.equal(url, `/media/uploads/channels/${channel}/${filename}`);
    await assertServed(url);
    await assert.rejects(media.uploadChannelMedia(channel,
        new File(['<svg/>'], 'a.svg', { type: 'image/svg+xml' })), {
        code: 'UNSUPPORTED_MEDIA_TYPE', status: 415, message: /^Invalid file type\. Only / });
});
