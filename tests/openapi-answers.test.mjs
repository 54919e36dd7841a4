/** What the real panel answers is what openapi.json says: every operation of our own API, done. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { documents } from '../dev/openapi.mjs';
import { Authenticator } from './support/authenticator.mjs';
import { Judge, operationsOf } from './support/openapi.mjs';
import { signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { startSource } from './support/sources.mjs';
import { codeOf } from './support/totp.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, reportOf, tokenOf } from './support/xpert.mjs';

const MB = 2 ** 20;
const document = documents().openapi;
const judge = new Judge(document);
const LINK = 'trojan://secret@one.example:443#One';

let panel;
let node;
let owner;
let friend;
/** Calls with the key of every scope, of whoever has no credential, and of an owner's browser. */
let key;
let nobody;
let browser;
/** The owner's, which changes. */
let password;

before(async () => {
  friend = await startSource();
  panel = await startPanel({ bucket: true, vars: { XPERT_SOURCES_ALLOW: friend.authority, NOTIFY_PRIVATE: '1' } });
  node = await seedAgent(panel, { name: 'Frankfurt' });
  owner = await signInOwner(panel);
  password = panel.operator.password;
  key = judged((method, where, body, headers) => panel.request(method, where, { key: panel.apiKey, body: body && JSON.stringify(body), headers }));
  nobody = judged((method, where, body, headers) => panel.request(method, where, { body: body && JSON.stringify(body), headers }));
  browser = judged(owner.api);
});
after(async () => {
  await panel?.stop();
  await friend?.stop();
});

/** A caller whose every answer is held against the document. @returns {(status: number, method: string, where: string, body?: unknown) => Promise<any>} */
function judged(send) {
  return async (status, method, where, body, headers) => {
    const answer = await send(method, where, body, headers);
    assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
    assert.deepEqual(judge.faults(method, where, answer), [], `${method} ${where}`);
    return answer.body ?? answer.text;
  };
}

