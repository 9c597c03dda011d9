// A directory as a web site, seen from outside; and what of the disk cannot be seen.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { until } from '../lib/until.mjs';
import { get, isInstrumented, request, Server } from './http_wire.mjs';

const LARGE = 30e6;

let dir;
let server;
let single;

before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-static-'));
    const root = path.join(dir, 'site');
    const write = (name, text) => {
        fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
        fs.writeFileSync(path.join(dir, name), text);
    };
    write('secret.txt', 'secret');
    write('site/index.html', '<p>home</p>');
    write('site/app.js', '0123456789');
    write('site/empty.css', '');
    write('site/docs/index.html', '<p>docs</p>');
    write('site/bare/file', 'bytes');
    write('site/.hidden', 'secret');
    write('site/.git/config', 'secret');
    write('site/.well-known/security.txt', 'contact');
    write('site/with space é.txt', 'odd');
    write('site/large.bin', Buffer.alloc(LARGE, 'abcdefghij'));
    write('client/socket.io.js', '/* client */');
    write('client/socket.io.min.js.map', '{}');
    write('client/other.js', 'other');
    fs.symlinkSync('app.js', path.join(root, 'inside.js'));
    fs.symlinkSync('../secret.txt', path.join(root, 'outside.txt'));
    fs.symlinkSync('/etc', path.join(root, 'etc'));
    spawnSync('mkfifo', [path.join(root, 'fifo')]);
    server = await Server.start({ root, client: path.join(dir, 'client') });
    single = await Server.start({ root, falls_back: 1 });
});
after(async () => {
    await server.stop();
    await single.stop();
    fs.rmSync(dir, { recursive: true });
});

