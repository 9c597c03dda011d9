// Waiting in tests: for a condition, with a deadline, never for a length of time.

const POLL_MS = 20;
const DEADLINE_MS = 30000;  // on a machine that has other things to do
const ATTEMPTS = 6;

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Resolves with the first true value of `condition`, which may be asynchronous. `what` completes
// the sentence "… did not happen"; a function is asked for it, so that it can tell what there was.
export const until = async (condition, what, deadlineMs = DEADLINE_MS) => {
    const end = performance.now() + deadlineMs;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (performance.now() > end) {
            const text = typeof what === 'function' ? what() : what;
            throw new Error(`did not happen within ${deadlineMs} ms: ${text}`);
        }
        await pause(POLL_MS);
    }
};

// The promise's own outcome, if it comes in time.
export const within = (promise, what, deadlineMs = DEADLINE_MS) => {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new Error(`did not happen within ${deadlineMs} ms: ${what}`));
        }, deadlineMs);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// What came too late to prove anything, in a test of time.
export class Late extends Error {
    name = 'Late';
}

// Throws Late when it was longer than the limit from `start` to `end`, of performance.now().
export const assertInTime = (start, limitMs, what, end = performance.now()) => {
    const elapsed = end - start;
    if (elapsed > limitMs) throw new Late(`${what} after ${elapsed.toFixed(0)} ms`);
};

// Resolves with the outcome of the first attempt that is not Late: a machine that has other things
// to do comes late now and then, what is too slow comes late each time. Any other failure is one.
export const inTime = async (attempt, attempts = ATTEMPTS) => {
    for (let left = attempts; ; left--) {
        try {
            return await attempt();
        } catch (error) {
            if (!(error instanceof Late) || left === 1) throw error;
        }
    }
};