test('users: created, changed, read in every way, deleted', async () => {
  const at = '/api/v1/users';
  await key(201, 'POST', at, { name: 'ann', plan: 'basic', email: 'ann@example.org', note: 'Hall 3', next_plan: { plan: 'free' }, delete_after_days: 3, credentials: { trojan_password: 'correct horse' } });
  await key(201, 'POST', at, { name: 'bea', monthly_quota: 10 * MB, address_limit: 2, hwid_limit: 1, time_zone: 'Asia/Tehran', reset_day: 31 });
  await key(201, 'POST', at, { name: 'cleo', hold_seconds: 86_400, hold_until: now() + 7200 });
  await key(201, 'POST', at, { name: 'dan', reset_strategy: 'no_reset', expires_at: now() + 3600 });
  await key(409, 'POST', at, { name: 'ANN' });
  await node.sync({
    status: { core: 'sing-box', core_version: '1.14.4', reloads: 1, reloaded: { at: now(), why: 'users', cut: 2 }, last_loss: { at: now(), bytes: 5 }, limits: ['none'], last_error: '' },
    inbounds: [{ tag: 'vless-in', protocol: 'vless', port: 443, tls: true, alpn: ['h2'], transport: { type: 'ws', path: '/ws' }, reality: { public_key: 'x'.repeat(43), short_ids: [''] } }, { tag: 'ss-in', protocol: 'shadowsocks', port: 8388, method: 'aes-128-gcm' }],
  });
  const { results } = await panel.db.prepare('SELECT slot FROM users ORDER BY id').all();
  await node.sync({ report: node.report({ seq: 1, users: results.map(({ slot }, place) => [slot, place * MB, 20 * MB]) }) });
  for (const query of ['', '?sort=-used&limit=1&offset=1', '?status=limited', '?search=hall&plan=basic', '?owner=1']) await key(200, 'GET', at + query);
  for (const name of ['ann', 'bea', 'cleo', 'dan']) {
    for (const what of ['', '/resets', '/packages', '/usage', '/usage?by=hour&split=node', '/periods', '/explain', '/addresses', '/subscription', '/credentials', '/aliases', '/devices']) await key(200, 'GET', `${at}/${name}${what}`);
  }
  await key(422, 'GET', `${at}/ann/usage?by=week`);
  await key(422, 'GET', `${at}/ann/resets?reset_day=32`);
  await key(200, 'PATCH', `${at}/ann`, { monthly_quota: 0, note: null, next_plan: null });
  await key(200, 'PATCH', `${at}/dan`, { expires_at: null, hold_seconds: 60 });
  await key(409, 'PATCH', `${at}/dan`, { name: 'Bea' });
  for (const verb of ['disable', 'enable', 'reset', 'revoke']) await key(200, 'POST', `${at}/bea/${verb}`);
  for (const alias of ['old-1', 'old-2']) await key(201, 'POST', `${at}/dan/aliases`, { alias });
  await key(200, 'GET', `${at}/dan/aliases`);
  await key(409, 'POST', `${at}/ann/aliases`, { alias: 'old-1' });
  await key(422, 'POST', `${at}/ann/aliases`, { alias: 'global' });
  await key(204, 'DELETE', `${at}/dan/aliases/old-1`);
  await key(404, 'DELETE', `${at}/dan/aliases/old-1`);
  await key(204, 'DELETE', `${at}/dan/aliases`);
  const sale = { order: 'shop-1', bytes: 5 * MB, price: '5 EUR', expires_at: now() + 86_400 };
  await key(201, 'POST', `${at}/bea/packages`, sale);
  await key(200, 'POST', `${at}/bea/packages`, sale);
  await key(409, 'POST', `${at}/bea/packages`, { ...sale, bytes: 1 });
  await key(201, 'POST', `${at}/bea/packages`, { order: 'shop-2', bytes: MB });
  await key(200, 'GET', `${at}/bea/packages`);
  await key(200, 'POST', `${at}/bea/packages/shop-1/refund`);
  await key(200, 'GET', `${at}/bea/explain`);
  await key(200, 'GET', `${at}/bea/periods`);
  await key(200, 'PUT', `${at}/bea/credentials`, { vless_uuid: '11111111-2222-4333-8444-555555555555', tuic_password: null });
  await key(409, 'PUT', `${at}/dan/credentials`, { vless_uuid: '11111111-2222-4333-8444-555555555555' });
  await key(200, 'DELETE', `${at}/bea/credentials`);
  await key(204, 'PUT', `${at}/bea/owner`, { operator: null });
  for (const query of ['', '?split=node&by=month']) await key(200, 'GET', `/api/v1/usage${query}`);
  await key(200, 'GET', '/api/v1/suspicious');
  await key(200, 'GET', '/api/v1/suspicious?user=ann&limit=1&before=5');
  await key(404, 'GET', '/api/v1/suspicious?user=nobody');
  await key(204, 'DELETE', `${at}/dan`);
});

test('devices and sharing: with something to tell', async () => {
  await key(200, 'PUT', '/api/v1/settings/devices', { enabled: true, limit: 5 });
  const ann = await key(200, 'GET', '/api/v1/users/ann');
  const where = `/sub/${tokenOf(await authKeyOf(panel), ann, 1)}`;
  await nobody(200, 'GET', `${where}/info`);
  await nobody(200, 'GET', `${where}/usage`);
  await nobody(400, 'GET', `${where}/usage?start=never`);
  await nobody(200, 'GET', where, undefined, { 'user-agent': 'Happ/3.1.0', 'x-hwid': 'A1B2C3D4-E5F6-7890', 'x-device-os': 'Android' });
  const { items } = await key(200, 'GET', '/api/v1/users/ann/devices');
  await key(200, 'PATCH', `/api/v1/users/ann/devices/${items[0].id}`, { name: 'Phone' });
  await key(204, 'DELETE', `/api/v1/users/ann/devices/${items[0].id}`);
  await key(204, 'DELETE', '/api/v1/users/ann/devices');
  await panel.db.prepare('INSERT INTO suspicious_activity (user, at, count, "limit", nodes) VALUES (?1, unixepoch(), 4, 3, ?2)').bind(ann.id, '{"1":4}').run();
  await key(200, 'GET', '/api/v1/suspicious');
});

