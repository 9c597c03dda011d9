// The messaging REST API as its callers see it.

import assert from 'node:assert/strict';

const JSON_TYPE = { 'Content-Type': 'application/json' };

// Calls to a cluster; `edge` in the options chooses one of its edges.
export const restOf = (cluster) => {
    // Resolves with {status, headers, response, body}; body: the parsed JSON, or null.
    const api = async (path, { edge = 0, ...options } = {}) => {
        const response = await fetch(`${cluster.edges[edge].url}/api/messaging${path}`, options);
        const isJson = response.headers.get('content-type')?.startsWith('application/json');
        return {
            status: response.status, headers: response.headers, response,
            body: isJson ? await response.json() : null,
        };
    };

    const post = (path, body, options) => api(path, {
        method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body), ...options,
    });

    const send = (channel, text, fields = {}, options = {}) => post(
        `/channels/${channel}/messages`, { text, entityId: 'rest-user', ...fields }, options);

    const getMessages = async (channel, query = '') => {
        const { status, body } = await api(`/channels/${channel}/messages${query}`);
        assert.equal(status, 200);
        assert.equal(body.success, true);
        return body.data.messages;
    };

    return { api, post, send, getMessages };
};

// Events of an SSE body: [{id, event, data}].
export const parseEvents = (text) => {
    assert.ok(text.endsWith('\n\n'));
    assert.ok(!text.includes('\r'));
    const blocks = text.slice(0, -2).split('\n\n').filter((block) => !block.startsWith(':'));
    return blocks.map((block) => {
        const lines = block.split('\n');
        const id = lines.at(-1).startsWith('id: ') ? lines.pop().slice(4) : undefined;
        const [event, data, ...rest] = lines;
        assert.deepEqual(rest, []);
        assert.ok(event.startsWith('event: ') && data.startsWith('data: '), block);
        return { id, event: event.slice(7), data: JSON.parse(data.slice(6)) };
    });
};
