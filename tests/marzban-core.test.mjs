/** The core, the system and the inbounds over Marzban's API. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertBreaks, assertDetail, callersOfEachRole, NOT_ALLOWED } from './support/marzban-bearer.mjs';
import { startPanel } from './support/panel.mjs';
import { sendRaw } from './support/refusals.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const RUNNING = { core: 'sing-box', core_version: '1.14.4', incarnation: 1_700_000_000_000, rate_up: 100, rate_down: 300 };
const INBOUNDS = [
  { tag: 'VLESS REALITY', protocol: 'vless', port: 443, tls: true, server_name: 'www.example.org', reality: { public_key: 'pub', short_ids: ['ab'] } },
  { tag: 'TROJAN WS', protocol: 'trojan', port: 8443, tls: true, transport: { type: 'ws', path: '/t' } },
  { tag: 'SS', protocol: 'shadowsocks', port: 1080, method: '2022-blake3-aes-128-gcm', server_key: 'c2VzYW1lc2VzYW1lc2VzYQ==' },
  { tag: 'HY2', protocol: 'hysteria2', port: 8444, tls: true },
];
const DOCUMENT = {
  log: { loglevel: 'info' },
  inbounds: [{ tag: 'IN', protocol: 'vless', port: 443, streamSettings: { realitySettings: { privateKey: 'top-secret' } } }],
  outbounds: [{ tag: 'OUT', protocol: 'freedom' }],
  api: { more: [1, null, { deep: true }] },
};

let panel;
let owner;
let admin;
let reseller;
let viewer;
let agent;
const own = (users) =>
  panel.db.prepare("UPDATE users SET owner = (SELECT id FROM operators WHERE name = 'of-reseller') WHERE id IN (SELECT value FROM json_each(?1))").bind(JSON.stringify(users.map(({ id }) => id))).run();

before(async () => {
  panel = await startPanel();
  ({ owner, admin, reseller, viewer } = await callersOfEachRole(panel));
});
after(() => panel?.stop());

test('before any node there is no core, and every protocol counts as offered', async () => {
  assert.deepEqual((await reseller('GET', '/api/core')).body, { version: '', started: false, logs_websocket: '/api/core/logs' });
  assert.deepEqual((await reseller('GET', '/api/inbounds')).body, { vmess: [], vless: [], trojan: [], shadowsocks: [] });
  const { body } = await owner('GET', '/api/core/config');
  assert.deepEqual(body.inbounds, []);
});

test('the core is that of a node that runs', async () => {
  agent = await seedAgent(panel, { name: 'Wien' });
  assert.equal((await agent.sync({ status: { ...RUNNING, incarnation: 0 } })).status, 200);
  assert.equal((await viewer('GET', '/api/core')).body.started, false);
  assert.equal((await agent.sync({ status: RUNNING, inbounds: INBOUNDS })).status, 200);
  // A status is stored once a minute: this does not wait for it.
  await panel.db.prepare('UPDATE epochs SET status = ?2 WHERE node = ?1').bind(agent.node, JSON.stringify(RUNNING)).run();
  assert.deepEqual((await reseller('GET', '/api/core')).body, { version: '1.14.4', started: true, logs_websocket: '/api/core/logs' });
  const restarted = await admin('POST', '/api/core/restart');
  assert.deepEqual([restarted.status, restarted.body], [200, {}]);
});

test('inbounds stand by protocol, and only protocols that Marzban knows', async () => {
  const { body, cost } = await reseller('GET', '/api/inbounds');
  const one = (tag, protocol, network, tls, port) => [{ tag, protocol, network, tls, port }];
  assert.deepEqual(body, {
    shadowsocks: one('SS', 'shadowsocks', 'tcp', 'none', 1_080),
    trojan: one('TROJAN WS', 'trojan', 'ws', 'tls', 8_443),
    vless: one('VLESS REALITY', 'vless', 'tcp', 'reality', 443),
  });
  assert.ok(cost.read <= 4, JSON.stringify(cost));
});

test('the configuration is made from what agents tell, and has no secrets', async () => {
  const { body, text } = await owner('GET', '/api/core/config');
  assert.deepEqual(body.inbounds.map(({ tag, protocol, port }) => [tag, protocol, port]), [['VLESS REALITY', 'vless', 443], ['TROJAN WS', 'trojan', 8_443], ['SS', 'shadowsocks', 1_080]]);
  assert.deepEqual(body.inbounds[0].streamSettings, { network: 'tcp', security: 'reality', realitySettings: { serverNames: ['www.example.org'], shortIds: ['ab'], publicKey: 'pub' } });
  assert.ok(!text.includes('c2VzYW1l'), text);
  for (const what of ['inbounds', 'outbounds', 'routing']) assert.ok(what in body, what);
});

test('a document that is put there is found again whole, is sealed in the database, and ends when the one of the nodes is put back', async () => {
  const shown = (await owner('GET', '/api/core/config')).body;
  const put = await admin('PUT', '/api/core/config', DOCUMENT);
  assert.deepEqual([put.status, put.body], [200, DOCUMENT]);
  assert.deepEqual((await owner('GET', '/api/core/config')).body, DOCUMENT);
  const { results } = await panel.db.prepare('SELECT value FROM settings').all();
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=5')).body;
  assert.ok(!JSON.stringify([results, items]).includes('top-secret'));
  assert.deepEqual([items[0].action, items[0].subject, items[0].after.inbounds], ['settings.change', 'settings/marzban_core', ['IN']]);
  assert.equal((await reseller('GET', '/api/inbounds')).body.vless[0].tag, 'VLESS REALITY', 'it reaches no host');
  const large = { ...DOCUMENT, more: 'x'.repeat(200_000) };
  assert.equal((await owner('PUT', '/api/core/config', large)).status, 200);
  assert.deepEqual((await owner('GET', '/api/core/config')).body, large);
  assert.equal((await owner('PUT', '/api/core/config', shown)).status, 200);
  await agent.sync({ status: RUNNING, inbounds: INBOUNDS.slice(0, 1) });
  assert.deepEqual((await owner('GET', '/api/core/config')).body.inbounds.map(({ tag }) => tag), ['VLESS REALITY'], 'it follows the nodes again');
});

test('a document that could be no configuration is refused with a sentence, and nothing is changed', async () => {
  const before = (await owner('GET', '/api/core/config')).body;
  const inbounds = (list) => ({ ...DOCUMENT, inbounds: list });
  const one = { tag: 'a', protocol: 'vless' };
  const wrong = [
    [{}, "config doesn't have inbounds"],
    [inbounds([]), "config doesn't have inbounds"],
    [{ inbounds: [one] }, "config doesn't have outbounds"],
    [inbounds([{ protocol: 'vless' }]), 'all inbounds must have a unique tag'],
    [inbounds([one, one]), 'all inbounds must have a unique tag'],
    [inbounds([{ tag: 'a,b', protocol: 'vless' }]), 'character «,» is not allowed in inbound tag'],
    [inbounds([{ tag: 'a' }]), 'all inbounds must have a protocol'],
    [{ ...DOCUMENT, outbounds: [{ protocol: 'freedom' }] }, 'all outbounds must have a unique tag'],
  ];
  for (const [document, why] of wrong) assertDetail(await owner('PUT', '/api/core/config', document), 400, why);
  for (const body of [[], 'x', 7, null]) assertBreaks(await owner('PUT', '/api/core/config', body), 'body');
  const headers = { authorization: `Bearer ${owner.token}`, 'content-length': 2 ** 18 + 1 };
  assert.equal((await sendRaw(panel, 'PUT', '/api/core/config', headers, '')).status, 413);
  assert.deepEqual((await owner('GET', '/api/core/config')).body, before);
});

test('the system tells users by status, bytes and speeds; a reseller sees his own users alone', async () => {
  const users = await seedUsers(panel, 6, { monthlyQuota: 1_000 });
  const [, disabled, expired, limited, held, his] = users;
  const set = (sql, user, ...rest) => panel.db.prepare(sql).bind(user.id, ...rest).run();
  await set('UPDATE users SET disabled_at = 1 WHERE id = ?1', disabled);
  await set('UPDATE users SET expires_at = ?2 WHERE id = ?1', expired, now() - 5);
  await set('UPDATE usage SET month = 1000 WHERE user = ?1', limited);
  await set('UPDATE usage SET hold = 86400 WHERE user = ?1', held);
  await own([his, expired]);
  const report = await agent.sync({ status: RUNNING, report: agent.report({ seq: 1, users: [[users[0].slot, 60, 40]] }) });
  assert.equal(report.status, 200, report.text);
  const stats = {
    version: '0.8.4', mem_total: 0, mem_used: 0, cpu_cores: 0, cpu_usage: 0,
    total_user: 6, online_users: 1, users_active: 2, users_on_hold: 1, users_disabled: 1, users_expired: 1, users_limited: 1,
    incoming_bandwidth: 60, outgoing_bandwidth: 40, incoming_bandwidth_speed: 100, outgoing_bandwidth_speed: 300,
  };
  for (const caller of [owner, admin, viewer]) assert.deepEqual((await caller('GET', '/api/system')).body, stats);
  const none = { users_on_hold: 0, users_disabled: 0, users_limited: 0, online_users: 0 };
  assert.deepEqual((await reseller('GET', '/api/system')).body, { ...stats, ...none, total_user: 2, users_active: 1, users_expired: 1 });
});

test('a dashboard that asks again and again does not read every user again and again', async () => {
  await seedUsers(panel, 1_000);
  assert.equal((await owner('GET', '/api/system')).body.total_user, 1_006);
  const { body, cost } = await owner('GET', '/api/system');
  assert.equal(body.total_user, 1_006);
  assert.ok(cost.read <= 20 && cost.written === 0, JSON.stringify(cost));
});

test('only sudo restarts, sees the configuration and changes it', async () => {
  for (const caller of [reseller, viewer]) {
    assertDetail(await caller('POST', '/api/core/restart'), 403, NOT_ALLOWED);
    assertDetail(await caller('GET', '/api/core/config'), 403, NOT_ALLOWED);
    assertDetail(await caller('PUT', '/api/core/config', DOCUMENT), 403, NOT_ALLOWED);
  }
  for (const where of ['/api/core', '/api/core/config', '/api/system', '/api/inbounds', '/api/hosts', '/api/nodes']) {
    assertDetail(await panel.request('GET', where), 401, 'Not authenticated');
    assertDetail(await panel.request('GET', where, { key: 'a.b.c' }), 401, 'Could not validate credentials');
  }
});
