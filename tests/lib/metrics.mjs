// What a process counts: the samples of its /metrics.

// Resolves with the value of a sample, named with its labels: 'x_total{reason="server"}'; 0 when
// there is none. A name without labels finds the sample with any.
export const readMetric = async (process, name) => {
    const text = await (await fetch(`${process.url}/metrics`)).text();
    const line = text.split('\n').find((each) => (
        each.startsWith(`${name} `) || (!name.includes('{') && each.startsWith(`${name}{`))));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
};
