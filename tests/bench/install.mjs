// Installs what the measured servers need, once, and only when it is missing.

import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const sourceDir = fileURLToPath(new URL('servers/', import.meta.url));

const run = (command, args, options, logFile) => {
    process.stderr.write(`bench: ${command} ${args.join(' ')} (log: ${logFile})\n`);
    const log = fs.openSync(logFile, 'a');
    const { status } = spawnSync(command, args, { ...options, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    if (status !== 0) throw new Error(`${command} failed: see ${logFile}`);
};

// Installs the Node servers' packages below the build directory; returns the directory to run them
// from. Install scripts do not run: nothing here needs one.
export const installNodeServers = (benchDir) => {
    const dir = path.join(benchDir, 'node');
    const stamp = path.join(dir, 'installed');
    const lock = fs.readFileSync(path.join(sourceDir, 'package-lock.json'));
    const wanted = crypto.createHash('sha256').update(lock).digest('hex');
    fs.mkdirSync(dir, { recursive: true });
    for (const file of ['.npmrc', 'package.json', 'package-lock.json', 'server.mjs']) {
        fs.copyFileSync(path.join(sourceDir, file), path.join(dir, file));
    }
    if (!fs.existsSync(stamp) || fs.readFileSync(stamp, 'utf8') !== wanted) {
        run('npm', ['ci', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'],
            { cwd: dir }, path.join(benchDir, 'npm.log'));
        fs.writeFileSync(stamp, wanted);
    }
    return dir;
};

const findProgram = (name) => (process.env.PATH ?? '').split(':')
    .map((dir) => path.join(dir, name)).find((file) => fs.existsSync(file));

// Installs Debian's redis-server; returns its path.
export const installRedis = (benchDir) => {
    const found = findProgram('redis-server');
    if (found) return found;
    const logFile = path.join(benchDir, 'apt.log');
    const asRoot = process.getuid() === 0 ? [] : ['sudo'];
    const apt = (...args) => {
        const [command, ...rest] = [...asRoot, 'apt-get', ...args];
        run(command, rest, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }, logFile);
    };
    apt('update', '-qq');
    apt('install', '-y', '-qq', '--no-install-recommends', 'redis-server');
    return findProgram('redis-server') ?? '/usr/bin/redis-server';
};
