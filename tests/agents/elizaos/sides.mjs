// A server as the api-client sees it, with what was said: every answer that comes from its address
// is noted.

import { loadApiClient } from '../../compat/api_client/install.mjs';
import { parseEvents } from '../../cluster/rest.mjs';

// Events by name, the first of each.
const eventsOf = (text) => Object.fromEntries(
    parseEvents(text).map(({ event, data }) => [event, data]).reverse());

const bodyOf = async (response) => {
    const type = response.headers.get('content-type') ?? '';
    const text = await response.text();
    if (text === '') return null;
    if (type.startsWith('text/event-stream')) return eventsOf(text);
    return type.startsWith('application/json') ? JSON.parse(text) : text;
};

// Resolves with [{url, api, raw(), said, forget(), s} of each url]. `said`: [{request, status, body}] since it
// was forgotten. The global fetch, which the api-client uses, is replaced until restore().
export const sidesOf = async (urls) => {
    const { ElizaClient } = await loadApiClient();
    const { fetch } = globalThis;
    const sides = urls.map((url) => ({ url, said: [], s: {}, api: ElizaClient.create({ baseUrl: url }) }));
    globalThis.fetch = async (url, options = {}) => {
        const side = sides.find((it) => `${url}`.startsWith(it.url));
        const response = await fetch(url, options);
        const request = `${options.method ?? 'GET'} ${new URL(url).pathname}`;
        side?.said.push({
            request, status: response.status, body: await bodyOf(response.clone()),
        });
        return response;
    };
    for (const side of sides) {
        side.forget = () => { side.said.length = 0; };
        side.raw = async (method, path, body) => {
            await globalThis.fetch(side.url + path, {
                method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
            });
            return side.said.at(-1).body;
        };
    }
    return { sides, restore: () => { globalThis.fetch = fetch; } };
};
