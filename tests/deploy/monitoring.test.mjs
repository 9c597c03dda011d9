// Dashboard, alerts and runbook name metrics that the processes have.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { deployFile, parseYaml, readDeployFile, run } from './files.mjs';

const TEST_OPTIONS = { timeout: 300000 };

const alerts = parseYaml(readDeployFile('prometheus-alerts.yml'))
    .groups.flatMap(({ rules }) => rules);
const expressions = JSON.parse(readDeployFile('grafana-dashboard.json'))
    .panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const runbook = readDeployFile('RUNBOOK.md');
const namesIn = (text) => text.match(/\b(?:elizamq_|process_)[a-z_]+\b/g) ?? [];

let cluster;
let known;      // name → its series
const histograms = new Set();
const familyOf = (name) => {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    return histograms.has(family) ? family : name;
};

before(async () => {
    cluster = await startCluster();
    known = new Map();
    for (const { url } of cluster.processes) {
        const text = await (await fetch(`${url}/metrics`)).text();
        for (const [line, name] of text.matchAll(/^([a-z_]+)(?:\{[^}]*\})? /gm)) {
            known.set(name, [...known.get(name) ?? [], line.trim()]);
        }
        for (const [, name, type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
            if (type === 'histogram') histograms.add(name);
            // What has a series for each remote runtime has none here.
            else if (!known.has(name)) known.set(name, []);
        }
    }
});
after(() => cluster?.stop());

const assertKnown = (text) => {
    for (const name of namesIn(text)) {
        assert.ok(known.has(name) || histograms.has(name), `no process has the metric ${name}`);
    }
    for (const [, name, label] of text.matchAll(/(elizamq_[a-z_]+)\{(\w+="[^"]*")\}/g)) {
        assert.ok(known.get(name).some((series) => series.includes(label)), `${name}{${label}}`);
    }
};

describe('the dashboard', TEST_OPTIONS, () => {
    it('shows metrics that are there', () => {
        assert.ok(expressions.length > 30);
        for (const expression of expressions) assertKnown(expression);
    });
});

describe('the alerts', TEST_OPTIONS, () => {
    it('are what promtool takes, where it is installed', async (t) => {
        try {
            execFileSync('sh', ['-c', 'command -v promtool']);
        } catch {
            t.skip('promtool is not here');
            return;
        }
        await run('promtool', ['check', 'config', deployFile('prometheus.yml')]);
    });

    it('watch metrics that are there', () => {
        for (const { alert, expr, labels, annotations } of alerts) {
            assert.ok(expr && labels.severity && annotations.summary, alert);
            assertKnown(expr);
        }
    });

    it('have a section of the runbook each, and no section has none', () => {
        const [section] = runbook.split('## Symptoms');
        const titles = [...section.matchAll(/^### (\w+)$/gm)].map(([, title]) => title);
        assert.deepEqual(titles, alerts.map(({ alert }) => alert));
    });
});

describe('the runbook', TEST_OPTIONS, () => {
    it('names metrics that are there', () => assertKnown(runbook));

    it('explains every metric of ours that is there, or has the section of its alert', () => {
        const named = new Set([runbook, ...alerts.map(({ expr }) => expr)].flatMap(namesIn));
        const missing = [...known.keys()].map(familyOf).filter((name) => (
            name.startsWith('elizamq_') && !named.has(name)));
        assert.deepEqual(missing, []);
    });
});

describe('prometheus.yml', TEST_OPTIONS, () => {
    it('scrapes every program of the stack where it answers', () => {
        const { services } = parseYaml(readDeployFile('compose.yaml'));
        const { scrape_configs: jobs } = parseYaml(readDeployFile('prometheus.yml'));
        for (const program of ['router', 'edge', 'agent-bridge']) {
            const { job_name: name, dns_sd_configs: [{ names: [host], port }] } = jobs.find(
                (job) => job.job_name === `elizamq-${program}`);
            assert.equal(host, program, name);
            assert.match(services[program].healthcheck.test.at(-1), new RegExp(`:${port}/readyz$`));
        }
    });
});
