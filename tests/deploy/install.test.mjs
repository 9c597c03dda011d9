// `make install`, and the systemd units that it installs.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { buildDir, rootDir } from '../lib/cluster.mjs';
import { PROGRAMS, assertVariables, readDeployFile, run } from './files.mjs';

const TEST_OPTIONS = { timeout: 300000 };
const UNITS = ['elizamq-router.service', 'elizamq-edge@3000.service',
    'elizamq-agent-bridge.service'];
const EXPOSURE_TENTHS_MAX = 15;     // of 100; an ordinary daemon without sandbox has about 95

let dir;

const install = (variables) => run('make', ['-s', `BUILD=${buildDir}`, ...variables, 'install']);

before(() => { dir = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-install-')); });
after(() => fs.rmSync(dir, { recursive: true, force: true }));

describe('make install', TEST_OPTIONS, () => {
    it('honours DESTDIR and PREFIX', async () => {
        const destination = path.join(dir, 'destination');
        await install([`DESTDIR=${destination}`, 'PREFIX=/opt/chat']);
        assert.deepEqual(fs.readdirSync(destination), ['opt']);
        const files = fs.readdirSync(path.join(destination, 'opt/chat'), { recursive: true });
        for (const name of [
            ...PROGRAMS.map((program) => `bin/elizamq-${program}`),
            'share/elizamq/www/index.html', 'share/elizamq/client/socket.io.js',
            'lib/systemd/system/elizamq-edge@.service',
            'lib/systemd/system/elizamq-.service.d/10-common.conf',
            'share/doc/elizamq/RUNBOOK.md', 'share/doc/elizamq/haproxy.cfg',
            'share/doc/elizamq/README.md', 'share/doc/elizamq/LICENSE', 'share/doc/elizamq/SECURITY.md',
        ]) assert.ok(files.includes(name), name);
        for (const name of files.filter((file) => /systemd.*service$/.test(file))) {
            const unit = fs.readFileSync(path.join(destination, 'opt/chat', name), 'utf8');
            assert.match(unit, /^ExecStart=\/opt\/chat\/bin\/elizamq-/m);
            assert.doesNotMatch(unit, /@bindir@|@docdir@/);
        }
        for (const program of PROGRAMS) {
            const file = path.join(destination, 'opt/chat/bin', `elizamq-${program}`);
            assert.match(await run(file, ['--version']), new RegExp(`^${program} \\d+\\.\\d+`));
            assert.match(await run(file, ['--check-config']), /configuration ok/);
        }
    });
});

describe('the systemd units', TEST_OPTIONS, () => {
    let environment;

    before(async () => {
        const prefix = path.join(dir, 'prefix');
        await install([`PREFIX=${prefix}`]);
        environment = {
            ...process.env, SYSTEMD_UNIT_PATH: `${prefix}/lib/systemd/system:`, LC_ALL: 'C',
        };
    });

    it('are what systemd takes without a word', async () => {
        assert.equal(await run('systemd-analyze', ['verify', ...UNITS], { env: environment }), '');
    });

    for (const unit of UNITS) {
        it(`${unit} has a strong sandbox`, async (t) => {
            const text = await run('systemd-analyze', ['security', '--offline=yes',
                `--threshold=${EXPOSURE_TENTHS_MAX}`, unit], { env: environment });
            t.diagnostic(/Overall exposure level.*/.exec(text)[0]);
        });
    }

    it('set options that the programs have', () => {
        for (const name of fs.readdirSync(path.join(rootDir, 'deploy/systemd'))) {
            const program = /^elizamq-(.+?)@?\.service$/.exec(name)?.[1];
            if (!program) continue;
            const unit = readDeployFile(`systemd/${name}`);
            assertVariables(program,
                [...unit.matchAll(/^Environment=(ELIZAMQ_\w+)=/gm)].map(([, variable]) => variable));
        }
    });
});

describe('the image', TEST_OPTIONS, () => {
    // Packages that `deploy/install-packages run` installs, as its text says.
    const packages = /packages="(libzmq5[^"]+)"/.exec(readDeployFile('install-packages'))[1]
        .trim().split(/\s+/);

    it('has every library that a program is linked with', () => {
        // dpkg knows some by their place before /lib became a link to /usr/lib.
        const owner = (file) => {
            const name = path.basename(fs.realpathSync(file));
            return execFileSync('dpkg', ['-S', `*/${name}`], { encoding: 'utf8' }).split(':')[0];
        };
        const missing = new Set();
        for (const program of PROGRAMS) {
            const file = path.join(buildDir, program);
            const needed = [...execFileSync('objdump', ['-p', file], { encoding: 'utf8' })
                .matchAll(/NEEDED\s+(\S+)/g)].map(([, name]) => name);
            const places = new Map([...execFileSync('ldd', [file], { encoding: 'utf8' })
                .matchAll(/^\s*(\S+) => (\S+)/gm)].map(([, name, place]) => [name, place]));
            for (const name of needed.filter((library) => !/^lib(c|m|pthread)\.so/.test(library))) {
                const holder = owner(places.get(name));
                if (!packages.includes(holder)) missing.add(holder);
            }
        }
        assert.deepEqual([...missing], []);
    });

    it('is built from paths that are there', () => {
        const sources = [...readDeployFile('Dockerfile')
            .matchAll(/^COPY (?!--from)(\S+) |source=([^,\s]+)/gm)].map(([, a, b]) => a ?? b);
        assert.ok(sources.length >= 3);
        for (const source of sources) assert.ok(fs.existsSync(path.join(rootDir, source)), source);
    });
});
