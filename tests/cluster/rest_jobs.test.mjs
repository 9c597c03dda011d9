// The Jobs API on two edges: a job ends with the agent's answer, with a failure, or at its deadline,
// and every edge says the same of it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { until } from '../lib/until.mjs';
import { restOf } from './rest.mjs';
import { NIL_UUID, assertShape, isCount, isObject, isPositive, isText, isUuid }
    from './shape.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const userId = randomUUID();

// Calls below /jobs, of one cluster.
const jobsOf = (cluster) => {
    const rest = restOf(cluster);
    const get = (path = '', edge = 0) => rest.api(`/jobs${path}`, { edge });
    const post = (fields, edge = 0) => rest.post('/jobs', { userId, content: 'Hello', ...fields },
        { edge });
    const create = async (fields, edge) => {
        const { status, body } = await post(fields, edge);
        assert.equal(status, 201);
        return body;
    };
    const ended = (jobId, edge = 1) => until(async () => {
        const { status, body } = await get(`/${jobId}`, edge);
        assert.equal(status, 200);
        return body.status !== 'processing' && body;
    }, 'the job ends', 30000);
    return { ...rest, get, post, create, ended };
};

describe('a job', TEST_OPTIONS, () => {
    let cluster;
    let calls;
    let agentId;
    before(async () => {
        cluster = await startCluster();
        calls = jobsOf(cluster);
        const { body } = await calls.send(randomUUID(), 'Who are you?', { mode: 'sync' });
        agentId = body.agentResponse.senderId;
    });
    after(() => cluster?.stop());

    it('is made on one edge, and completed with the answer on every other', async () => {
        const made = await calls.create({ metadata: { a: 1 }, timeoutMs: 20000 });
        assertShape(made, {
            jobId: isUuid, status: 'processing', createdAt: isPositive,
            expiresAt: made.createdAt + 20000,
        });
        const job = await calls.ended(made.jobId);
        assertShape(job, {
            jobId: made.jobId, status: 'completed', agentId, userId, prompt: 'Hello',
            createdAt: made.createdAt, expiresAt: made.expiresAt, metadata: { a: 1 },
            result: isObject,
        });
        assertShape(job.result, { message: isObject, processingTimeMs: isCount });
        assertShape(job.result.message, {
            id: isUuid, content: isText, authorId: agentId, createdAt: isPositive,
            metadata: isObject,
        });
        assert.deepEqual((await calls.get(`/${made.jobId}`, 0)).body, job);
    });

    it('has a channel of its own with the question and the answer', async () => {
        const { jobId } = await calls.create({ agentId });
        const { result } = await calls.ended(jobId);
        const { body } = await calls.api(`/message-servers/${NIL_UUID}/channels`);
        const channel = body.data.channels.find(({ name }) => name === `job-${jobId}`);
        assert.equal(channel.type, 'DM');
        assert.deepEqual(channel.metadata, { jobId, agentId, userId, isJobChannel: true });
        const [answer, question] = await calls.getMessages(channel.id);
        assert.equal(answer.id, result.message.id);
        assert.equal(question.sourceType, 'job_request');
        assert.equal(question.metadata.jobId, jobId);
        assert.equal(question.metadata.isJobMessage, true);
    });

    it('is refused with what is wrong', async () => {
        const texts = {
            'userId is required and must be a valid UUID string': { userId: 1 },
            'Invalid userId format (must be valid UUID)': { userId: 'x' },
            'agentId must be a valid UUID string': { agentId: 1 },
            'Invalid agentId format (must be valid UUID)': { agentId: 'x' },
            'content is required and must be a string': { content: 1 },
            'content cannot be empty': { content: '' },
            'content exceeds maximum length of 50000 characters': { content: 'x'.repeat(50001) },
            'metadata must be an object': { metadata: 'x' },
            'metadata exceeds maximum size of 10000 bytes': { metadata: { a: 'x'.repeat(10000) } },
            'timeoutMs must be a positive number': { timeoutMs: -1 },
            'timeoutMs must be at least 1000ms': { timeoutMs: 999 },
            'timeoutMs cannot exceed 300000ms': { timeoutMs: 300001 },
        };
        for (const [message, fields] of Object.entries(texts)) {
            const { status, body } = await calls.post(fields);
            assert.equal(status, 400, message);
            assert.equal(body.error.message, message);
        }
        assert.equal((await calls.post({ content: '☺'.repeat(50000) })).status, 201);
        const unknown = randomUUID();
        const nobody = await calls.post({ agentId: unknown });
        assert.equal(nobody.status, 404);
        assert.equal(nobody.body.error.message, `Agent ${unknown} not found`);
        for (const id of [randomUUID(), 'x']) {
            const missing = await calls.get(`/${id}`);
            assert.equal(missing.status, 404);
            assert.equal(missing.body.error.message, 'Job not found');
        }
    });

    it('is listed, newest first, by status, and counted', async () => {
        const made = await Promise.all([0, 1, 0].map((edge) => calls.create({}, edge)));
        await Promise.all(made.map(({ jobId }) => calls.ended(jobId)));
        const { body } = await calls.get('?limit=3', 1);
        assert.deepEqual(body.jobs.map(({ jobId }) => jobId).sort(),
            made.map(({ jobId }) => jobId).sort());
        for (const job of body.jobs) {
            assert.deepEqual(job, (await calls.get(`/${job.jobId}`)).body);
        }
        assert.equal(body.filtered, 3);
        const all = (await calls.get('?status=completed')).body;
        assert.equal(all.filtered, all.jobs.length);
        assert.ok(all.jobs.length >= 3);
        assert.deepEqual((await calls.get('?status=failed')).body,
            { jobs: [], total: all.total, filtered: 0 });
        assert.equal((await calls.get('?status=nonsense')).body.total, all.total);
        const health = (await calls.get('/health', 1)).body;
        assertShape(health, {
            healthy: true, timestamp: isPositive, totalJobs: all.total, statusCounts: isObject,
            metrics: isObject, maxJobs: isPositive,
        });
        assertShape(health.statusCounts, {
            pending: 0, processing: isCount, failed: 0, timeout: 0,
            completed: (count) => count >= 3,
        });
        assertShape(health.metrics, {
            averageProcessingTimeMs: isCount, successRate: 1, failureRate: 0, timeoutRate: 0,
        });
    });

    it('is completed whoever made it is killed', async () => {
        const [first] = cluster.edges;
        const made = await Promise.all(Array.from({ length: 10 }, () => calls.create()));
        await first.kill('SIGKILL');
        await cluster.router.restart('SIGKILL');
        for (const { jobId } of made) {
            assert.equal((await calls.ended(jobId)).status, 'completed');
        }
        first.start();
        await first.waitReady();
    });
});

