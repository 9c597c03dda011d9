// What all processes log, as clients may watch it: events with filters, and the page of the newest.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { Clients } from '../lib/chat.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const LEVELS = ['fatal', 'error', 'warn', 'info', 'log', 'progress', 'success', 'debug', 'trace'];

let cluster;
const clients = new Clients();

before(async () => { cluster = await startCluster(); });
after(async () => {
    clients.stop();
    await cluster?.stop();
});

const page = async (query = '', options = {}) => {
    const response = await fetch(`${cluster.url}/api/server/logs${query}`, options);
    return { status: response.status, body: await response.json() };
};
const agentPath = async () => {
    const { data } = await (await fetch(`${cluster.url}/api/agents`)).json();
    return `${cluster.url}/api/agents/${data.agents[0].id}`;
};
const stopAndStart = async () => {
    const path = await agentPath();
    for (const step of ['stop', 'start']) {
        const { status } = await fetch(`${path}/${step}`, { method: 'POST' });
        assert.equal(status, 200);
    }
};
// A client whose ask() resolves with the answer that comes as an event.
const watcher = async (edge) => {
    const client = await clients.connect({ url: cluster.edges[edge].url });
    const ask = async (event, answer, ...args) => {
        const before = client.received(answer).length;
        const acknowledged = await client.emit(event, ...args);
        assert.deepEqual(client.received(answer)[before], acknowledged);
        return acknowledged;
    };
    const seen = () => client.received('log_stream');
    return { ask, seen, has: (text) => seen().some(({ payload }) => payload.msg.startsWith(text)) };
};

describe('the cluster\'s log', TEST_OPTIONS, () => {
    it('has what every process says, newest last', async () => {
        await stopAndStart();
        const { body } = await until(async () => {
            const answer = await page('?limit=1000');
            const programs = new Set(answer.body.logs.map(({ program }) => program));
            return programs.has('router') && programs.has('edge') && programs.has('agent-bridge')
                && answer;
        }, 'all three are heard');
        assert.deepEqual(body.levels, LEVELS);
        assert.equal(body.count, body.logs.length);
        assert.ok(body.total >= body.count);
        assert.deepEqual([body.requestedLevel, body.agentName, body.agentId], ['all', 'all', 'all']);
        const [last] = body.logs.slice(-1);
        assert.deepEqual(Object.keys(last).slice(0, 3), ['time', 'level', 'msg']);
        assert.ok(!JSON.stringify(body).includes(cluster.dataDir));
    });

    it('is asked for by level, agent and time', async () => {
        const named = (await page('?agentName=Eliza')).body.logs;
        assert.ok(named.length > 0 && named.every(({ agentName }) => agentName === 'Eliza'));
        const id = (await agentPath()).split('/').at(-1);
        const identified = (await page(`?agentId=${id}`)).body;
        assert.deepEqual(identified.logs, named);
        assert.equal(identified.agentId, id);
        assert.deepEqual((await page(`?agentId=${id}&agentName=Eliza`)).body.logs, named);
        assert.deepEqual((await page(`?agentId=${id}&agentName=Other`)).body.logs, []);
        assert.deepEqual((await page(`?agentId=${randomUUID()}`)).body.logs, []);
        assert.ok((await page('?level=info')).body.logs.every(({ level }) => level === 30));
        assert.deepEqual((await page('?level=fatal')).body.logs, []);
        assert.deepEqual((await page(`?since=${Date.now() + 60000}`)).body.logs, []);
        assert.equal((await page('?limit=1')).body.logs.length, 1);
        assert.equal((await page('?level=odd')).status, 400);
        assert.equal((await page('', { method: 'POST' })).status, 200);
    });

    it('streams to whoever subscribes, on every edge, through filters', async () => {
        const [one, other] = [await watcher(0), await watcher(1)];
        assert.deepEqual(await one.ask('update_log_filters', 'log_filters_updated', {}),
            { success: false, error: 'Not subscribed to log stream' });
        for (const { ask } of [one, other]) {
            assert.deepEqual(await ask('subscribe_logs', 'log_subscription_confirmed'),
                { subscribed: true, message: 'Successfully subscribed to log stream' });
        }
        assert.deepEqual(await other.ask('update_log_filters', 'log_filters_updated',
            { level: 'warn' }), { success: true, filters: { level: 'warn', agentName: 'all' } });
        await stopAndStart();
        await until(() => one.has('agent_stopped') && one.has('agent_started'), 'it is seen');
        const [entry] = one.seen().filter(({ payload }) => payload.agentName);
        assert.equal(entry.type, 'log_entry');
        assert.equal(entry.payload.agentName, 'Eliza');
        assert.equal(entry.payload.level, 30);
        assert.deepEqual(other.seen(), []);
        assert.deepEqual(await one.ask('unsubscribe_logs', 'log_subscription_confirmed'),
            { subscribed: false, message: 'Successfully unsubscribed from log stream' });
    });

    it('goes on for subscribers when the router comes back', async () => {
        const one = await watcher(1);
        await one.ask('subscribe_logs', 'log_subscription_confirmed');
        await cluster.router.kill('SIGKILL');
        cluster.router.start();
        await Promise.all(cluster.processes.map((process) => process.waitReady()));
        await until(async () => {
            await stopAndStart();
            return one.has('agent_started');
        }, 'it is seen, once its edge is back');
    });

    it('is cleared', async () => {
        const { body } = await page('', { method: 'DELETE' });
        assert.deepEqual(body, { status: 'success', message: 'Logs cleared successfully' });
        const left = (await page()).body.logs;
        assert.ok(!left.some(({ msg }) => msg.startsWith('agent_started')));
    });
});
