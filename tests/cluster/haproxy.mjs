// HAProxy before the edges of a cluster, as deploy/haproxy.cfg has it, with their ports.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { rootDir } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { until, within } from '../lib/until.mjs';

const HAPROXY = '/usr/sbin/haproxy';

// Resolves with {url, close()} once it serves. It ends with this process, too.
export const startHaproxy = async ({ edges, dataDir }) => {
    const port = await freePort();
    const config = path.join(dataDir, 'haproxy.cfg');
    const servers = edges.map((edge, i) => `    server edge-${i + 1} 127.0.0.1:${edge.port}`);
    fs.writeFileSync(config, fs.readFileSync(path.join(rootDir, 'deploy', 'haproxy.cfg'), 'utf8')
        .replace(/^(\s*bind ).*$/m, `$1127.0.0.1:${port}`)
        .replace(/^(\s*timeout http-request ).*$/m, '$160s') // of clients that share a machine
        .replace(/^.*server-template .*$/m, servers.join('\n')));
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', HAPROXY, '-db', '-f', config],
        { stdio: 'ignore' });
    const ended = new Promise((resolve) => { child.once('exit', resolve); });
    const url = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${url}/healthz`).catch(() => ({}))).ok,
        'HAProxy has found the edges', 60000);
    return {
        url,
        close: () => {
            child.kill('SIGINT');
            return within(ended, 'HAProxy ends');
        },
    };
};