test('many users at once: looked at, done, stopped, undone', async () => {
  const wanted = { selection: { users: ['ann', 'bea'] }, action: { extend: { days: 30 } } };
  await key(200, 'POST', '/api/v1/bulk/preview?limit=1', wanted);
  await key(200, 'POST', '/api/v1/bulk/preview', { selection: { all: true }, action: { change: { speed_limit: MB } } });
  const { id } = await key(202, 'POST', '/api/v1/bulk', { selection: { status: 'active' }, action: { change: { note: 'x' } } });
  await key(409, 'POST', '/api/v1/bulk', { ...wanted, expect: 77 });
  await key(409, 'POST', `/api/v1/bulk/${id}/stop`);
  await key(200, 'GET', `/api/v1/bulk/${id}`);
  await key(202, 'POST', `/api/v1/bulk/${id}/undo`);
  await key(409, 'POST', `/api/v1/bulk/${id}/undo`);
  await key(200, 'GET', '/api/v1/bulk');
  await panel.db.prepare("UPDATE bulk SET state = 'running' WHERE id = ?1").bind(id).run();
  await key(200, 'POST', `/api/v1/bulk/${id}/stop`);
});

test('plans: created, changed, looked at, applied, deleted', async () => {
  const at = '/api/v1/plans';
  await key(200, 'GET', at);
  await key(201, 'POST', at, { name: 'duo', device_limit: 2, reset_day: 5, address_limit: 2 });
  await key(409, 'POST', at, { name: 'DUO' });
  await key(201, 'POST', '/api/v1/users', { name: 'eve', plan: 'duo' });
  const { version } = await key(200, 'PATCH', `${at}/duo`, { device_limit: 3, reset_day: null });
  await key(200, 'GET', `${at}/duo/changes`);
  await key(409, 'POST', `${at}/duo/apply`, { version: version - 1 });
  await key(202, 'POST', `${at}/duo/apply`, { version });
  await key(200, 'GET', `${at}/duo`);
  await key(409, 'DELETE', `${at}/duo`);
  await key(204, 'DELETE', `${at}/unlimited`);
});

test('nodes and their addresses', async () => {
  const at = '/api/v1/nodes';
  const { id } = await key(201, 'POST', at, { name: 'Wien', address: '192.0.2.7', country: 'AT', coefficient: 1500 });
  await key(409, 'POST', at, { name: 'wien', address: '192.0.2.8' });
  await key(200, 'GET', at);
  for (const one of [id, node.node]) for (const what of ['', '/usage', '/inbounds', '/addresses']) await key(200, 'GET', `${at}/${one}${what}`);
  await key(200, 'PATCH', `${at}/${id}`, { name: 'Linz', country: null });
  await key(409, 'PATCH', `${at}/${id}`, { name: 'frankfurt' });
  await key(200, 'POST', `${at}/${id}/rotate-key`);
  const mine = `${at}/${node.node}/addresses`;
  const first = await key(201, 'POST', mine, { inbound: 'vless-in', address: 'cdn.example', port: 443, security: 'tls', sni: 'cdn.example', alpn: ['h2'], fingerprint: 'chrome', plans: ['premium'] });
  const second = await key(201, 'POST', mine, { inbound: 'ss-in', remark: '{USERNAME}', insecure: true, path: '/x', host: 'a.example', active: false });
  await key(200, 'POST', `${mine}/reorder`, { ids: [second.id, first.id] });
  await key(422, 'POST', `${mine}/reorder`, { ids: [first.id] });
  await key(200, 'GET', `${mine}/${first.id}`);
  await key(200, 'PATCH', `${mine}/${first.id}`, { active: false, alpn: null });
  for (const { id: one } of [first, second]) await key(204, 'DELETE', `${mine}/${one}`);
  await key(204, 'DELETE', `${at}/${id}`);
});

test('operators and keys', async () => {
  const at = '/api/v1/operators';
  await browser(201, 'POST', at, { name: 'shop', role: 'reseller', user_allowance: 3, byte_allowance: 100 * MB });
  await browser(409, 'POST', at, { name: 'Shop', role: 'viewer' });
  await browser(422, 'POST', at, { name: 'other', role: 'admin', user_allowance: 1 });
  await browser(200, 'GET', at);
  await browser(204, 'PUT', '/api/v1/users/bea/owner', { operator: 'shop' });
  await browser(200, 'GET', `${at}/shop`);
  await browser(200, 'PATCH', `${at}/shop`, { user_allowance: null });
  for (const verb of ['disable', 'enable', 'reset-password']) await browser(200, 'POST', `${at}/shop/${verb}`);
  await browser(204, 'DELETE', `${at}/shop/two-factor`);
  await browser(409, 'DELETE', `${at}/admin`);
  await browser(409, 'POST', `${at}/admin/disable`);
  await browser(409, 'PATCH', `${at}/admin`, { role: 'viewer' });
  await browser(204, 'DELETE', `${at}/shop`);
  const { id } = await browser(201, 'POST', '/api/v1/keys', { name: 'script', scopes: ['users:read'], expires_at: now() + 3600 });
  await browser(409, 'POST', '/api/v1/keys', { name: 'Script', scopes: ['users:read'] });
  await browser(200, 'GET', '/api/v1/keys');
  await browser(204, 'DELETE', `/api/v1/keys/${id}`);
});