test('files are served with their type, validators and cache rules', async () => {
    const home = await server.ask(get('/'));
    assert.equal(home.body, '<p>home</p>');
    assert.equal(home.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(home.headers['cache-control'], 'no-cache');
    assert.equal(home.headers['x-content-type-options'], 'nosniff');
    const script = await server.ask(get('/app.js?v=1'));
    assert.equal(script.body, '0123456789');
    assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
    assert.equal(script.headers['cache-control'], 'public, max-age=60');
    assert.match(script.headers.etag, /^W\/"[0-9a-f-]+"$/);
    assert.equal(script.headers['last-modified'],
        fs.statSync(path.join(dir, 'site/app.js')).mtime.toUTCString());
    assert.equal((await server.ask(get('/empty.css'))).headers['content-length'], '0');
    assert.equal((await server.ask(get('/with%20space%20%c3%a9.txt'))).body, 'odd');
    assert.equal((await server.ask(get('/.well-known/security.txt'))).body, 'contact');
    assert.equal((await server.ask(get('/inside.js'))).body, '0123456789');
});

test('HEAD has the head of GET', async () => {
    const { headers } = await server.ask(request('HEAD', '/large.bin'), 'HEAD');
    assert.equal(headers['content-length'], String(LARGE));
});

test('directories have an index and one name', async () => {
    assert.equal((await server.ask(get('/docs/'))).body, '<p>docs</p>');
    const { status, headers } = await server.ask(get('/docs?a=b'));
    assert.deepEqual([status, headers.location], [301, '/docs/?a=b']);
    assert.equal((await server.ask(get('/bare/'))).status, 404);
    assert.equal((await server.ask(get('/bare'))).status, 404);
    assert.equal((await server.ask(get('/app.js/'))).status, 404);
});

const outside = [
    '/../secret.txt', '/docs/../../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt',
    '/docs/%2e%2e%2f%2e%2e%2fsecret.txt', '//secret.txt', '/./app.js', '/docs//index.html',
    '/outside.txt', '/etc/passwd', '/etc/', '/.hidden', '/.git/config', '/fifo', '/app.js%00.html',
    '/%', '/..\\secret.txt', '/\\..\\secret.txt', '//etc/passwd', '/proc/self/environ',
    `/${'a/'.repeat(20)}b`, `/${'x'.repeat(300)}`, `/${'y'.repeat(2000)}`, '//evil.example/%2e%2e',
];
for (const target of outside) {
    test(`not to be had: ${target.slice(0, 50)}`, async () => {
        const { status, body } = await server.ask(get(target));
        assert.deepEqual([status, body], [404, 'nothing here']);
        assert.doesNotMatch((await single.ask(get(target))).body, /secret|root:/);
    });
}

test('unchanged files are not sent again', async () => {
    const { headers } = await server.ask(get('/app.js'));
    const tag = headers.etag;
    const date = headers['last-modified'];
    const status = async (text) => (await server.ask(get('/app.js', text))).status;
    assert.equal(await status(`If-None-Match: ${tag}\r\n`), 304);
    assert.equal(await status(`If-None-Match: "x", ${tag.slice(2)}\r\n`), 304);
    assert.equal(await status('If-None-Match: *\r\n'), 304);
    assert.equal(await status('If-None-Match: "x"\r\n'), 200);
    assert.equal(await status(`If-Modified-Since: ${date}\r\n`), 304);
    assert.equal(await status(`If-None-Match: "x"\r\nIf-Modified-Since: ${date}\r\n`), 200);
    fs.writeFileSync(path.join(dir, 'site/app.js'), '9876543210');
    const changed = await server.ask(get('/app.js', `If-None-Match: ${tag}\r\n`));
    assert.deepEqual([changed.status, changed.body], [200, '9876543210']);
    fs.writeFileSync(path.join(dir, 'site/app.js'), '0123456789');
});

test('a part can be had', async () => {
    const part = async (range, more = '') => {
        const { status, headers, body } = await server.ask(get('/app.js', `Range: ${range}\r\n${more}`));
        return [status, headers['content-range'], body];
    };
    assert.deepEqual(await part('bytes=2-4'), [206, 'bytes 2-4/10', '234']);
    assert.deepEqual(await part('bytes=7-'), [206, 'bytes 7-9/10', '789']);
    assert.deepEqual(await part('bytes=-2'), [206, 'bytes 8-9/10', '89']);
    assert.deepEqual(await part('bytes=10-'), [416, 'bytes */10', '']);
    assert.deepEqual(await part('bytes=0-1,3-4'), [200, undefined, '0123456789']);
    assert.deepEqual(await part('bytes=2-4', 'If-Range: W/"x"\r\n'), [200, undefined, '0123456789']);
});

test('other methods are told which there are', async () => {
    const { status, headers } = await server.ask(request('DELETE', '/app.js'));
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
    assert.equal((await server.ask(request('DELETE', '/nothing'))).status, 404);
});

test('a single-page site answers unknown pages with its index, but not unknown files', async () => {
    for (const target of ['/chat/room', '/chat/', '/bare/', '/v1.2/chat']) {
        const { status, headers, body } = await single.ask(get(target));
        assert.deepEqual([status, body], [200, '<p>home</p>'], target);
        assert.equal(headers['cache-control'], 'no-cache');
    }
    assert.equal((await single.ask(get('/missing.js'))).status, 404);
    assert.equal((await single.ask(get('/chat/missing.png'))).status, 404);
    assert.equal((await single.ask(request('POST', '/chat/room'))).status, 404);
    assert.equal((await single.ask(get('/docs/'))).body, '<p>docs</p>');
});

test('the client bundle has its own directory and names', async () => {
    const script = await server.ask(get('/socket.io/socket.io.js'));
    assert.equal(script.body, '/* client */');
    assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
    const map = await server.ask(get('/socket.io/socket.io.min.js.map'));
    assert.equal(map.headers['content-type'], 'application/json; charset=utf-8');
    for (const name of ['socket.io.min.js', 'other.js', '', '../secret.txt', 'socket.io.js/']) {
        assert.equal((await server.ask(get(`/socket.io/${name}`))).status, 404, name);
    }
});

test('a large file is sent as it is taken, and never held', async () => {
    const client = await server.connect();
    const before = server.rss();
    client.socket.pause();
    client.write(get('/large.bin') + get('/app.js'));
    await until(async () => (await server.state()).connections === 2, 'the request');
    const grown = server.rss() - before;
    if (!isInstrumented()) assert.ok(grown < 1e6, `${grown} bytes`);
    client.socket.resume();
    const { body } = await client.answer();
    assert.equal(body.length, LARGE);
    assert.ok(body === 'abcdefghij'.repeat(LARGE / 10));
    assert.equal((await client.answer()).body, '0123456789');
    client.destroy();
});

test('a file that shrinks while it is sent ends the connection, not the server', async () => {
    const name = path.join(dir, 'site/shrinking.bin');
    fs.writeFileSync(name, Buffer.alloc(LARGE));
    const client = await server.connect();
    client.socket.pause();
    client.write(get('/shrinking.bin'));
    await until(async () => (await server.state()).connections === 2, 'the request');
    fs.truncateSync(name, 10);
    client.socket.resume();
    await client.closed();
    assert.ok(client.received.length < LARGE);
    client.destroy();
});

test('a root that is none is an error', async () => {
    await assert.rejects(Server.start({ root: path.join(dir, 'none') }), /No such file/);
    await assert.rejects(Server.start({ root: path.join(dir, 'secret.txt') }), /Not a directory/);
});