describe('the end of a job without an answer', TEST_OPTIONS, () => {
    let cluster;
    let calls;
    before(async () => {
        cluster = await startCluster({
            args: { router: ['--job-deadline', '4s'], bridge: ['--eliza-delay', '4s'] },
        });
        calls = jobsOf(cluster);
    });
    after(() => cluster?.stop());

    it('is its deadline, or that of the agent, the same on every edge and later on', async () => {
        const late = await calls.create({ timeoutMs: 1000 });
        const failed = await calls.create({ timeoutMs: 20000 });
        const waiting = (await calls.get(`/${failed.jobId}`)).body;
        assert.equal(waiting.status, 'processing');
        assert.equal(waiting.prompt, 'Hello');
        assert.equal(waiting.result, undefined);
        const timeout = await calls.ended(late.jobId);
        assert.equal(timeout.status, 'timeout');
        assert.equal(timeout.error, 'Job timed out waiting for agent response');
        const failure = await calls.ended(failed.jobId);
        assert.equal(failure.status, 'failed');
        assert.ok(isText(failure.error));
        assert.deepEqual((await calls.get(`/${late.jobId}`, 0)).body, timeout);
        assert.deepEqual((await calls.get(`/${failed.jobId}`, 0)).body, failure);
        const { statusCounts } = (await calls.get('/health')).body;
        assert.deepEqual(statusCounts,
            { pending: 0, processing: 0, completed: 0, failed: 1, timeout: 1 });
        const { jobs } = (await calls.get('?status=timeout')).body;
        assert.deepEqual(jobs, [timeout]);
    });
});
