// What is under deploy/, read the way its users read it.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

import { buildDir, rootDir } from '../lib/cluster.mjs';

const asynchronously = promisify(execFile);

export const PROGRAMS = ['router', 'edge', 'agent-bridge'];

export const deployFile = (name) => path.join(rootDir, 'deploy', name);
export const readDeployFile = (name) => fs.readFileSync(deployFile(name), 'utf8');

// Debian's own Python has the YAML library.
export const parseYaml = (text) => JSON.parse(execFileSync('/usr/bin/python3',
    ['-c', 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)'],
    { input: text, encoding: 'utf8' }));

// Output of a command that succeeds, both streams.
export const run = async (command, args, options = {}) => {
    const { stdout, stderr } = await asynchronously(command, args, {
        cwd: rootDir, maxBuffer: 1 << 24, ...options,
    });
    return stdout + stderr;
};

// The names of a program's options.
export const flagsOf = (program, directory = buildDir) => {
    const help = execFileSync(path.join(directory, program), ['--help'], { encoding: 'utf8' });
    return new Set([...help.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name]) => name));
};

const flagOfVariable = (name) => name.replace(/^ELIZAMQ_/, '').toLowerCase().replaceAll('_', '-');

export const assertFlags = (program, names) => {
    const known = flagsOf(program);
    for (const name of names) assert.ok(known.has(name), `${program} has no --${name}`);
};

export const assertVariables = (program, names) => assertFlags(program, names.map(flagOfVariable));
