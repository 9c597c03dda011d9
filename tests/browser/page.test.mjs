// The chat page in headless Chromium. Takes the cluster at $ELIZAMQ_URL, or starts one of its own;
// only with its own one does it restart processes. Screenshots go to build/browser/.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { freePort } from '../lib/ports.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { until } from '../lib/until.mjs';
import { ChatTab, DESKTOP, PHONE, launchBrowser } from './browser.mjs';

const WORD_DELAY_MS = 20;
const TEST_OPTIONS = { timeout: 300000 };

const givenUrl = process.env.ELIZAMQ_URL;

let cluster;
let browser;
let proxy;
let tabs = [];
let roomId;

before(async () => {
    if (!givenUrl) {
        cluster = await startCluster({ args: { bridge: ['--eliza-delay', `${WORD_DELAY_MS}`] } });
    }
    browser = await launchBrowser();
});
after(async () => {
    await browser?.close();
    await cluster?.stop();
});
afterEach(async () => {
    for (const tab of tabs) {
        assert.deepEqual(tab.errors, [], 'errors on the page');
        assert.deepEqual(tab.foreignRequests, [], 'requests to other servers');
        await tab.close();
    }
    tabs = [];
    await proxy?.close();
    proxy = null;
});

const urlOf = (edge) => givenUrl?.replace(/\/$/, '') ?? cluster.edges[edge].url;

const newRoom = () => `the lobby ${randomUUID().slice(0, 8)}`;

const openTab = async (url, options) => {
    const tab = await ChatTab.open(browser, url, options);
    tabs.push(tab);
    return tab;
};

const enterTab = async (url, name, options) => {
    const tab = await openTab(url, options);
    await tab.enter(roomId, name);
    return tab;
};

const assertSameConversation = async (one, other) => {
    const idsOf = async (tab) => (await tab.messages()).map(({ id }) => id);
    await until(async () => (await idsOf(one)).length === (await idsOf(other)).length,
        'both tabs show as many messages');
    const ids = await idsOf(one);
    assert.deepEqual(ids, await idsOf(other));
    assert.equal(new Set(ids).size, ids.length, 'a message is shown twice');
};

