// A real ElizaOS 1.7.2 as a process, under bun, with server.mjs' one agent; its data in a directory
// of its own.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { buildDir } from '../../lib/cluster.mjs';
import { until } from '../../lib/until.mjs';

const START_DEADLINE_MS = 300000;
const NICE = '10';

export const TEXT = 'Hello from a model that always says exactly this much and not a word more. \u{1f600}';

const reference = path.join(buildDir, 'elizaos-reference');

// Resolves once it listens. kill() resolves when it is gone.
export const startReal = async ({ port, dir, env = {} }) => {
    const bun = path.join(reference, 'node_modules/@oven');
    const [platform] = fs.readdirSync(bun);
    const server = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'nice', '-n', NICE,
        path.join(bun, platform, 'bin/bun'), path.join(reference, 'server.mjs')], {
        cwd: dir, stdio: ['ignore', 'pipe', 'ignore'],
        env: {
            ...process.env, SERVER_PORT: `${port}`, SERVER_HOST: '127.0.0.1', LOG_LEVEL: 'fatal',
            PGLITE_DATA_DIR: path.join(dir, 'data'), ELIZA_UI_ENABLE: 'false', STUB_TEXT: TEXT,
            STUB_DELAY: '50', ...env,
        },
    });
    const kill = () => new Promise((resolve) => {
        if (server.exitCode !== null || server.signalCode !== null) resolve();
        server.once('exit', resolve);
        server.kill('SIGKILL');
    });
    let output = '';
    server.stdout.on('data', (data) => { output += data; });
    try {
        await until(() => output.includes('LISTENING'), 'ElizaOS listens', START_DEADLINE_MS);
    } catch (error) {
        await kill();
        throw error;
    }
    return { kill };
};
