// Where our answers are not those of the real server, and why. Each entry has to hold: one that the
// real server no longer deserves, or ours no longer needs, fails.
//
//   theirs, ours  the statuses, when they differ
//   members       what ours has not, or has in another form
//   why

const NOT_THERE = 'the api-client has it, the server does not';
const THEIRS_404 = { theirs: 404, ours: 200, why: NOT_THERE };

export const faults = {
    'system.updateLocalEnvironment': {
        theirs: 500, ours: 403, why: 'nobody sets our environment, or sees it; there a .env is missing',
    },
    'GET /healthz': {
        members: [''], why: 'the status says it; of every process alike, as plain text',
    },
    'agents.getAgent': {
        members: ['data.settings.secrets'], why: 'it shows its whole environment there, encrypted',
    },
    'agents.getWorlds': {
        theirs: 400, ours: 200, why: 'the path is taken for that of an agent called worlds',
    },
    'agents.addAgentToWorld': {
        theirs: 400, ours: 201, why: 'it asks for the name of a world that has its id',
    },
    'agents.updateAgentWorldSettings': {
        theirs: 404, ours: 200, why: 'the default message server is no world there',
    },
    'runs.getRun of none': { theirs: 200, ours: 404, why: 'any id is a run that never ends' },
    'messaging.syncMessageServerChannels': THEIRS_404,
    'messaging.deleteMessageServer': {
        theirs: 404, ours: 409, why: `${NOT_THERE}; ours has channels by now, and stays`,
    },
    'messaging.createChannel': {
        theirs: 400, ours: 201, why: 'the api-client names no participants, and cannot',
    },
    'messaging.updateChannel of none': {
        theirs: 500, ours: 404, why: 'what is not there is no fault of the server',
    },
    'messaging.postMessage': {
        theirs: 400, ours: 201, why: 'the api-client names no author, and cannot',
    },
    'messaging.getMessage': THEIRS_404,
    'messaging.updateMessage': THEIRS_404,
    'messaging.searchMessages': THEIRS_404,
    'messaging.submitMessage': {
        theirs: 400, ours: 201, why: 'the api-client speaks in camelCase there',
    },
    'messaging.completeMessage': THEIRS_404,
    'messaging.ingestExternalMessages': {
        theirs: 400, ours: 202, why: 'the api-client sends a list of messages',
    },
    'PATCH …/sessions/:session/timeout, out of range': {
        members: ['error.details.providedConfig'], why: 'errors do not say again what was said',
    },
    'media.uploadChannelMedia of a type that is none': {
        theirs: 500, ours: 415, why: 'a wrong type is no fault of the server',
    },
    'memory.clearAgentMemories': {
        members: ['data.deleted'], why: 'to count what is cleared, all of it would be read',
    },
    'memory.createWorldFromMessageServer': {
        members: ['data'], why: 'the api-client\'s own type is one object with worldId, not a list',
    },
};
