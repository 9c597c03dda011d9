// The stream extractors against those of @elizaos/core: the same outputs, step by step, for random
// texts in random chunks (10 000 of them with ELIZAMQ_LONG=1).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

import { buildDir } from '../lib/cluster.mjs';

const reference = await import(pathToFileURL(path.join(
    buildDir, 'extract-reference/node_modules/@elizaos/core/dist/node/index.node.js')).href);

const ROUNDS = process.env.ELIZAMQ_LONG ? 10000 : 1500;
const PROGRAM = path.join(buildDir, 'agent-bridge');
const EXTRACTORS = {
    'passthrough': () => new reference.PassthroughExtractor(),
    'xml-tag:text': () => new reference.XmlTagExtractor('text'),
    'xml-tag:answer-é': () => new reference.XmlTagExtractor('answer-é'),
    'response': () => new reference.ResponseStreamExtractor(),
    'action-filter': () => new reference.ActionStreamFilter(),
};

// Numbers that a failed run can be repeated with (xorshift, 32 bits).
class Random {
    constructor(seed) { this.state = seed * 2654435761 >>> 0 || 1; }

    below(bound) {
        this.state ^= this.state << 13;
        this.state ^= this.state >>> 17;
        this.state ^= this.state << 5;
        return (this.state >>> 0) % bound;
    }

    of(list) { return list[this.below(list.length)]; }
}

const PIECES = [
    '<response>', '</response>', '<thought>', '</thought>', '<text>', '</text>', '<actions>',
    '</actions>', '<answer-é>', '</answer-é>', 'REPLY', 'reply', ' RePlY ,', 'IGNORE', ',', '<',
    '</', '</tex', 't>', '<text', '<text >', '<TEXT>', '{"a":1}', '[', '\ufeff', '\u3000', ' ', '\n',
    '\t\r\n', '\u0085', 'a', 'Hello world', 'é', 'ﬀ', 'ı', '😀', '👩‍👩‍👧', '\ud83d', '\ude00', '\0',
    '"', '\\', '&lt;text&gt;', '<text></text>', '<actions>REPLY</actions>',
    '<actions>\n REPLY\u00a0</actions>', '<actions>REPLY,REPLY</actions>',
    '<actions>SEARCH, REPLY</actions>', '<actions></actions>', '<actions>,REPLY,,</actions>',
    'Twelve chars', '0123456789', '01234567890',
];

const makeText = (random) => {
    let text = '';
    if (random.below(3) > 0) {      // like what a model says
        text = `${random.of(['', ' ', '\n'])}<response><thought>${random.of(PIECES)}</thought>`
            + random.of(['', '<actions>REPLY</actions>', '<actions>REPLY,X</actions>']);
    }
    for (let left = random.below(14); left > 0; left--) text += random.of(PIECES);
    if (random.below(8) === 0) {    // long enough to be trimmed
        const filler = random.of(['x', '<', ' ', '😀']);
        text += filler.repeat(random.of([1000, 1014, 1024, 1025, 51200, 102390, 102400, 102401]))
            + random.of(PIECES) + random.of(PIECES);
    }
    return text;
};

const makeSteps = (random) => {
    const steps = [];
    for (let parts = 1 + random.below(2); parts > 0; parts--) {
        const text = makeText(random);
        const size = random.of([1, 2, 3, 7, 12, 40, 5000, 200000]);
        const least = Math.ceil(text.length / 60);  // not too many steps of one text
        for (let at = 0; at < text.length;) {
            const length = Math.max(least, 1 + random.below(size));
            steps.push({ push: text.slice(at, at + length) });
            at += length;
        }
        if (random.below(2) === 0) steps.push({ flush: true });
        if (random.below(3) === 0) steps.push({ reset: true });
        if (random.below(40) === 0) steps.push({ push: 'y'.repeat(1048576 + random.below(2)) });
    }
    return steps;
};

const expected = (extractor, step) => {
    let out = '';
    if (step.reset) {
        extractor.reset();
    } else if (step.flush) {
        out = extractor.flush?.() ?? '';
    } else {
        try {
            out = extractor.push(step.push);
        } catch {
            return null;
        }
    }
    return { out, done: extractor.done };
};

// One process per extractor; the lines come back one by one.
const startExtractor = (name) => {
    const child = spawn(PROGRAM, ['--extract', name], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
        write: (step) => child.stdin.write(`${JSON.stringify(step)}\n`),
        read: async () => JSON.parse((await lines.next()).value),
        end: () => new Promise((resolve) => {
            child.once('close', resolve);
            child.stdin.end();
        }),
    };
};

describe('stream extractors', { timeout: 900000 }, () => {
    for (const [name, make] of Object.entries(EXTRACTORS)) {
        it(`${name} does what @elizaos/core does`, async () => {
            const ours = startExtractor(name);
            const count = Math.ceil(ROUNDS / Object.keys(EXTRACTORS).length);
            for (let seed = 1; seed <= count; seed++) {
                const steps = makeSteps(new Random(seed));
                const theirs = make();
                steps.unshift({ reset: true });
                for (const step of steps) ours.write(step);
                for (const [i, step] of steps.entries()) {
                    const want = expected(theirs, step);
                    const got = await ours.read();
                    if (want === null) {
                        assert.equal(typeof got.error, 'string', `seed ${seed} step ${i}`);
                    } else {
                        assert.deepEqual(got, want, `seed ${seed} step ${i}`);
                    }
                }
            }
            assert.equal(await ours.end(), 0);
        });
    }

    it('answers each line before it reads the next, and the last one without its end', async () => {
        const ours = startExtractor('xml-tag:text');
        for (const [step, want] of [
            [{ push: '<text>Hello' }, { out: '', done: false }],
            [{ push: ' world!' }, { out: 'He', done: false }],
            [{ push: 7 }, null],
            [{ push: '</text>' }, { out: 'llo world!', done: true }],
            [{ nothing: true }, null],
            [{ push: 'a', flush: true }, null],
            [{ reset: true }, { out: '', done: false }],
        ]) {
            ours.write(step);
            const got = await ours.read();
            if (want === null) assert.deepEqual(Object.keys(got), ['error']);
            else assert.deepEqual(got, want);
        }
        assert.equal(await ours.end(), 0);
    });

    it('ends with 2 on a name nobody has', async () => {
        for (const name of ['nothing', 'xml-tag', 'xml-tag:', 'response:text', '']) {
            const child = spawn(PROGRAM, ['--extract', name], { stdio: ['ignore', 'pipe', 'pipe'] });
            let told = '';
            child.stderr.setEncoding('utf8').on('data', (text) => { told += text; });
            const code = await new Promise((resolve) => { child.once('close', resolve); });
            assert.equal(code, 2, name);
            assert.match(told, /^[^\n]+\n$/);
        }
    });
});
