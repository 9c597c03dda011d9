// Shapes of JSON values: which members, of which types; of arrays the first element.

const kindOf = (value) => {
    if (value === null) return 'null';
    return Array.isArray(value) ? 'array' : typeof value;
};

// What of `theirs` is not in `ours`, or of another type: [{at, what}]. Of null no type is known.
export const differences = (theirs, ours, at = '') => {
    const kind = kindOf(theirs);
    if (ours === undefined) return [{ at, what: `lacks ${JSON.stringify(theirs)?.slice(0, 200)}` }];
    if (kind === 'null') return [];
    if (kindOf(ours) !== kind) return [{ at, what: `${kindOf(ours)} instead of ${kind}` }];
    if (kind === 'array') {
        if (theirs.length === 0) return [];
        if (ours.length === 0) return [{ at, what: 'empty' }];
        return differences(theirs[0], ours[0], `${at}[]`);
    }
    if (kind !== 'object') return [];
    return Object.entries(theirs).flatMap(([name, value]) => differences(
        value, ours[name], at === '' ? name : `${at}.${name}`));
};
