// The official api-client, unmodified, without what it only needs for its types: the package's own
// files are unpacked under the build directory, checked against the digest of the release.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { buildDir } from '../../lib/cluster.mjs';

const NAME = '@elizaos/api-client';
const VERSION = '1.7.2';
const SHA512 = '1v0fBpzHrUUfl1kUUuLuma7r5VSdB2bf8prnGyGsrwbBOMDTZencr6inwm/NIpzX'
    + 'mzJFv8Q++x0paLd0PoYqBA==';

export const loadApiClient = async () => {
    const dir = path.join(buildDir, 'api-client');
    const entry = path.join(dir, 'package', 'dist', 'index.js');
    if (!fs.existsSync(entry)) {
        fs.mkdirSync(dir, { recursive: true });
        const [{ filename }] = JSON.parse(execFileSync('npm',
            ['pack', `${NAME}@${VERSION}`, '--json', '--pack-destination', dir],
            { encoding: 'utf8', cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] }));
        const archive = path.join(dir, filename.replace('@', '').replace('/', '-'));
        const digest = createHash('sha512').update(fs.readFileSync(archive)).digest('base64');
        if (digest !== SHA512) throw new Error(`${archive} is not the release`);
        execFileSync('tar', ['-xzf', archive, '-C', dir]);
    }
    return import(pathToFileURL(entry));
};
