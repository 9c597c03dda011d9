// What is measured, and what this product must reach (the targets are those of its design).
//
//   title     what the table calls it, given the load
//   load      arguments of the load generator for a full run
//   short     what a quick run changes in them
//   edges     edge processes of ours (default 1), sharing one port
//   skip      servers it makes no sense for; only: the one it does
//   prepare   resolves with the path of GETs, given the server's address
//   run       measures it instead of the load generator, starting what it needs
//   figure    the one figure that servers are compared by
//   target    its bound: a number, or a function of the floor's figure of the same run

import { measureStreams } from './streams.mjs';

const SOCKETS_MANY = 19000;

const number = (value) => value.toLocaleString('en').replaceAll(',', ' ');

const fanOutTitle = ({ clients, window }) => `fan-out 1 × ${number(clients)}, ${window} in flight`;
const roomsTitle = ({ clients, members }) => `${number(clients / members)} rooms × ${members}`;

export const figures = {
    cpu: { title: 'CPU-s/1M', better: 'less' },
    p99: { title: 'p99 ms', better: 'less' },
    rss: { title: 'KiB/conn', better: 'less' },
    opened: { title: 'conn/s', better: 'more' },
    gets: { title: 'GETs/CPU-s', better: 'more' },
};

// With sixteen messages in flight a server may coalesce what goes to one socket; with one it
// cannot, and the kernel's send bounds everybody.
const fanOut = (members, window) => ({
    scenario: 'closed', clients: members, senders: 'one', window, warmup: 1, seconds: 2,
});

const rooms = { clients: 1000, members: 10 };

// A room with one message in it.
const speak = async (url) => {
    const response = await fetch(`${url}/api/messaging/channels/bench/messages`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: 'x'.repeat(128), entityId: 'bench' }),
    });
    if (response.status !== 201) throw new Error(`a message is answered ${response.status}`);
};

// REST is ours alone: the others speak Socket.IO only. CPU of edge and router together.
const gets = (name, what, path) => ({
    name, title: () => `REST: GET of ${what}`,
    load: { scenario: 'gets', clients: 32, warmup: 0.5, seconds: 2 }, short: { clients: 8 },
    skip: ['uws', 'ws', 'redis', 'floor', 'coalesce'],
    prepare: async (url) => {
        await speak(url);
        return `/api/messaging${path}`;
    },
    figure: 'gets', target: 10000,
});

export const scenarios = [
    {
        name: 'fanout-1000', title: fanOutTitle,
        load: fanOut(1000, 16), short: { clients: 200 },
        figure: 'cpu', target: 0.7,
    },
    {
        name: 'fanout-1000-single', title: fanOutTitle,
        load: fanOut(1000, 1), short: null,
        figure: 'cpu',
    },
    {
        name: 'fanout-5000', title: fanOutTitle,
        load: fanOut(5000, 16), short: null,
        figure: 'cpu', target: 1.7,
    },
    {
        name: 'rooms', title: (load) => `${roomsTitle(load)}, ${load.window} in flight in each`,
        load: { scenario: 'closed', ...rooms, window: 10, warmup: 1, seconds: 2 },
        short: { clients: 100 },
        figure: 'cpu', target: 6.5,
    },
    {
        name: 'rate', title: (load) => `${roomsTitle(load)}, ${number(load.rate)} messages/s`,
        load: { scenario: 'rate', ...rooms, rate: 1500, warmup: 1, seconds: 4 },
        short: { clients: 100, rate: 300, seconds: 1 },
        edges: 2, figure: 'p99', target: (floor) => 2.5 * floor,
    },
    {
        name: 'idle', title: ({ clients }) => `${number(clients)} idle sockets`,
        load: { scenario: 'idle', members: 10, steps: [5000, SOCKETS_MANY] },
        short: { steps: [200], baseline: 50, settle: 0.2 },
        skip: ['floor'], figure: 'rss', target: 3,
    },
    {
        name: 'idle-old', title: ({ clients }) => `${number(clients)} idle sockets, Engine.IO 3`,
        load: { scenario: 'idle', members: 10, steps: [5000], old: true },
        short: { steps: [200], baseline: 50, settle: 0.2 },
        skip: ['floor', 'coalesce', 'redis', 'uws', 'ws'], figure: 'rss', target: 3,
    },
    {
        name: 'idle-polling', title: ({ clients }) => `${number(clients)} parked polls`,
        load: { scenario: 'idle', members: 10, steps: [5000], polling: true },
        short: { steps: [200], baseline: 50, settle: 0.2 },
        skip: ['redis'], figure: 'rss', target: 6,
    },
    {
        name: 'storm', title: ({ clients }) => `connect storm of ${number(clients)}`,
        load: { scenario: 'storm', clients: 10000, concurrency: 256, seconds: 4 },
        short: { clients: 500 },
        figure: 'opened', target: 10000,
    },
    gets('rest-edge', 'what the edge knows', '/message-server/current'),
    gets('rest-router', 'what the router knows', '/channels/bench/details'),
    gets('rest-store', 'what the store knows', '/channels/bench/messages?limit=1'),
    {
        name: 'streams',
        title: ({ clients, rate }) => `${number(clients)} replies × ${rate} tokens/s, by chunks`,
        load: { scenario: 'streams', clients: 200, rate: 20, seconds: 5 },
        short: { clients: 20, seconds: 1 },
        run: measureStreams, only: 'ours',
        figure: 'cpu',
    },
];

const SHORT_LOAD = { warmup: 0.2, seconds: 0.5 };

// The arguments of one scenario; null when a quick run leaves it out.
export const loadOf = (scenario, { short, seconds, window }) => {
    if (short && scenario.short === null) return null;
    const load = { ...scenario.load, ...short ? { ...SHORT_LOAD, ...scenario.short } : {} };
    if (load.scenario === 'idle') {
        delete load.warmup;
        delete load.seconds;
    }
    if (seconds && load.seconds) load.seconds = seconds;
    if (window && load.window) load.window = window;
    return load;
};

// The titles of a scenario's rows: one, or one for each step of an idle run.
export const titlesOf = ({ title }, load) => (
    (load.steps ?? [load.clients]).map((clients) => title({ ...load, clients }))
);

// The figures of one result of the load generator, in the order of the titles.
export const figuresOf = (result) => {
    if (result.scenario === 'idle') {
        return result.memory.map(({ rss_kib: rss, slab_kib: slab }) => ({ rss, slab }));
    }
    if (!result.latency_ms) return []; // it failed before it was measured
    const latency = { p50: result.latency_ms.p50, p99: result.latency_ms.p99 };
    const extremes = { p999: result.latency_ms.p999, max: result.latency_ms.max };
    const busy = {
        serverBusy: result.server_cpu_seconds / result.seconds,
        generatorBusy: result.generator_cpu_seconds / result.seconds,
    };
    if (result.scenario === 'gets') {
        const each = result.gets / result.server_cpu_seconds;
        return [{ gets: each, ...latency, ...extremes, ...busy }];
    }
    if (result.scenario === 'storm') {
        const opened = result.ready / result.seconds;
        return [{ opened, ...latency, ...extremes, ...busy }];
    }
    const floor = result.floor_ms
        ? { floorP50: result.floor_ms.p50, floorP99: result.floor_ms.p99 } : {};
    return [{
        deliveries: result.deliveries / result.seconds,
        cpu: result.server_cpu_seconds / result.deliveries * 1e6,
        ...latency, ...extremes, ...busy, ...floor,
    }];
};
