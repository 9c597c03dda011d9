// A runtime behind TLS: its certificate is checked.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { parseEvents, restOf } from '../cluster/rest.mjs';

const TEST_OPTIONS = { timeout: 300000 };

describe('a runtime behind TLS', TEST_OPTIONS, () => {
    const dir = fs.mkdtempSync('/tmp/elizamq-tls-');
    const certificate = path.join(dir, 'cert.pem');
    const key = path.join(dir, 'key.pem');
    let server;
    let url;
    let asked = 0;

    before(async () => {
        const { status, stderr } = spawnSync('openssl', [
            'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
            '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
            '-keyout', key, '-out', certificate,
        ], { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
        const port = await freePort();
        server = https.createServer({
            key: fs.readFileSync(key), cert: fs.readFileSync(certificate),
        }, (_, response) => {
            asked++;
            response.writeHead(200, { 'Content-Type': 'application/json' });
            response.end('{"text":"over TLS"}');
        });
        await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
        url = `https://localhost:${port}/`;
    });
    after(() => {
        server?.close();
        fs.rmSync(dir, { recursive: true });
    });

    // Resolves with the last event of an answer.
    const askThrough = async (args) => {
        const cluster = await startCluster({
            edges: 1, args: {
                bridge: ['--runtime', 'http', '--http-url', url, '--runtime-tries', '1', ...args],
            },
        });
        const { response } = await restOf(cluster).send(randomUUID(), 'Hello', { mode: 'stream' });
        const last = parseEvents(await response.text()).at(-1);
        const { log } = cluster.bridge;
        await cluster.stop();
        return { last, log };
    };

    it('is not asked when nobody vouches for its certificate', async () => {
        const { last, log } = await askThrough([]);
        assert.equal(last.event, 'error');
        assert.match(log, /run_failed .*code=agent_unreachable .*certificate/);
        assert.equal(asked, 0);
    });

    it('is asked when --runtime-ca-file does', async () => {
        const { last } = await askThrough(['--runtime-ca-file', certificate]);
        assert.equal(last.data.text, 'over TLS');
    });
});
