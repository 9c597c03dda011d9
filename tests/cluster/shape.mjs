// Exact shapes of JSON objects: these members, no others, each with this value or of this kind.

import assert from 'node:assert/strict';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX_CLOCK_DIFFERENCE_MS = 60000;

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const isUuid = (value) => typeof value === 'string' && UUID.test(value);
export const isText = (value) => typeof value === 'string' && value !== '';
export const isPositive = (value) => Number.isSafeInteger(value) && value > 0;
export const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
export const isTime = (value) => Number.isSafeInteger(value)
    && Math.abs(value - Date.now()) < MAX_CLOCK_DIFFERENCE_MS;
export const isIsoTime = (value) => typeof value === 'string'
    && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) && isTime(Date.parse(value));
export const isObject = (value) => typeof value === 'object' && value !== null
    && !Array.isArray(value);

// `expected` gives for each member its value, or a function that says whether the value is right.
export const assertShape = (actual, expected) => {
    assert.ok(isObject(actual), `an object, not ${JSON.stringify(actual)}`);
    assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected)) {
        if (typeof value === 'function') {
            assert.ok(value(actual[name]), `${name}: ${value.name || 'as expected'}, not ${
                JSON.stringify(actual[name])}`);
        } else {
            assert.deepEqual(actual[name], value, name);
        }
    }
};
