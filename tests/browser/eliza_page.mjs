// ElizaOS's own web page, as published, in Chromium.

import fs from 'node:fs';
import path from 'node:path';

import { buildDir } from '../lib/cluster.mjs';
import { unpackRelease } from '../lib/release.mjs';

const RELEASE = ['@elizaos/client', '1.7.2',
    '/ZdtejKf073nOWypbN0ZXD+FiV4ZSjg62PiP+dpsTt2VGTp7OkttepcwdbZFxLJCGLHSo5yek/zyhBCknHV71g=='];
const WIDE = { viewport: { width: 1600, height: 900 } }; // room for the panel beside a chat
const PAGE_TIMEOUT_MS = 20000;

// The directory for --www.
export const elizaPage = () => path.join(unpackRelease(...RELEASE), 'dist');

// A person at the page: one context of the browser, with a storage of its own, and tabs in it.
export class Person {
    // What the page logged as an error, and what of its requests was refused.
    errors = [];
    refused = [];
    // Names of the Socket.IO events that its tabs were sent over WebSockets.
    events = [];

    static async arrive(browser, url) {
        const person = new Person();
        person.url = url;
        person.context = await browser.newContext(WIDE);
        await person.context.addInitScript(() => {
            localStorage.setItem('eliza-onboarding-completed', 'true');
        });
        // What it asks of the world beside its server: there is nothing to be had.
        await person.context.route(({ origin }) => origin !== url, (route) => route.fulfill({
            status: 200, contentType: 'application/json', body: '{}',
            headers: { 'Access-Control-Allow-Origin': '*' },
        }));
        return person;
    }

    async open(target = '/') {
        const page = await this.context.newPage();
        page.setDefaultTimeout(PAGE_TIMEOUT_MS);
        page.on('pageerror', ({ message }) => this.errors.push(message));
        page.on('console', (message) => {
            const isNetwork = /^Failed to load resource|^WebSocket connection to/.test(message.text());
            if (message.type() === 'error' && !isNetwork) this.errors.push(message.text());
        });
        page.on('response', (response) => {
            if (response.status() >= 400) this.refused.push(`${response.status()} ${response.url()}`);
        });
        page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
            const name = /^42\["(\w+)"/.exec(payload)?.[1];
            if (name) this.events.push(name);
        }));
        await page.goto(this.url + target);
        return new ElizaTab(page);
    }

    close() {
        return this.context.close();
    }
}

class ElizaTab {
    constructor(page) {
        this.page = page;
        this.input = page.getByTestId('chat-input');
    }

    async say(text) {
        await this.inputEnabled();
        await this.input.fill(text);
        await this.input.press('Enter');
    }

    inputEnabled() {
        return this.page.locator('[data-testid="chat-input"]:enabled').waitFor();
    }

    shows(text) {
        return this.page.getByText(text, { exact: true }).last().waitFor();
    }

    user() {
        return this.page.evaluate(() => localStorage.getItem('elizaos-client-user-id'));
    }

    connected() {
        return this.page.getByRole('button', { name: 'Connected', exact: true }).waitFor();
    }

    // In a group: the page chooses the agent that it hears of first, and hides what others say, when
    // it hears of the second one late.
    async showsEverybody() {
        const agents = this.page.locator('div:has(> span:text-is("Agents:"))');
        for (const name of ['Doctor', 'Eliza']) {
            await agents.getByRole('button', { name, exact: true }).waitFor();
        }
        await agents.getByRole('button', { name: 'All', exact: true }).click();
    }

    // Of "More options": chooses, and says yes.
    async choose(item, confirmation) {
        await this.page.getByRole('button', { name: 'More options' }).click();
        await this.page.getByRole('menuitem', { name: item }).click();
        await this.page.getByRole('alertdialog').or(this.page.getByRole('dialog'))
            .getByRole('button', { name: confirmation, exact: true }).click();
    }

    get channel() {
        return new URL(this.page.url()).pathname.split('/').at(-1);
    }

    async screenshot(name) {
        const directory = path.join(buildDir, 'browser');
        fs.mkdirSync(directory, { recursive: true });
        await this.page.screenshot({ path: path.join(directory, `eliza-${name}.png`) });
    }
}
