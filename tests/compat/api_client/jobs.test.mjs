// Every method of the unmodified api-client's jobs service, called: method → result.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../../lib/cluster.mjs';
import { loadApiClient } from './install.mjs';
import { noteCalls } from './noting.mjs';

const userId = randomUUID();
const POLLING = { interval: 50, maxAttempts: 400 };
const BACKING_OFF = { initialInterval: 50, maxInterval: 200, maxAttempts: 200 };

let cluster;
let jobs;
let other;
let assertAllCalled;

before(async () => {
    const { ElizaClient } = await loadApiClient();
    cluster = await startCluster();
    const [first, second] = cluster.edges.map(({ url }) => ElizaClient.create({ baseUrl: url }));
    ({ service: jobs, assertAllCalled } = noteCalls(first.jobs));
    other = second.jobs;
});
after(() => cluster?.stop());

const throws = (promise, status) => assert.rejects(promise, (error) => error.status === status);
const assertCompleted = ({ success, job }) => {
    assert.equal(success, true);
    assert.equal(job.status, 'completed');
    assert.ok(job.result.message.content.length > 0);
};

const table = {
    'create, getJob, poll': async () => {
        const { jobId } = await jobs.create({ userId, content: 'Hello', timeoutMs: 20000 });
        assertCompleted(await jobs.poll(jobId, POLLING));
        assert.equal((await other.getJob(jobId)).status, 'completed');
        assert.equal((await jobs.getJob(jobId)).prompt, 'Hello');
        await throws(jobs.getJob(randomUUID()), 404);
        await throws(jobs.create({ userId: 'x', content: 'Hello' }), 400);
    },
    list: async () => {
        const { jobId } = await jobs.create({ userId, content: 'Hello' });
        const { jobs: list, total } = await jobs.list({ limit: 1 });
        assert.equal(list[0].jobId, jobId);
        assert.ok(total >= 1);
    },
    health: async () => assert.equal((await jobs.health()).healthy, true),
    createAndPoll: async () => assertCompleted(
        await jobs.createAndPoll({ userId, content: 'Hello' }, POLLING)),
    createAndPollWithBackoff: async () => assertCompleted(
        await jobs.createAndPollWithBackoff({ userId, content: 'Hello' }, BACKING_OFF)),
    ask: async () => {
        const answer = await jobs.ask(userId, 'Hello', undefined, POLLING);
        assert.ok(answer.length > 0);
    },
};

describe('the api-client\'s jobs service', { timeout: 300000 }, () => {
    for (const [methods, call] of Object.entries(table)) it(methods, call);
    it('has no method that is not called here', () => assertAllCalled());
});
