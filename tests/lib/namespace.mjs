// A network namespace (Linux, root, iproute2) with two links to it: one for clients, one for the
// bus. The bus can be cut in each direction by itself, and silently: what is sent goes to a
// neighbour that is not there, as on a network that swallows it.

import { execFileSync } from 'node:child_process';

const NOBODY = '02:00:00:00:00:01';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });

// Why there are no namespaces here, or null.
export const whyNoNamespaces = () => {
    const name = `elizamq-probe-${process.pid}`;
    try {
        ip('netns', 'add', name);
        ip('link', 'add', `eq${process.pid}p`, 'type', 'veth', 'peer', 'name', 'p', 'netns', name);
        return null;
    } catch (error) {
        return `ip netns: ${`${error.stderr ?? error.message}`.trim()}`;
    } finally {
        try {
            ip('netns', 'delete', name);
        } catch {
            // It was not made.
        }
    }
};

// Options: edge addresses are of 198.18.0.0/15, which belongs to tests like this one.
// Resolves with
//   within              the command that runs a program inside
//   address             of the namespace, for clients
//   bus {here, there}   addresses of the two ends of the bus
//   cut({out, in})      what leaves the namespace for the bus is lost; what comes from there
//   mend(), close()
export const makeNamespace = () => {
    const name = `elizamq-${process.pid}`;
    const net = `198.${18 + (process.pid >> 8) % 2}.${process.pid % 256}`;
    const bus = { here: `${net}.1`, there: `${net}.2`, link: `eq${process.pid}b` };
    const clients = { here: `${net}.5`, there: `${net}.6`, link: `eq${process.pid}c` };
    const inside = (...args) => ip('-n', name, ...args);

    ip('netns', 'add', name);
    for (const [device, { here, there, link }] of Object.entries({ bus, clients })) {
        ip('link', 'add', link, 'type', 'veth', 'peer', 'name', device, 'netns', name);
        ip('address', 'add', `${here}/30`, 'dev', link);
        ip('link', 'set', link, 'up');
        inside('address', 'add', `${there}/30`, 'dev', device);
        inside('link', 'set', device, 'up');
    }
    inside('link', 'set', 'lo', 'up');

    const ways = {
        out: { run: inside, to: bus.here, device: 'bus' },
        in: { run: ip, to: bus.there, device: bus.link },
    };
    const isCut = new Set();
    return {
        within: ['ip', 'netns', 'exec', name], address: clients.there, bus,
        cut: (directions) => {
            for (const direction of directions) {
                const { run, to, device } = ways[direction];
                run('neighbour', 'replace', to, 'lladdr', NOBODY, 'dev', device, 'nud', 'permanent');
                isCut.add(direction);
            }
        },
        mend: () => {
            for (const direction of isCut) {
                const { run, to, device } = ways[direction];
                run('neighbour', 'delete', to, 'dev', device);
            }
            isCut.clear();
        },
        close: () => ip('netns', 'delete', name),
    };
};
