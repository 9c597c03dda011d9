// The web page of ElizaOS 1.7.2 as published, before two edges behind HAProxy: everything that its
// people do with it works, and no request of it is refused.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { EVENT_STREAM, event, json, startModelServer } from '../agents/model_server.mjs';
import { startHaproxy } from '../cluster/haproxy.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { readMetric } from '../lib/metrics.mjs';
import { until } from '../lib/until.mjs';
import { launchBrowser } from './browser.mjs';
import { elizaPage, Person } from './eliza_page.mjs';

const TEST_OPTIONS = { timeout: 240000 };
const KEY = 'the-key-of-this-test';
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF'
    + '+FABJADveWkH6oAAAAAElFTkSuQmCC', 'base64');

let browser;
let model;

// Says back what it is told, word by word; fails when it is told to.
const answer = ({ body }, response) => {
    if (body.content.startsWith('Fail')) {
        json(response, 404, {});
        return;
    }
    const words = `You said: ${body.content}`.split(/(?<= )/);
    response.writeHead(200, EVENT_STREAM);
    const next = () => {
        const word = words.shift();
        if (word === undefined) {
            response.end(event({ text: `You said: ${body.content}` }, 'done'));
            return;
        }
        response.write(event({ chunk: word }, 'chunk'));
        setTimeout(next, 30);
    };
    next();
};

before(async () => {
    browser = await launchBrowser();
    model = await startModelServer(answer);
});
after(async () => {
    await browser?.close();
    await model?.stop();
});

// Two agents: with one alone, the page shows in a group only what that one says (showsEverybody).
const startWithPage = (directory, options) => {
    const agents = path.join(directory, 'agents');
    fs.mkdirSync(agents);
    for (const name of ['Eliza', 'Doctor']) {
        fs.writeFileSync(path.join(agents, `${name}.json`), JSON.stringify({ name, bio: 'Listens.' }));
    }
    return startCluster({
        ...options,
        args: {
            bridge: ['--runtime', 'http', '--http-url', `${model.origin}/answer`, '--agents', agents],
            edge: ['--www', elizaPage(), '--media-dir', path.join(directory, 'media')],
        },
    });
};

