// Chromium, and the chat page in it.

import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

import { buildDir } from '../lib/cluster.mjs';

const ARGS = [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const PAGE_TIMEOUT_MS = 15000;

export const DESKTOP = { viewport: { width: 1200, height: 800 } };
export const PHONE = {
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
};

export const launchBrowser = () => chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS,
});

// Runs in the page before its own code: remembers which messages were seen being streamed, however
// short the moment.
const watchStreams = () => {
    window.streamed = new Set();
    const note = ({ dataset: { id, state } }, oldState) => {
        if (id && (state === 'streaming' || oldState === 'streaming')) window.streamed.add(id);
    };
    const observer = new MutationObserver((records) => {
        for (const { target, oldValue, addedNodes } of records) {
            if (oldValue) note(target, oldValue);
            for (const node of addedNodes) if (node.dataset?.state) note(node);
        }
    });
    document.addEventListener('DOMContentLoaded', () => {
        observer.observe(document.getElementById('messages'), {
            subtree: true, childList: true, attributes: true, attributeOldValue: true,
            attributeFilter: ['data-state'],
        });
    });
};

// A tab with the chat page, seen as its user sees it.
export class ChatTab {
    // Errors of the page, and addresses that it asked for beyond its own server.
    errors = [];
    foreignRequests = [];

    // The options are those of a browser context; each tab is a person with a storage of their own.
    static async open(browser, url, options = DESKTOP) {
        const context = await browser.newContext(options);
        const tab = new ChatTab();
        tab.url = url;
        tab.context = context;
        tab.page = await context.newPage();
        tab.page.setDefaultTimeout(PAGE_TIMEOUT_MS);
        tab.page.on('pageerror', (error) => tab.errors.push(error.message));
        tab.page.on('console', (message) => {
            const isNetwork = message.text().startsWith('Failed to load resource')
                || message.text().startsWith('WebSocket connection to');
            if (message.type() === 'error' && !isNetwork) tab.errors.push(message.text());
        });
        tab.page.on('request', (request) => {
            if (!request.url().startsWith(url)) tab.foreignRequests.push(request.url());
        });
        await tab.page.addInitScript(watchStreams);
        return tab;
    }

    // Fills in the form that meets a newcomer.
    async enter(roomId, name) {
        await this.page.goto(this.url);
        await this.page.getByLabel('Your name').fill(name);
        await this.page.getByLabel('Room', { exact: true }).fill(roomId);
        await this.page.getByRole('button', { name: 'Enter room' }).click();
        await this.waitState('joined');
    }

    waitState(state) {
        return this.page.waitForSelector(`body[data-state="${state}"]`);
    }

    async say(text) {
        await this.page.getByLabel('Message', { exact: true }).fill(text);
        await this.page.getByRole('button', { name: 'Send' }).click();
    }

    // The message with exactly this text.
    message(text) {
        const bubble = this.page.locator('.bubble').getByText(text, { exact: true });
        return this.page.locator('.message').filter({ has: bubble });
    }

    async waitSettled(text) {
        await this.message(text).and(this.page.locator('[data-state="settled"]')).waitFor();
    }

    // Resolves with the reply that follows this message.
    async reply(text) {
        const reply = this.page.locator(
            '.message', { has: this.page.locator('.bubble').getByText(text, { exact: true }) })
            .locator('xpath=following-sibling::*').and(
                this.page.locator('.agent[data-state="settled"]'));
        await reply.first().waitFor();
        const id = await reply.first().getAttribute('data-id');
        const isStreamed = await this.page.evaluate((key) => window.streamed.has(key), id);
        return { id, isStreamed, text: await reply.first().locator('.bubble').textContent() };
    }

    // What the conversation shows: [{id, state, author, text}].
    messages() {
        return this.page.locator('.message').evaluateAll((nodes) => nodes.map((node) => ({
            id: node.dataset.id,
            state: node.dataset.state,
            author: node.querySelector('.author').textContent,
            text: node.querySelector('.bubble').textContent,
        })));
    }

    people() {
        return this.page.locator('#people-list .person-name').allTextContents();
    }

    async screenshot(name) {
        const directory = path.join(buildDir, 'browser');
        fs.mkdirSync(directory, { recursive: true });
        await this.page.screenshot({ path: path.join(directory, `${name}.png`) });
    }

    close() {
        return this.context.close();
    }
}
