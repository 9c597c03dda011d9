// Files of messages: uploaded over one edge, read over any, whatever the client does; nothing
// unfinished is left, and memory does not grow with what passes through.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { until, within } from '../lib/until.mjs';
import { request } from './raw.mjs';
import { assertShape, isText } from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const MIB = 1 << 20;
const AGENT = randomUUID();
const ROOM = randomUUID();
const PNG = Buffer.concat([
    Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), randomBytes(2000),
]);
const AGENTS = `/api/media/agents/${AGENT}/upload-media`;
const CHANNEL = `/api/messaging/channels/${ROOM}/upload-media`;
const UPLOAD_MAX = 50 * MIB;
const AT_ONCE = process.env.ELIZAMQ_LONG ? 16 : 3;
const RSS_MAX_KIB = 4096 + AT_ONCE * 1024; // far less than a file

let cluster;
let mediaDir;

before(async () => {
    mediaDir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-media-'));
    cluster = await startCluster({
        edges: 2, bridge: false,
        args: { edge: ['--media-dir', mediaDir, '--upload-rate-limit', 'off'] },
    });
});
after(async () => {
    await cluster?.stop();
    fs.rmSync(mediaDir, { recursive: true, force: true });
});

const formOf = (bytes, type, name = 'picture.png', field = 'file') => {
    const form = new FormData();
    form.append('note', 'a field that nobody asked for');
    form.append(field, new Blob([bytes], { type }), name);
    return form;
};

const upload = async (target, bytes, { type = 'image/png', name, field, edge = 0 } = {}) => {
    const response = await fetch(`${cluster.edges[edge].url}${target}`, {
        method: 'POST', body: formOf(bytes, type, name, field),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
};

const get = async (url, { edge = 1, ...options } = {}) => {
    const response = await fetch(`${cluster.edges[edge].url}${url}`, options);
    return {
        status: response.status, headers: response.headers,
        bytes: Buffer.from(await response.arrayBuffer()),
    };
};

const filesBelow = (directory) => fs.readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory()
        ? filesBelow(path.join(directory, entry.name)) : [path.join(directory, entry.name)]));

const nothingUnfinished = () => until(
    () => filesBelow(path.join(mediaDir, '.incoming')).length === 0, 'nothing unfinished is left');

// Bytes as they are, on a connection of their own: resolves with all that comes back.
const raw = (bytes, { ends = true } = {}) => within(new Promise((resolve, reject) => {
    const socket = net.connect(cluster.edges[0].port, '127.0.0.1');
    const parts = [];
    socket.on('data', (part) => {
        parts.push(part);
        if (!ends) socket.destroy();
    });
    socket.on('error', (error) => (error.code === 'ECONNRESET' ? resolve(Buffer.concat(parts).toString())
        : reject(error)));
    socket.on('close', () => resolve(Buffer.concat(parts).toString()));
    socket.write(bytes);
}), 'an answer');

