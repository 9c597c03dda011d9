// Turns rows into the one table that a run prints, with what ours must reach.

import { figures } from './scenarios.mjs';

const FLOORS = ['floor', 'coalesce'];
const BUSY_GENERATOR = 0.95;

const round = (value, digits) => {
    if (value === undefined || !Number.isFinite(value)) return '';
    return value.toLocaleString('en', {
        minimumFractionDigits: digits, maximumFractionDigits: digits,
    }).replaceAll(',', ' ');
};

const precise = (value) => round(value, value < 10 ? 2 : value < 100 ? 1 : 0);

const columns = [
    { title: 'server', text: (row) => row.server.title, left: true },
    { title: 'deliveries/s', text: (row) => round(row.deliveries, 0) },
    { title: 'CPU-s/1M', text: (row) => precise(row.cpu) },
    { title: 'p50 ms', text: (row) => precise(row.p50) },
    { title: 'p99 ms', text: (row) => precise(row.p99) },
    { title: 'KiB/conn', text: (row) => precise(row.rss) },
    { title: 'conn/s', text: (row) => round(row.opened, 0) },
    { title: 'GETs/CPU-s', text: (row) => round(row.gets, 0) },
    { title: 'exact', text: (row) => (row.error ? 'NO' : 'yes') },
    { title: 'ours/it', text: (row) => (row.ratio ? `× ${precise(row.ratio)}` : '') },
    { title: 'must reach', text: (row) => row.verdict ?? '', left: true },
];

const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)];
};

// Several rounds of one row: the median of every figure.
export const mergeRounds = (rows) => {
    const merged = { ...rows[0] };
    for (const key of Object.keys(rows[0])) {
        if (typeof rows[0][key] === 'number') merged[key] = median(rows.map((row) => row[key]));
    }
    return { ...merged, error: rows.map(({ error }) => error).find(Boolean) };
};

const targetOf = (scenario, group) => {
    if (typeof scenario.target !== 'function') return scenario.target;
    const floors = group.filter(({ server, error }) => FLOORS.includes(server.name) && !error)
        .map((row) => row[scenario.figure]);
    return floors.length > 0 ? scenario.target(Math.min(...floors)) : undefined;
};

// Adds to the rows of one scenario and title: ratio (ours to each), and ours' verdict, if the load
// is the one that the target is for.
export const judge = (scenario, group, { full }) => {
    const ours = group.find(({ server }) => server.name === 'ours');
    const figure = ours?.[scenario.figure];
    if (figure === undefined || ours.error) return;
    for (const row of group) {
        if (row !== ours && row[scenario.figure] > 0) row.ratio = figure / row[scenario.figure];
    }
    const target = targetOf(scenario, group);
    if (target === undefined || !full) return;
    const more = figures[scenario.figure].better === 'more';
    ours.target = target;
    ours.reached = more ? figure >= target : figure <= target;
    ours.verdict = `${more ? '≥' : '≤'} ${precise(target)} ${figures[scenario.figure].title}: `
        + (ours.reached ? 'reached' : 'FALLS SHORT');
};

// One table over all groups of rows, each under its title.
export const formatTable = (groups) => {
    const bodies = groups.map((group) => group.map((row) => columns.map(({ text }) => text(row))));
    const widths = columns.map(({ title }, i) => Math.max(title.length,
        ...bodies.flat().map((cells) => cells[i].length)));
    const line = (cells) => cells.map((cell, i) => (
        columns[i].left ? cell.padEnd(widths[i]) : cell.padStart(widths[i])
    )).join('  ').trimEnd();
    const lines = [line(columns.map(({ title }) => title))];
    groups.forEach((group, i) => {
        lines.push('', group[0].title, ...bodies[i].map(line));
    });
    return lines.join('\n');
};

// What has to be known to read the table right, one line each.
export const notes = (groups) => {
    const judged = groups.flat().filter(({ verdict }) => verdict);
    const short = judged.filter(({ reached }) => !reached);
    const floored = groups.flat().filter(({ floorP50 }) => floorP50 !== undefined);
    const bound = groups.flat().filter(({ generatorBusy }) => generatorBusy > BUSY_GENERATOR);
    const named = (rows) => (
        rows.map(({ title, server }) => `${server.title} in ${title}`).join('; ')
    );
    return [
        judged.length > 0
            && `Targets reached: ${judged.length - short.length} of ${judged.length}.`,
        short.length > 0 && `Falls short: ${short.map(({ title }) => title).join('; ')}.`,
        ...floored.map(({ title, p50, p99, floorP50, floorP99 }) => `${title}: p50 `
            + `${precise(p50)}, p99 ${precise(p99)} ms with the cluster; ${precise(floorP50)} and `
            + `${precise(floorP99)} ms straight from the runtime to the viewer.`),
        ...groups.flat().filter(({ error }) => error)
            .map(({ title, server, error }) => `FAILED: ${server.title} in ${title}: ${error}`),
        bound.length > 0 && `The generator was the limit, so that deliveries/s could be more: `
            + `${named(bound)}.`,
    ].filter(Boolean);
};