describe('the chat page', TEST_OPTIONS, () => {
    it('asks a newcomer for name and room, and remembers both', async () => {
        roomId = newRoom();
        const tab = await openTab(urlOf(0));
        await tab.page.goto(urlOf(0));
        await tab.page.getByRole('dialog', { name: 'Welcome' }).waitFor();
        await tab.page.keyboard.press('Escape');
        assert.ok(await tab.page.getByRole('dialog').isVisible());
        await tab.screenshot('welcome');

        await tab.enter(roomId, 'Ada');
        assert.equal(new URL(tab.page.url()).hash, `#${encodeURIComponent(roomId)}`);
        assert.equal(await tab.page.getByRole('heading', { level: 1 }).textContent(), roomId);
        await tab.say('Before the reload');
        await tab.reply('Before the reload');

        await tab.page.reload();
        await tab.waitState('joined');
        await tab.waitSettled('Before the reload');
        assert.deepEqual((await tab.messages()).map(({ author }) => author)[0], 'Ada');
        assert.equal(await tab.page.locator('.message.own').count(), 1);

        await tab.page.goto(`${urlOf(0)}/?room=${encodeURIComponent(roomId)}`);
        await tab.waitState('joined');
        await tab.waitSettled('Before the reload');
    });

    it('shows transport and edge', async () => {
        roomId = newRoom();
        const tab = await enterTab(urlOf(0), 'Ada');
        const status = tab.page.locator('#status');
        await until(async () => /^Connected/.test(await status.textContent()), 'it is connected');
        assert.match(await status.getAttribute('data-transport'), /^(polling|websocket)$/);
        assert.match(await status.textContent(), /WebSocket|Polling/);
        const edge = await status.getAttribute('data-edge');
        assert.notEqual(edge, '');
        assert.ok((await status.textContent()).endsWith(edge));
    });

    it('two tabs see each other come, type, speak and go', async () => {
        roomId = newRoom();
        const ada = await enterTab(urlOf(0), 'Ada');
        const grace = await enterTab(urlOf(1), 'Grace', PHONE);
        const sees = (tab, names) => until(
            async () => {
                const people = await tab.people();
                return people[0] === names[0] && names.every((name) => people.includes(name));
            }, `the people are ${names}`);
        await sees(ada, ['Ada', 'Grace']);
        await sees(grace, ['Grace', 'Ada']);

        await ada.page.getByLabel('Message', { exact: true }).pressSequentially('I am ty');
        await grace.page.getByText('Ada is typing').waitFor();
        await ada.page.getByLabel('Message', { exact: true }).fill('');
        await grace.page.getByText('Ada is typing').waitFor({ state: 'detached' });

        await grace.say('Good morning, Ada');
        await ada.waitSettled('Good morning, Ada');
        const { isStreamed, text } = await ada.reply('Good morning, Ada');
        assert.notEqual(text, '');
        assert.ok(isStreamed, 'the reply was not streamed');
        await grace.reply('Good morning, Ada');
        await assertSameConversation(ada, grace);
        const [first] = await ada.messages();
        assert.deepEqual([first.author, first.text], ['Grace', 'Good morning, Ada']);
        await ada.screenshot('conversation');
        await grace.screenshot('conversation-phone');

        await grace.close();
        await until(async () => !(await ada.people()).includes('Grace'), 'Grace has left');
        await ada.page.getByText('Grace left').waitFor();
    });

    it('shows what people write as text', async () => {
        roomId = newRoom();
        const evil = '<img src=x onerror="document.title=\'hurt\'"><b>bold</b>';
        const ada = await enterTab(urlOf(0), '<i>Ada</i>');
        const grace = await enterTab(urlOf(1), 'Grace');
        await ada.say(`${evil} https://example.org/path?a=b.`);
        await until(async () => (await grace.messages()).length > 0, 'it arrives');
        const [message] = await grace.messages();
        assert.deepEqual([message.author, message.text],
            ['<i>Ada</i>', `${evil} https://example.org/path?a=b.`]);
        assert.equal(await grace.page.locator('.message img, .message b, .message i').count(), 0);
        assert.equal(await grace.page.locator('.message a').first().getAttribute('href'),
            'https://example.org/path?a=b');
    });

    it('loses and doubles nothing when the connection breaks', async () => {
        roomId = newRoom();
        proxy = await startProxy(urlOf(0));
        const ada = await enterTab(proxy.url, 'Ada');
        const grace = await enterTab(urlOf(1), 'Grace');
        await ada.say('Before');
        await grace.reply('Before');

        proxy.cut();
        await ada.waitState('lost');
        await ada.say('Written while away');
        await ada.message('Written while away').and(ada.page.locator('[data-state="waiting"]'))
            .waitFor();
        for (const text of ['One', 'Two', 'Three']) await grace.say(text);
        await grace.reply('Three');
        await ada.screenshot('connection-lost');

        proxy.mend();
        await ada.waitState('joined');
        await ada.waitSettled('Three');
        await ada.waitSettled('Written while away');
        await grace.reply('Written while away');
        await ada.reply('Written while away');
        await assertSameConversation(ada, grace);
        const said = ['Before', 'One', 'Two', 'Three', 'Written while away'];
        assert.deepEqual((await ada.messages()).map(({ text }) => text)
            .filter((text) => said.includes(text)), said);
    });

    it('loses and doubles nothing when its edge is killed', { skip: givenUrl }, async () => {
        roomId = newRoom();
        const ada = await enterTab(cluster.edges[0].url, 'Ada');
        const grace = await enterTab(cluster.edges[1].url, 'Grace');
        await grace.say('Before');
        await ada.reply('Before');
        await cluster.edges[0].kill('SIGKILL');
        await ada.waitState('lost');
        await ada.say('To be said later');
        await grace.say('Said meanwhile');
        await grace.reply('Said meanwhile');
        await cluster.edges[0].restart();
        await ada.waitState('joined');
        await ada.reply('To be said later');
        await grace.reply('To be said later');
        await ada.waitSettled('Said meanwhile');
        await assertSameConversation(ada, grace);
    });

    it('says honestly that a message was refused, and sends it again once', { skip: givenUrl },
        async () => {
            roomId = newRoom();
            const ada = await enterTab(cluster.edges[0].url, 'Ada');
            const grace = await enterTab(cluster.edges[1].url, 'Grace');
            await cluster.router.kill('SIGKILL');
            await ada.say('Is the router there?');
            const retry = ada.page.getByRole('button', { name: 'Try again' });
            await retry.waitFor();
            await ada.page.getByText(/^Not sent:/).waitFor();
            await ada.screenshot('refused');
            await cluster.router.restart();
            await Promise.all(cluster.edges.map((edge) => edge.waitReady()));
            await retry.click();
            await ada.reply('Is the router there?');
            await grace.reply('Is the router there?');
            await assertSameConversation(ada, grace);
        });

    it('reads back beyond the first page of the history', async () => {
        roomId = newRoom();
        const ada = await enterTab(urlOf(0), 'Ada');
        const texts = Array.from({ length: 40 }, (_, index) => `Message ${index + 1}`);
        for (const text of texts) await ada.say(text);
        await until(async () => (await ada.messages()).filter(({ state, author }) => (
            state === 'settled' && author !== 'Ada')).length === texts.length,
        'everything is answered', 60000);
        const grace = await enterTab(urlOf(1), 'Grace');
        const earlier = grace.page.getByRole('button', { name: 'Earlier messages' });
        await earlier.click();
        await grace.message('Message 1').waitFor({ state: 'attached' });
        await assertSameConversation(ada, grace);
        assert.deepEqual((await grace.messages()).map(({ text }) => text)
            .filter((text) => /^Message \d+$/.test(text)), texts);
    });

    it('changes the room without taking anything along', async () => {
        const [first, second] = [newRoom(), newRoom()];
        roomId = first;
        const ada = await enterTab(urlOf(0), 'Ada');
        const grace = await enterTab(urlOf(1), 'Grace');
        await ada.say('In the first room');
        await grace.waitSettled('In the first room');
        await ada.page.getByRole('button', { name: 'Change' }).click();
        await ada.page.getByLabel('Room', { exact: true }).fill(second);
        await ada.page.getByRole('button', { name: 'Enter room' }).click();
        await ada.page.getByText('It is quiet in here').waitFor();
        assert.equal((await ada.messages()).length, 0);
        await grace.page.getByText('Ada left').waitFor();
        await ada.page.goBack();
        await ada.waitSettled('In the first room');
    });

    it('fits a phone, in light and dark', async () => {
        roomId = newRoom();
        for (const colorScheme of ['light', 'dark']) {
            const tab = await enterTab(urlOf(0), 'Ada', { ...PHONE, colorScheme });
            await tab.say(`A word without end: ${'a'.repeat(300)}`);
            await tab.page.locator('.agent[data-state="settled"]').first().waitFor();
            const overflow = await tab.page.evaluate(
                () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.equal(overflow, 0);
            const people = tab.page.getByRole('complementary', { name: 'Here now' });
            assert.ok(!await people.isVisible());
            await tab.page.getByRole('button', { name: 'Who is here' }).click();
            await people.getByText('Ada', { exact: true }).first().waitFor();
            await tab.page.keyboard.press('Escape');
            await people.waitFor({ state: 'hidden' });
            await tab.screenshot(`phone-${colorScheme}`);
        }
        const tab = await enterTab(urlOf(0), 'Grace', { ...DESKTOP, colorScheme: 'dark' });
        await tab.screenshot('desktop-dark');
    });
});

describe('the chat page of a server with a key', { ...TEST_OPTIONS, skip: givenUrl }, () => {
    const KEY = 'the-key-of-this-test';
    let closed;

    before(async () => {
        closed = await startCluster({
            edges: 1, env: { ELIZA_SERVER_AUTH_TOKEN: KEY }, args: { bridge: [
                '--runtime', 'openai', '--openai-model', 'm',
                '--openai-url', `http://127.0.0.1:${await freePort()}/v1`,
            ] },
        });
    });
    after(() => closed?.stop());

    it('asks for it, and says why there is no answer', async () => {
        const tab = await openTab(closed.url);
        const { page } = tab;
        await page.goto(closed.url);
        await page.getByLabel('Your name').fill('Ada');
        await page.getByRole('button', { name: 'Enter room' }).click();
        await page.getByRole('heading', { name: 'This server wants a key' }).waitFor();
        await page.getByLabel('Key of this server').fill(KEY);
        await page.getByRole('button', { name: 'Enter room' }).click();
        await tab.waitState('joined');
        await tab.say('Anybody?');
        await page.getByText('The agent cannot be reached', { exact: true }).waitFor();
        await page.reload(); // it remembers
        await tab.waitState('joined');
        await tab.message('Anybody?').waitFor();
    });
});
