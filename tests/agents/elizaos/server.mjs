// A real ElizaOS server with one agent, whose model is none: it says one text, in pieces of 12
// characters, STUB_DELAY ms before each. Runs under bun; says LISTENING when it can be asked.

import bootstrap from '@elizaos/plugin-bootstrap';
import sql from '@elizaos/plugin-sql';
import { AgentServer } from '@elizaos/server';

const PIECE = 12;
const DECISION = '<response><action>RESPOND</action></response>';
const ANSWER = '<response><thought>because</thought><actions>REPLY</actions><providers></providers>'
    + `<text>${process.env.STUB_TEXT}</text></response>`;

const generate = async (_runtime, { stream }) => {
    if (!stream) return ANSWER;
    const pieces = async function* pieces() {
        for (let i = 0; i < ANSWER.length; i += PIECE) {
            await new Promise((resolve) => { setTimeout(resolve, Number(process.env.STUB_DELAY)); });
            yield ANSWER.slice(i, i + PIECE);
        }
    };
    return {
        textStream: pieces(), text: Promise.resolve(ANSWER), usage: Promise.resolve(undefined),
        finishReason: Promise.resolve('stop'),
    };
};

const model = {
    name: 'test-model', description: 'a model that is none', priority: 100,
    models: {
        TEXT_SMALL: async () => DECISION, TEXT_LARGE: generate,
        OBJECT_SMALL: async () => ({}), OBJECT_LARGE: async () => ({}),
        TEXT_EMBEDDING: async () => new Array(384).fill(0.1),
    },
};

const server = new AgentServer();
await server.start({
    port: Number(process.env.SERVER_PORT), dataDir: process.env.PGLITE_DATA_DIR,
    agents: [{
        character: { name: 'Test', bio: ['Answers tests.'], plugins: [], settings: {} },
        plugins: [sql, bootstrap, model],
    }],
});
console.log('LISTENING');