test('one\'s own sign-in', async () => {
  const at = '/api/v1/me';
  await browser(200, 'GET', at);
  await key(403, 'GET', at);
  const other = await signInOwner(panel);
  const { items } = await browser(200, 'GET', `${at}/sessions`);
  await browser(204, 'DELETE', `${at}/sessions/${items.find(({ current }) => !current).id}`);
  await browser(204, 'DELETE', `${at}/sessions`);
  assert.equal((await other.api('GET', at)).status, 401);
  await browser(422, 'POST', `${at}/two-factor`, { password: 'wrong' });
  await browser(409, 'POST', `${at}/two-factor/confirm`, { code: '000000' });
  await browser(409, 'POST', `${at}/two-factor/recovery-codes`, { password });
  const { secret } = await browser(200, 'POST', `${at}/two-factor`, { password });
  await browser(200, 'POST', `${at}/two-factor/confirm`, { code: codeOf(secret) });
  await browser(409, 'POST', `${at}/two-factor`, { password });
  await browser(200, 'POST', `${at}/two-factor/recovery-codes`, { password });
  await browser(204, 'DELETE', `${at}/two-factor`, { password });
  const { password: next } = await browser(200, 'POST', `${at}/password`, { password });
  await browser(409, 'POST', `${at}/passkeys/challenge`, { password: next });
  await browser(200, 'GET', `${at}/passkeys`);
  password = next;
});

