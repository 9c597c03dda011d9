// The code blocks of the specification document, taken out of its unedited text.

import fs from 'node:fs';

const FENCE = '```';

const parseBlocks = (text) => {
    const blocks = [];
    let heading = '';
    let block = null;
    for (const line of text.split('\n')) {
        if (block && line === FENCE) {
            blocks.push(block);
            block = null;
        } else if (block) {
            block.code += `${line}\n`;
        } else if (line.startsWith(FENCE)) {
            block = { heading, language: line.slice(FENCE.length).split(' ')[0], code: '' };
        } else if (line.startsWith('#')) {
            heading = line.replace(/^#+ /, '');
        }
    }
    return blocks;
};

const blocks = parseBlocks(
    fs.readFileSync(new URL('elizaos-messaging.md', import.meta.url), 'utf8'));

// The code of the first block in that language under that heading.
export const findBlock = (heading, language) => {
    const block = blocks.find((b) => b.heading === heading && b.language === language);
    if (!block) throw new Error(`the document has no ${language} block under "${heading}"`);
    return block.code;
};

// The code with placeholders replaced, each of which must be there: {placeholder: value}.
export const substitute = (code, values) => Object.entries(values).reduce(
    (result, [placeholder, value]) => {
        if (!result.includes(placeholder)) throw new Error(`the block has no ${placeholder}`);
        return result.replaceAll(placeholder, value);
    }, code);
