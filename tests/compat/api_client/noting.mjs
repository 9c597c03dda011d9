// Which methods of a service were called: a table of calls names them all, or says which are missing.

import assert from 'node:assert/strict';

export const noteCalls = (service) => {
    const called = new Set();
    const noting = new Proxy(service, {
        get: (target, name) => {
            called.add(name);
            return target[name].bind(target);
        },
    });
    const assertAllCalled = () => {
        const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(service))
            .filter((name) => name !== 'constructor');
        assert.deepEqual(methods.filter((name) => !called.has(name)), []);
    };
    return { service: noting, assertAllCalled };
};
