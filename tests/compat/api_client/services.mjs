// The services of the unmodified api-client on every edge of a cluster, noting what is called.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { loadApiClient } from './install.mjs';

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

// Resolves with {services: [{agents, …} of each edge], agentId, uncalled(name)}: the last lists the
// methods of a service that nobody has called.
export const servicesOf = async (cluster, names) => {
    const { ElizaClient } = await loadApiClient();
    const called = new Set();
    const noting = (name, service) => new Proxy(service, {
        get: (target, method) => {
            called.add(`${name}.${String(method)}`);
            return target[method].bind(target);
        },
    });
    const clients = cluster.edges.map(({ url }) => ElizaClient.create({ baseUrl: url }));
    const services = clients.map((client) => Object.fromEntries(
        names.map((name) => [name, noting(name, client[name])])));
    const uncalled = (name) => Object.getOwnPropertyNames(
        Object.getPrototypeOf(clients[0][name])).filter((method) => method !== 'constructor'
            && !called.has(`${name}.${method}`));
    const { agents } = await clients[0].agents.listAgents();
    return { services, agentId: agents[0].id, uncalled };
};

// Asks in a channel, which comes into being with it, and resolves with {question, reply}: ids.
export const converse = async (url, channel, text, user = randomUUID()) => {
    const response = await fetch(`${url}/api/messaging/channels/${channel}/messages`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text, entityId: user, mode: 'sync' }),
    });
    const body = await response.json();
    assert.equal(response.status, 201, JSON.stringify(body));
    return { user, question: body.userMessage.id, reply: body.agentResponse.responseId };
};

export const throws = (promise, status) => assert.rejects(
    promise, (error) => error.status === status);