test('a passkey, by the panel\'s host name', async () => {
  const site = `http://localhost:${panel.port}`;
  const named = judged(async (method, where, body) => {
    const answer = await fetch(site + where, { method, headers: { cookie: owner.cookie, origin: site, 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: text ? JSON.parse(text) : undefined };
  });
  const at = '/api/v1/me/passkeys';
  const { challenge } = await named(200, 'POST', `${at}/challenge`, { password });
  const made = new Authenticator(site).make('Phone', challenge);
  const { id } = await named(201, 'POST', at, made);
  await named(409, 'POST', at, made);
  await named(200, 'GET', at);
  await named(204, 'DELETE', `${at}/${id}`);
});

test('channels, deliveries, events', async () => {
  const at = '/api/v1/channels';
  friend.answer('/hook', 'thanks');
  const hook = await key(201, 'POST', at, { name: 'Shop', webhook: { url: 'https://shop.example/hook' }, kinds: ['user.created', 'user.limited'], quiet: { from: '22:00', to: '07:00' }, language: 'fa' });
  await key(409, 'POST', at, { name: 'shop', webhook: { url: 'https://shop.example/hook' } });
  await key(201, 'POST', at, { name: 'Chat', telegram: { token: `123456:${'A'.repeat(35)}`, chat_id: '@weir' } });
  await key(201, 'POST', at, { name: 'Mail', email: { from: 'a@example.org', to: 'b@example.org', url: 'https://mail.example/send', headers: { Authorization: 'x' }, body: { to: '{to}', subject: '{subject}', text: '{text}' } } });
  await key(200, 'GET', at);
  await key(200, 'GET', `${at}/${hook.id}`);
  await key(200, 'PATCH', `${at}/${hook.id}`, { quiet: null, severity: 'info' });
  await key(201, 'POST', '/api/v1/users', { name: 'fay' });
  assert.equal(await panel.cron('outbox'), 'ok');
  await key(200, 'POST', `${at}/${hook.id}/test`);
  const { items } = await key(200, 'GET', '/api/v1/deliveries?limit=1');
  assert.equal(items.length, 1);
  await key(409, 'POST', `/api/v1/deliveries/${items[0].id}/replay`);
  await panel.db.prepare("UPDATE deliveries SET state = 'dead'").run();
  await key(202, 'POST', `/api/v1/deliveries/${items[0].id}/replay`);
  await panel.db.prepare("UPDATE deliveries SET state = 'dead'").run();
  await key(200, 'GET', `/api/v1/deliveries?state=dead&channel=${hook.id}&before=9-9`);
  await key(200, 'POST', `${at}/${hook.id}/replay`);
  await key(200, 'GET', '/api/v1/events?kind=user.created&limit=1');
  await key(204, 'DELETE', `${at}/${hook.id}`);
});

test('settings, client rules, the audit log, jobs, backups', async () => {
  for (const area of ['alerts', 'backup', 'devices', 'retention', 'sharing', 'subscriptions']) {
    await key(200, 'PUT', `/api/v1/settings/${area}`, {});
    const whole = await key(200, 'GET', `/api/v1/settings/${area}`);
    await key(200, 'PUT', `/api/v1/settings/${area}`, whole);
    await key(200, 'PATCH', `/api/v1/settings/${area}`, { [Object.keys(whole)[0]]: null });
  }
  await key(200, 'PUT', '/api/v1/settings/marzban', { jwt_secret_key: 'a'.repeat(64) });
  await key(200, 'GET', '/api/v1/settings/marzban');
  await key(200, 'PATCH', '/api/v1/settings/marzban', { jwt_secret_key: null });
  const { rules } = await key(200, 'GET', '/api/v1/client-rules');
  await key(200, 'PUT', '/api/v1/client-rules', { rules });
  await key(200, 'POST', '/api/v1/client-rules/try', { user_agent: 'v2rayNG/1.10.5' });
  await key(200, 'POST', '/api/v1/client-rules/try', { user_agent: '', rules: [] });
  await key(200, 'DELETE', '/api/v1/client-rules');
  for (const query of ['', '?limit=200', '?action=user.create', '?actor=nobody&from=1']) await key(200, 'GET', `/api/v1/audit${query}`);
  const { count, link } = await key(200, 'GET', '/api/v1/audit/verify?limit=5');
  await key(200, 'GET', `/api/v1/audit/verify?from=2&head=${count}:${link}`);
  await key(422, 'GET', '/api/v1/audit/verify?head=x');
  await key(202, 'POST', '/api/v1/jobs/sweep/run');
  await key(202, 'POST', '/api/v1/backups');
  assert.equal(await panel.cron('backup'), 'ok');
  await key(200, 'GET', '/api/v1/jobs');
  const { items } = await key(200, 'GET', '/api/v1/backups');
  const done = items.find(({ complete }) => complete);
  assert.ok(done, JSON.stringify(items));
  const { parts } = await key(200, 'GET', `/api/v1/backups/${done.instant}`);
  await key(200, 'GET', `/api/v1/backups/${done.instant}/${parts[0].name}`);
});

test('the simple API', async () => {
  await key(200, 'POST', '/api/add_user', { username: 'gus', monthly_quota: 50, email: null });
  await key(409, 'POST', '/api/add_user', { username: 'gus' });
  const gus = await key(200, 'GET', '/api/user/gus');
  await key(200, 'PUT', '/api/user/gus', gus);
  await key(409, 'PUT', '/api/user/gus', { username: 'ann' });
  await key(200, 'POST', '/api/reset_traffic/gus');
  await key(200, 'GET', '/api/stats');
  await nobody(401, 'GET', '/api/user/gus');
  await key(200, 'DELETE', '/api/user/gus');
});

test('subscriptions', async () => {
  const ann = await key(200, 'GET', '/api/v1/users/ann');
  const where = new URL(ann.subscription_url).pathname;
  const { lists } = await key(200, 'GET', '/api/v1/users/ann/subscription');
  for (const what of ['', ...lists.map(({ format }) => `/${format}`), '/page', '?format=clash', '?lang=fa']) await nobody(200, 'GET', where + what);
  for (const what of ['', '/links']) await nobody(200, 'HEAD', where + what);
  await nobody(200, 'GET', `${where}/qr?link=0`);
  await nobody(404, 'GET', `${where}/qr?link=999`);
  await nobody(422, 'GET', `${where}/qr?link=x`);
  await nobody(404, 'GET', '/sub/nobody');
  await nobody(422, 'GET', `${where}?format=pigeon`);
  await nobody(200, 'GET', where, undefined, { 'user-agent': 'Mozilla/5.0', accept: 'text/html' });
  const { headers } = await panel.request('GET', `${where}/mihomo`);
  await nobody(304, 'GET', `${where}/mihomo`, undefined, { 'if-none-match': headers.get('etag') });
});

test('the Xpert API', async () => {
  const at = '/api/xpert';
  const ann = await key(200, 'GET', '/api/v1/users/ann');
  const token = ann.subscription_url.split('/').at(-1);
  friend.answer('/list', `${LINK}\nvless://nothing\n`);
  await nobody(200, 'POST', `${at}/traffic-webhook`, reportOf(token), { 'idempotency-key': 'once' });
  await nobody(404, 'POST', `${at}/traffic-webhook`, reportOf('user123'));
  await nobody(422, 'POST', `${at}/traffic-webhook`, reportOf(token, { port: 0 }));
  for (const method of ['GET', 'HEAD']) {
    await nobody(200, method, `${at}/traffic-stats/${token}?days=7`);
    for (const what of ['/traffic-stats/global', '/marzban-traffic-stats?days=2', '/traffic-stats/database/info', '/settings', '/fetches', '/fetches?user=ann&days=2', '/direct-configs', '/sources']) await key(200, method, at + what);
    for (const what of ['/sub', '/direct-configs/sub']) await nobody(200, method, `${at}${what}?user_token=${token}&format=base64`);
  }
  await nobody(404, 'GET', `${at}/traffic-stats/user123`);
  await nobody(422, 'GET', `${at}/sub`);
  await key(404, 'GET', `${at}/fetches?user=nobody`);
  await key(200, 'POST', `${at}/traffic-stats/cleanup?days=1`);
  await key(200, 'PUT', `${at}/settings`, { title: 'Friends', retention_days: 30 });
  await key(200, 'PATCH', `${at}/settings`, { title: null });
  const { id } = await key(200, 'POST', `${at}/direct-configs`, { raw: LINK, remarks: 'x' });
  await key(409, 'POST', `${at}/direct-configs`, { raw: LINK });
  await key(200, 'POST', `${at}/direct-configs/batch`, { configs: ['trojan://secret@two.example:443#Two', 'nothing'] });
  await key(200, 'POST', `${at}/direct-configs/validate`, { raw: LINK });
  await key(200, 'POST', `${at}/direct-configs/validate`, { raw: 'nothing' });
  const { configs } = await key(200, 'GET', `${at}/direct-configs`);
  await key(200, 'POST', `${at}/direct-configs/reorder`, { ids: configs.map((one) => one.id).reverse() });
  await key(404, 'POST', `${at}/direct-configs/reorder`, { source_id: 999, target_id: id });
  await key(200, 'PUT', `${at}/direct-configs/${id}`, { remarks: 'y' });
  await key(409, 'PUT', `${at}/direct-configs/${id}`, { raw: 'trojan://secret@two.example:443#Two' });
  for (const what of ['toggle', 'permanent']) await key(200, 'PUT', `${at}/direct-configs/${id}/${what}`);
  await key(200, 'DELETE', `${at}/direct-configs/${id}`);
  const source = await key(200, 'POST', `${at}/sources`, { name: 'friends', url: `${friend.url}/list`, rules: { max_nodes: 5 } });
  await key(200, 'POST', `${at}/test-url`, { url: `${friend.url}/list` });
  await key(200, 'POST', `${at}/test-url`, { url: `${friend.url}/nothing` });
  await key(200, 'POST', `${at}/update`, { id: source.id });
  await key(404, 'POST', `${at}/update`, { id: 77 });
  await key(200, 'POST', `${at}/update`);
  await key(200, 'GET', `${at}/sources`);
  await key(200, 'PUT', `${at}/sources/${source.id}`, { priority: 0, rules: {} });
  await key(200, 'POST', `${at}/sources/${source.id}/toggle`);
  await key(200, 'DELETE', `${at}/sources/${source.id}`);
});

test('what monitors and hosts ask', async () => {
  for (const method of ['GET', 'HEAD']) {
    await nobody(200, method, '/health');
    await nobody(200, method, '/install.sh');
    await key(200, method, '/metrics');
  }
});

test('every operation has answered each way of success that it names', () => {
  const missing = operationsOf(document)
    .filter(({ method }) => method !== 'OPTIONS')
    .flatMap(({ operation }) => Object.keys(operation.responses).filter((status) => status < 300 && !judge.seen.get(operation.operationId)?.has(Number(status))).map((status) => `${operation.operationId} ${status}`));
  assert.deepEqual(missing, []);
});
