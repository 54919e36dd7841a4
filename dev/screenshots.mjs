// Takes the pictures of docs/images/: `make screenshots`. The real panel with invented users, in a real Chromium.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { startBrowser } from '../tests/support/browser.mjs';
import { startPanel } from '../tests/support/panel.mjs';
import { seedAgent, seedUsers } from '../tests/support/seed.mjs';
import { now } from '../tests/support/wire.mjs';

const MB = 2 ** 20;
const GB = 2 ** 30;
const DAY = 86_400;
const OUT = path.join(import.meta.dirname, '../docs/images');

const PAGES = {
  dashboard: '/',
  users: '/users',
  user: '/users/maria',
  details: '/users/maria/details',
  'add-user': '/new/user',
  'edit-user': '/users/maria/edit',
  bulk: '/bulk',
  nodes: '/nodes',
  node: '/nodes/1',
  'edit-node': '/nodes/1/edit',
  'add-node': '/new/node',
  plans: '/plans',
  plan: '/plans/basic',
  sources: '/sources',
  alerts: '/alerts',
  audit: '/audit',
  settings: '/settings',
  clients: '/settings/clients',
  operators: '/settings/operators',
  jobs: '/settings/jobs',
  account: '/account',
};
const LOOKS = {
  '': {},
  '-dark': { dark: true },
  '-phone': { width: 360, height: 780, touch: true },
  '-rtl': { language: 'fa' },
};

async function seed(panel) {
  await seedUsers(panel, 48);
  const frankfurt = await seedAgent(panel, { name: 'Frankfurt' });
  const oslo = await seedAgent(panel, { name: 'Oslo' });
  const core = { core: 'sing-box', core_version: '1.14.4', incarnation: 1, uptime: 86_400 };
  await frankfurt.sync({ status: { ...core, online: 31, connections: 412, rate_up: 700 * 1024, rate_down: 9 * MB } });
  await oslo.sync({ status: { ...core, online: 12, connections: 120, rate_up: 90 * 1024, rate_down: 2 * MB, last_error: 'the core does not answer' } });
  for (const user of [
    { name: 'maria', plan: 'basic', note: 'pays by quarter' },
    { name: 'li.wei', plan: 'premium' },
    { name: 'omid', monthly_quota: 20 * GB, expires_at: now() + 12 * DAY },
    { name: 'olga', monthly_quota: 5 * GB },
    { name: 'jonas', expires_at: now() - 2 * DAY },
    { name: 'trial-17', hold_seconds: 3 * DAY, total_quota: GB },
  ]) {
    const { status, text } = await panel.api('POST', '/api/v1/users', user);
    if (status !== 201) throw new Error(text);
  }
  await panel.api('POST', '/api/v1/users/maria/packages', { order: 'shop-1017', bytes: 20 * GB, note: 'New Year' });
  const users = [];
  for (const [name, bytes] of [['maria', 83 * GB], ['li.wei', 61 * GB], ['omid', 17 * GB], ['olga', 5 * GB], ['jonas', GB]]) {
    const { slot, id } = await panel.db.prepare('SELECT slot, id FROM users WHERE name = ?1').bind(name).first();
    // Today by a report, what came before as if it had been reported.
    const today = now() - (now() % DAY);
    const share = Math.round(bytes / 26);
    let before = 0;
    for (let day = 1; day < 26; day += 1) {
      const part = Math.round(share * (1 + Math.sin(day * 1.3) / 2));
      before += part;
      await panel.db.prepare('INSERT INTO history_days (user, day, node, up, down) VALUES (?1, ?2, 1, 0, ?3)').bind(id, today - day * DAY, part).run();
      await panel.db.prepare(`INSERT INTO node_days (node, day, up, down) VALUES (1, ?1, 0, ?2) ON CONFLICT (node, day) DO UPDATE SET down = down + excluded.down`)
        .bind(today - day * DAY, part).run();
    }
    await panel.db.prepare('UPDATE usage SET month = ?2, lifetime = ?2 WHERE user = ?1').bind(id, before).run();
    users.push([slot, Math.round(share / 12), share - Math.round(share / 12)]);
  }
  await frankfurt.sync({ report: frankfurt.report({ seq: 1, users, unattributed: 3 * MB }) });
  await panel.db.prepare('UPDATE epochs SET down = down + (SELECT sum(down) FROM node_days) WHERE node = 1').run();
  // It counts as of this hour, and is of the days before.
  await panel.db.prepare('UPDATE node_hours SET down = down - (SELECT sum(down) FROM node_days) WHERE node = 1').run();
  await panel.cron('alerts');
  for (const [method, where, body] of [
    ['POST', '/api/v1/channels', { name: 'shop', webhook: { url: 'https://shop.example/hook' } }],
    ['POST', '/api/xpert/sources', { name: 'friends', url: 'https://friends.example/list' }],
    ['POST', '/api/xpert/direct-configs/batch', { configs: ['trojan://secret@one.example:443#Relay 1', 'trojan://secret@two.example:443#Relay 2'] }],
    ['POST', '/api/v1/nodes/1/addresses', { inbound: 'vless-in', address: 'cdn.example', remark: '{FLAG} {NODE} by CDN' }],
    ['POST', '/api/v1/bulk', { selection: { users: ['omid', 'maria'] }, action: { extend: { days: 30 } } }],
  ]) {
    const { status, text } = await panel.api(method, where, body);
    if (status >= 300) throw new Error(`${method} ${where}: ${text}`);
  }
}

const panel = await startPanel();
const browser = await startBrowser();
try {
  await seed(panel);
  await mkdir(OUT, { recursive: true });
  const page = await browser.open();
  await page.goto(panel.url);
  await page.fill('#name', panel.operator.username);
  await page.fill('#password', panel.operator.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${panel.url}/`);
  const cookies = await page.context().cookies();
  for (const [suffix, { language, ...look }] of Object.entries(LOOKS)) {
    const chosen = language ? [{ name: 'language', value: language, url: panel.url }] : [];
    const one = await browser.open({ ...look, cookies: [...cookies, ...chosen] });
    for (const [name, where] of Object.entries(PAGES)) {
      await one.goto(panel.url + where);
      await one.screenshot({ path: path.join(OUT, `${name}${suffix}.png`) });
    }
    await one.context().close();
  }
  console.log(`screenshots: ${Object.keys(PAGES).length * Object.keys(LOOKS).length} pictures in ${OUT}`);
} finally {
  await browser.stop();
  await panel.stop();
}
