// Waiting in tests: for a condition, with a deadline, never for a length of time.

const POLL_MS = 20;

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Resolves with the first true value of `condition`, which may be asynchronous. `what` completes
// the sentence "… did not happen"; a function is asked for it, so that it can tell what there was.
export const until = async (condition, what, deadlineMs = 10000) => {
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
export const within = (promise, what, deadlineMs = 10000) => {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new Error(`did not happen within ${deadlineMs} ms: ${what}`));
        }, deadlineMs);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