describe('a file', TEST_OPTIONS, () => {
    it('that an agent gets shows on another edge', async () => {
        const { status, body } = await upload(AGENTS, PNG);
        assert.equal(status, 200, JSON.stringify(body));
        assertShape(body, { success: true, data: (data) => typeof data === 'object' });
        assertShape(body.data, {
            url: isText, type: 'image', filename: isText, originalName: 'picture.png', size: PNG.length,
        });
        assert.equal(body.data.url, `/media/uploads/agents/${AGENT}/${body.data.filename}`);
        assert.match(body.data.filename, /^\d{13}-[\w-]{20}\.png$/);

        const { status: found, bytes, headers } = await get(body.data.url);
        assert.equal(found, 200);
        assert.deepEqual(bytes, PNG);
        assert.equal(headers.get('content-type'), 'image/png');
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.equal(headers.get('content-security-policy'), 'default-src \'none\'; sandbox');
        assert.equal(headers.get('content-disposition'), null);
    });

    it('of a channel keeps its type, and is saved, not shown', async () => {
        const text = Buffer.from('<script>alert(1)</script>');
        const { status, body } = await upload(CHANNEL, text, { type: 'text/plain', name: 'ä "b".txt' });
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.data.type, 'text/plain');
        assert.match(body.data.url, new RegExp(`^/media/uploads/channels/${ROOM}/`));
        const { bytes, headers } = await get(body.data.url);
        assert.deepEqual(bytes, text);
        assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
        assert.match(headers.get('content-disposition'), /^attachment; filename="[\w.-]+"$/);
    });

    it('is uploaded by older names, and to rooms of any name', async () => {
        for (const target of [
            `/api/messaging/central-channels/${ROOM}/upload-media`,
            `/api/media/channels/${ROOM}/upload-media`,
            '/api/messaging/channels/room%2F..%2F%C3%A4/upload-media',
        ]) {
            const { status, body } = await upload(target, PNG);
            assert.equal(status, 200, JSON.stringify(body));
            assert.equal((await get(body.data.url)).status, 200);
        }
    });

    it('is read in parts, and not again when it is known', async () => {
        const { body: { data } } = await upload(AGENTS, PNG);
        const part = await get(data.url, { headers: { Range: 'bytes=10-19' } });
        assert.equal(part.status, 206);
        assert.deepEqual(part.bytes, PNG.subarray(10, 20));
        assert.equal(part.headers.get('content-range'), `bytes 10-19/${PNG.length}`);
        assert.equal((await get(data.url, { headers: { Range: 'bytes=9999-' } })).status, 416);
        const head = await get(data.url, { method: 'HEAD' });
        assert.equal(head.headers.get('content-length'), String(PNG.length));
        assert.equal(head.bytes.length, 0);
        const tag = head.headers.get('etag');
        assert.equal((await get(data.url, { edge: 0, headers: { 'If-None-Match': tag } })).status, 304);
        assert.equal((await get(data.url, { method: 'DELETE' })).status, 405);
    });

    it('is not found outside of its place', async () => {
        const { body: { data } } = await upload(AGENTS, PNG);
        fs.symlinkSync('/etc/passwd', path.join(mediaDir, 'uploads/agents', AGENT, 'link.txt'));
        fs.symlinkSync('/etc', path.join(mediaDir, 'uploads/agents', 'etc'));
        for (const address of [
            data.url.replace('agents', 'channels'), `${data.url}/`, `${data.url}x`,
            `/media/uploads/agents/${AGENT}/`, `/media/uploads/agents/${AGENT}/link.txt`,
            '/media/uploads/agents/etc/passwd', '/media/uploads/agents/../../../etc/passwd',
            '/media/uploads/agents/%2e%2e/%2e%2e', '/media/uploads/agents/..%2f..%2f..%2fetc/passwd',
            '/media/.incoming/x', '/media/', '/media/uploads/agents/a%00/b', '/media/generated/a/b',
        ]) {
            const { status, body } = await request(cluster.edges[0].url, { path: address });
            assert.equal(status, 404, address);
            assert.deepEqual(JSON.parse(body), {
                success: false, error: { code: 'not_found', message: 'File not found' },
            });
        }
    });
});

const assertRefused = async ({ status, body }, expected, code, message) => {
    assert.equal(status, expected, JSON.stringify(body));
    assert.equal(body.success, false);
    assert.equal(body.error.code, code);
    if (message) assert.match(body.error.message, message);
    await nothingUnfinished();
};