describe('the page of ElizaOS', TEST_OPTIONS, () => {
    let directory;
    let cluster;
    let proxy;
    let ada;
    let tab;
    let agent;

    before(async () => {
        directory = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-page-'));
        cluster = await startWithPage(directory, { edges: 2 });
        proxy = await startHaproxy(cluster);
        ada = await Person.arrive(browser, proxy.url);
    });
    after(async () => {
        await proxy?.close();
        await cluster?.stop();
        fs.rmSync(directory, { recursive: true, force: true });
    });

    // Everything was answered, and nothing complained about.
    const assertContent = (person) => {
        assert.deepEqual(person.refused, []);
        assert.deepEqual(person.errors, []);
    };

    it('starts, and shows the agents', async () => {
        tab = await ada.open('/');
        await tab.page.getByText('v1.7.2').waitFor();
        await tab.shows('Eliza');
        await tab.shows('Doctor');
        await tab.screenshot('start');
        await tab.page.getByText('New Chat').first().click();
        await tab.page.waitForURL(/\/chat\/[0-9a-f-]{36}\/[0-9a-f-]{36}$/);
        [,, agent] = new URL(tab.page.url()).pathname.split('/');
        await tab.connected();
        assertContent(ada);
    });

    it('shows a reply as it is written, and lets one write again', async () => {
        await tab.say('Good morning');
        await tab.shows('Good morning');
        await tab.shows('You said: Good morning');
        await tab.inputEnabled();
        assert.ok(ada.events.includes('messageStreamChunk'));
        await tab.screenshot('reply');
        assertContent(ada);
    });

    it('lets one write again when the model fails', async () => {
        await tab.say('Fail now');
        await tab.shows('Fail now');
        await until(() => ada.events.includes('messageStreamError'), 'the failure is told');
        await tab.inputEnabled();
        await tab.say('And now?');
        await tab.shows('You said: And now?');
    });

    it('gives the chat a title', async () => {
        await tab.page.getByRole('button', { name: 'Good morning', exact: true }).waitFor();
        await tab.screenshot('title');
        assertContent(ada);
    });

    it('shows in a second tab what is said in the first, and before', async () => {
        const second = await ada.open(new URL(tab.page.url()).pathname);
        await second.shows('You said: Good morning');
        await second.connected();
        await tab.say('Do you see this?');
        await second.shows('Do you see this?');
        await second.shows('You said: Do you see this?');
        await second.inputEnabled();
        await second.page.close();
        assertContent(ada);
    });

    it('uploads a picture and shows it', async () => {
        const file = path.join(directory, 'picture.png');
        fs.writeFileSync(file, PNG);
        await tab.inputEnabled();
        await tab.page.locator('input[type=file]').setInputFiles(file);
        await tab.say('A picture');
        await tab.shows('You said: A picture');
        await until(() => tab.page.evaluate(() => [...document.images].some(
            ({ src, naturalWidth }) => src.includes('/media/uploads/agents/') && naturalWidth === 10)),
        'the picture is shown');
        await tab.screenshot('picture');
        assertContent(ada);
    });

    it('misses nothing when the edge that it talks to is killed', async () => {
        const held = await Promise.all(cluster.edges.map(
            (edge) => readMetric(edge, 'elizamq_edge_websockets')));
        const edge = cluster.edges[held.findIndex((count) => count > 0)];
        const other = cluster.edges.find((one) => one !== edge);
        await edge.kill('SIGKILL');
        const { status } = await fetch(
            `${other.url}/api/messaging/channels/${tab.channel}/messages`, {
                method: 'POST', headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ text: 'Said meanwhile', entityId: agent }),
            });
        assert.equal(status, 201);
        await tab.shows('Said meanwhile');
        await tab.connected();
        await tab.say('I am back');
        await tab.shows('You said: I am back');
        await tab.inputEnabled();
        await tab.screenshot('after-a-crash');
        edge.start();
        await edge.waitReady();
    });

    it('deletes a message, and clears the chat', async () => {
        const texts = tab.page.getByText('Good morning', { exact: true });
        const onlyInTitle = async () => await texts.count() === 1;
        // The page takes no note of a click while it draws its messages anew.
        await until(async () => {
            await tab.page.locator('button:has(svg.lucide-trash-2)').first().click();
            return until(onlyInTitle, 'only the title says it', 3000).then(() => true, () => false);
        }, 'it is deleted');
        await tab.choose('Clear Chat', 'Clear');
        await tab.shows('No messages yet. Start the conversation!');
        const { data } = await (await fetch(
            `${proxy.url}/api/messaging/channels/${tab.channel}/messages`)).json();
        assert.deepEqual(data.messages, []);
    });

    it('shows the logs', async () => {
        const logs = await ada.open('/logs');
        await logs.page.getByText(/^edge_synchronised /).first().waitFor();
        await logs.screenshot('logs');
        await logs.page.close();
        assertContent(ada);
    });

    it('brings two people and two agents together in a group', async () => {
        const group = await ada.open('/');
        await group.page.goto(`${proxy.url}/group/new`); // which leads back when it is done
        await group.page.getByText('Select agents...').click();
        for (const name of ['Eliza', 'Doctor']) {
            await group.page.locator('.cursor-pointer').filter({ hasText: name }).last().click();
        }
        await group.page.getByText('Create Group Chat').click(); // which closes the list
        await group.page.getByPlaceholder('Leave blank').fill('A group of four');
        await group.page.getByRole('button', { name: 'Create Group' }).click();
        await group.page.getByText('A group of four').first().click();
        await group.page.waitForURL(/\/group\//);
        await group.connected();
        await group.showsEverybody();
        const ben = await Person.arrive(browser, proxy.url);
        const { pathname, search } = new URL(group.page.url());
        const his = await ben.open(pathname + search);
        await his.showsEverybody();
        // Connected is not yet joined: what is said before is not for him.
        await until(async () => {
            const members = await fetch(
                `${proxy.url}/api/messaging/channels/${group.channel}/presence`);
            return JSON.stringify(await members.json()).includes(await his.user());
        }, 'he is there', 20000);
        await group.say('Hello from Ada');
        await his.shows('Hello from Ada');
        await his.shows('You said: Hello from Ada');
        await his.say('Hello from Ben');
        await group.shows('Hello from Ben');
        await group.shows('You said: Hello from Ben');
        await Promise.all([group.inputEnabled(), his.inputEnabled()]);
        await his.screenshot('group');
        assertContent(ben);
        await ben.close();
    });
});

describe('the page of ElizaOS before a server with a key', TEST_OPTIONS, () => {
    let directory;
    let cluster;

    before(async () => {
        directory = fs.mkdtempSync(path.join(os.tmpdir(), 'elizamq-page-'));
        cluster = await startWithPage(directory, {
            edges: 1, env: { ELIZA_SERVER_AUTH_TOKEN: KEY },
        });
    });
    after(async () => {
        await cluster?.stop();
        fs.rmSync(directory, { recursive: true, force: true });
    });

    it('shows nothing without it, and everything with it', async () => {
        const eve = await Person.arrive(browser, cluster.url);
        const settings = await eve.open('/settings/');
        await until(() => eve.refused.length > 0, 'it is refused');
        assert.ok(eve.refused.every((line) => line.startsWith('401 ')), eve.refused.join('\n'));
        await settings.page.getByRole('button', { name: 'Manage API Key' }).click();
        const dialog = settings.page.getByRole('dialog');
        await dialog.locator('input').first().fill(KEY);
        await settings.screenshot('key');
        await dialog.getByRole('button', { name: 'Save' }).first().click();
        await settings.page.close(); // it asks again for what it was refused
        eve.refused.length = 0;
        const tab = await eve.open('/');
        await tab.page.getByText('New Chat').first().click();
        await tab.connected();
        await tab.say('Let me in');
        await tab.shows('You said: Let me in');
        await tab.inputEnabled();
        // The page asks for the version without its key, as ever.
        assert.deepEqual(eve.refused.filter((line) => !line.endsWith('/api/system/version')), []);
    });
});
