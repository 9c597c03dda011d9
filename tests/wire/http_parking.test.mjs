// Requests that are answered later: what they cost, and what happens meanwhile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { pause, until } from '../lib/until.mjs';
import { get, isInstrumented, post, request, Server } from './http_wire.mjs';

const PARKED = 10000;
const PARKED_BYTES_MAX = 1024;

let server;
before(async () => { server = await Server.start({ idle_timeout: 300, head_deadline: 60000 }); });
after(() => server.stop());

const waiting = (count) => until(async () => (await server.state()).waiting === count,
    `${count} parked requests`);
const park = async (text = get('/park')) => {
    const client = await server.connect();
    client.write(text);
    return client;
};

test('a parked request outlives all deadlines and is answered; the connection goes on', async () => {
    const client = await park();
    await waiting(1);
    await pause(700);
    client.write(get('/park')); // or it might be later than an idle connection is kept
    await server.ask(post('/release', 'news'));
    assert.equal((await client.answer()).body, 'news');
    await waiting(1);
    await server.ask(post('/release', 'more'));
    assert.equal((await client.answer()).body, 'more');
    client.destroy();
});

test('a parked client\'s FIN and RST are noticed at once, and cost nothing', async () => {
    const { closed } = await server.state();
    const [finished, reset] = [await park(), await park()];
    await waiting(2);
    const cpu = server.cpuMs();
    finished.finish();
    await until(async () => (await server.state()).closed === closed + 1, 'the FIN');
    reset.reset();
    await until(async () => (await server.state()).closed === closed + 2, 'the RST');
    await pause(300);
    assert.ok(server.cpuMs() - cpu <= 100, `${server.cpuMs() - cpu} ms of CPU`);
    assert.equal((await server.state()).connections, 1);
    finished.destroy();
});

test('requests behind a parked one wait, in order', async () => {
    const client = await park(get('/park') + post('/echo', 'second') + get('/hello'));
    await waiting(1);
    client.write(post('/echo', 'fourth'));
    await server.ask(get('/hello'));
    assert.equal(client.received, '');
    await server.ask(post('/release', 'first'));
    for (const body of ['first', 'second', 'hello', 'fourth']) {
        assert.equal((await client.answer()).body, body);
    }
    client.destroy();
});

test('more behind a parked request than may be kept waits in the kernel, and the end is still seen', async () => {
    const body = 'z'.repeat(90000);
    const client = await park(get('/park') + post('/echo', body).repeat(3));
    await waiting(1);
    const cpu = server.cpuMs();
    await pause(300);
    assert.ok(server.cpuMs() - cpu <= 50, 'no spinning');
    await server.ask(post('/release', 'first'));
    assert.equal((await client.answer()).body, 'first');
    for (let i = 0; i < 3; i++) assert.equal((await client.answer()).body, body);

    client.destroy();

    // A FIN is seen beside unread bytes, as long as the kernel has room for it; a reset always.
    const { closed } = await server.state();
    const [finished, reset] = [await park(), await park()];
    finished.write(post('/echo', body));
    reset.write(post('/echo', body).repeat(20));
    await waiting(2);
    finished.finish();
    await until(async () => (await server.state()).closed === closed + 1, 'the FIN');
    reset.reset();
    await until(async () => (await server.state()).closed === closed + 2, 'the RST');
    finished.destroy();
});

test('a HEAD may be parked, too', async () => {
    const client = await park(request('HEAD', '/park') + get('/hello'));
    await waiting(1);
    await server.ask(post('/release', 'four'));
    assert.equal((await client.answer({ method: 'HEAD' })).headers['content-length'], '4');
    assert.equal((await client.answer()).body, 'hello');
    client.destroy();
});

test(`${PARKED} parked requests take at most ${PARKED_BYTES_MAX} bytes each`, async (t) => {
    const own = await Server.start({ head_deadline: 120000 }); // half of them wait for the others
    const headers = `Cookie: ${'c'.repeat(1000)}\r\nUser-Agent: ${'u'.repeat(200)}\r\n`;
    await own.ask(get('/hello'));
    const before = own.rss();
    const clients = [];
    try {
        for (let i = 0; i < PARKED; i += 500) {
            const batch = await Promise.all(Array.from({ length: 500 }, () => own.connect()));
            // One in two arrives in two parts, so that it had to be copied before it was parked.
            batch.forEach((client, k) => client.write(k % 2 ? 'GET /park' : get('/park', headers)));
            clients.push(...batch);
        }
        await own.ask(get('/hello'));
        clients.forEach((client, k) => k % 2 && client.write(get('/park', headers).slice(9)));
        await until(async () => (await own.state()).waiting === PARKED, 'all to be parked', 60000);
        const each = (own.rss() - before) / PARKED;
        t.diagnostic(`${Math.round(each)} bytes each, of which the test's own record takes 48`);
        if (!isInstrumented()) assert.ok(each <= PARKED_BYTES_MAX, `${each} bytes each`);
        const cpu = own.cpuMs();
        await pause(500);
        t.diagnostic(`${own.cpuMs() - cpu} ms of CPU in half a second of waiting`);
        await own.ask(post('/release', 'x'.repeat(200)));
        await Promise.all(clients.map((client) => client.answer()));
        t.diagnostic(`${(own.cpuMs() - cpu) / PARKED * 1000} us of CPU for each answer`);
    } finally {
        for (const client of clients) client.destroy();
    }
    await until(async () => (await own.state()).connections === 1, 'the end of all');
    await own.stop();
});