describe('an upload that cannot be', TEST_OPTIONS, () => {
    const only = /^Invalid file type\. Only audio\/mpeg, .*text\/plain are allowed$/;

    it('is of a type that is not allowed, or not what it says', async () => {
        for (const [bytes, type] of [
            ['<svg/>', 'image/svg+xml'], ['<html>', 'text/html'], ['MZ', 'application/x-msdownload'],
            ['', ''], ['not a picture', 'image/png'], [PNG, 'image/jpeg'], [PNG, 'text/plain'],
            ['\0\x01', 'text/plain'], [PNG, 'audio/mpeg'],
        ]) {
            await assertRefused(await upload(AGENTS, bytes, { type }), 415,
                'UNSUPPORTED_MEDIA_TYPE', only);
        }
    });

    it('has no file, another field, two files, or a path for a name', async () => {
        const empty = new FormData();
        empty.append('text', 'x');
        const post = async (body, headers = {}) => {
            const response = await fetch(cluster.url + CHANNEL, { method: 'POST', body, headers });
            return { status: response.status, body: await response.json() };
        };
        await assertRefused(await post(empty), 400, 'INVALID_REQUEST', /^No media file provided$/);
        await assertRefused(await post('{}', { 'Content-Type': 'application/json' }), 415,
            'INVALID_CONTENT_TYPE');
        await assertRefused(await post(undefined), 415, 'INVALID_CONTENT_TYPE');
        await assertRefused(await upload(CHANNEL, PNG, { field: 'image' }), 400, 'INVALID_REQUEST');
        const two = formOf(PNG, 'image/png');
        two.append('file', new Blob([PNG], { type: 'image/png' }), 'b.png');
        await assertRefused(await post(two), 400, 'INVALID_REQUEST');
        for (const name of ['../../a.png', 'a/b.png', 'a\\b.png']) {
            await assertRefused(await upload(CHANNEL, PNG, { name }), 400, 'INVALID_REQUEST',
                /^Invalid filename detected$/);
        }
        await assertRefused(await upload('/api/media/agents/nobody/upload-media', PNG), 400,
            'malformed', /^Invalid agent ID format$/);
        const { status, headers } = await fetch(cluster.url + CHANNEL);
        assert.equal(status, 405);
        assert.equal(headers.get('allow'), 'POST');
    });

    it('is a form that is malformed', async () => {
        const send = (body, type = 'multipart/form-data; boundary=b', more = '') => raw([
            `POST ${CHANNEL} HTTP/1.1`, 'Host: x', `Content-Type: ${type}`,
            `Content-Length: ${Buffer.byteLength(body)}`, `Connection: close${more}`, '', body,
        ].join('\r\n'));
        const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
            + 'Content-Type: text/plain\r\n\r\n';
        assert.match(await send(`${part}hello\r\n--b--\r\n`), /^HTTP\/1\.1 200 /);
        for (const body of [
            `${part}hello`, `${part}hello\r\n--b`, `x${part}hello\r\n--b--`, `${part}hello\r\n--bb--`,
            `--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\nX: y\r\n\r\n`,
            `--b\r\n${'X: y\r\n'.repeat(2000)}\r\n`,
        ]) {
            const answer = await send(body);
            assert.match(answer, /^HTTP\/1\.1 400 /, body.slice(0, 80));
            assert.match(answer, /"code":"malformed"/);
        }
        for (const type of [
            'multipart/form-data', `multipart/form-data; boundary=${'b'.repeat(71)}`,
            'multipart/form-data; boundary="b', 'multipart/mixed; boundary=b',
        ]) {
            assert.match(await send(part, type), /^HTTP\/1\.1 415 /, type);
        }
        const injected = part.replace('a.txt', 'a%0d%0aSet-Cookie: x=y').replace('text/plain',
            'text/plain; x=\x7f');
        assert.match(await send(`${injected}hello\r\n--b--\r\n`), /^HTTP\/1\.1 400 /);
        await nothingUnfinished();
    });

    it('is larger than it may be, said at once or found out', async () => {
        const head = (more) => [
            `POST ${AGENTS} HTTP/1.1`, 'Host: x', 'Content-Type: multipart/form-data; boundary=b',
            more, '', '',
        ].join('\r\n');
        assert.match(await raw(head(`Content-Length: ${UPLOAD_MAX + MIB}`)), /^HTTP\/1\.1 413 /);
        const big = await fetch(cluster.url + AGENTS, {
            method: 'POST', body: formOf(Buffer.alloc(UPLOAD_MAX + 1, 'a'), 'text/plain'),
        }).catch((error) => error.cause);
        // The answer comes before the end of the body, so the client may not get to read it.
        assert.ok(big.status === 413 || ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(big.code),
            String(big.status ?? big.code));
        await nothingUnfinished();
    });

    it('is one whose client leaves', async () => {
        const abandoned = () => readMetric(cluster.edges[0], 'elizamq_edge_uploads_abandoned_total');
        const before = await abandoned();
        const socket = net.connect(cluster.edges[0].port, '127.0.0.1');
        socket.write([
            `POST ${AGENTS} HTTP/1.1`, 'Host: x', 'Content-Type: multipart/form-data; boundary=b',
            'Content-Length: 5000000', '',
            '--b', 'Content-Disposition: form-data; name="file"; filename="a.txt"',
            'Content-Type: text/plain', '', 'a'.repeat(3 * MIB),
        ].join('\r\n'));
        await until(() => filesBelow(path.join(mediaDir, '.incoming')).length === 1,
            'the upload has begun');
        socket.destroy();
        await nothingUnfinished();
        await until(async () => await abandoned() === before + 1, 'it is counted');
    });
});

describe('bounds', TEST_OPTIONS, () => {
    it('memory does not grow with the files that pass through', async (t) => {
        const [edge] = cluster.edges;
        const rss = () => Number(/VmRSS:\s+(\d+)/.exec(
            fs.readFileSync(`/proc/${edge.pid}/status`, 'utf8'))[1]);
        const start = rss();
        let highest = 0;
        const watch = setInterval(() => { highest = Math.max(highest, rss()); }, 10);
        const bytes = Buffer.concat([PNG, Buffer.alloc(UPLOAD_MAX - PNG.length)]);
        const outcomes = await Promise.all(Array.from({ length: AT_ONCE }, () => upload(AGENTS, bytes)));
        clearInterval(watch);
        assert.deepEqual(outcomes.map(({ status }) => status), Array(AT_ONCE).fill(200));
        t.diagnostic(`grew by ${highest - start} KiB with ${AT_ONCE} uploads of 50 MiB at once`);
        assert.ok(highest - start < RSS_MAX_KIB, `grew by ${highest - start} KiB`);
        const { bytes: read } = await get(outcomes[0].body.data.url);
        assert.ok(read.equals(bytes));
    });

    it('an edge whose disk is full says so, and goes on', async () => {
        const [, edge] = cluster.edges;
        const limit = (bytes) => execFileSync('prlimit', ['--pid', edge.pid, `--fsize=${bytes}:`]);
        limit(4 * MIB);
        await assertRefused(await upload(AGENTS, Buffer.alloc(8 * MIB, 'a'), {
            type: 'text/plain', edge: 1,
        }), 507, 'no_space');
        limit('unlimited');
        assert.equal((await upload(AGENTS, PNG, { edge: 1 })).status, 200);
    });
});
