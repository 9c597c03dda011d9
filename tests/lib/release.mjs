// A package's own files, without what it depends on: unpacked once under the build directory,
// checked against the digest of the release.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { buildDir } from './cluster.mjs';

// Returns the directory of the package. sha512: in base64.
export const unpackRelease = (name, version, sha512) => {
    const dir = path.join(buildDir, 'releases', `${name}-${version}`);
    const root = path.join(dir, 'package');
    if (!fs.existsSync(path.join(root, 'package.json'))) {
        fs.mkdirSync(dir, { recursive: true });
        const [{ filename }] = JSON.parse(execFileSync('npm',
            ['pack', `${name}@${version}`, '--json', '--pack-destination', dir],
            { encoding: 'utf8', cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] }));
        const archive = path.join(dir, filename.replace('@', '').replace('/', '-'));
        const digest = createHash('sha512').update(fs.readFileSync(archive)).digest('base64');
        if (digest !== sha512) throw new Error(`${archive} is not the release`);
        execFileSync('tar', ['-xzf', archive, '-C', dir]);
    }
    return root;
};
