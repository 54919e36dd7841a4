/**
 * The API as the npm package marzban-sdk calls it, the client that bots and shops are written with: every operation that it has, against
 * the real Worker.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MarzbanSDK } from 'marzban-sdk';

import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';

const INBOUNDS = [
  { tag: 'VLESS TCP', protocol: 'vless', port: 443, tls: true },
  { tag: 'Shadowsocks', protocol: 'shadowsocks', port: 1080, method: 'aes-128-gcm' },
];
const PASSWORD = 'correct horse';
const RUNNING = { core: 'sing-box', core_version: '1.14.4', incarnation: 1_700_000_000_000 };

let panel;
let sdk;
const open = (username, password) => new MarzbanSDK({ baseUrl: panel.url, username, password, retries: 0 });
/** What a call is refused with. */
const refusal = async (call) => {
  const error = await call.then(() => assert.fail('it was not refused'), (cause) => cause);
  assert.ok(error.response, String(error));
  return [error.response.status, error.response.data.detail];
};

before(async () => {
  panel = await startPanel();
  const agent = await seedAgent(panel, { name: 'Wien' });
  assert.equal((await agent.sync({ inbounds: INBOUNDS, status: RUNNING })).status, 200);
  sdk = open(panel.operator.username, panel.operator.password);
  await sdk.authorize();
});
after(() => panel?.stop());

test('it signs in, and again when its token has ended', async () => {
  assert.equal((await sdk.admin.getCurrentAdmin()).is_sudo, true);
  const { access_token: token, token_type: type } = await sdk.admin.adminToken(panel.operator.username, panel.operator.password, 'password');
  assert.deepEqual([typeof token, type], ['string', 'bearer']);
  await panel.db.prepare('DELETE FROM sessions').run();
  assert.equal((await sdk.admin.getCurrentAdmin()).username, panel.operator.username);
});

test('admins', async () => {
  const made = await sdk.admin.createAdmin({ username: 'shop', password: PASSWORD, is_sudo: false, telegram_id: 5 });
  assert.deepEqual(made, { username: 'shop', is_sudo: false, telegram_id: 5, discord_webhook: null, users_usage: 0 });
  assert.deepEqual(await refusal(sdk.admin.createAdmin({ username: 'shop', password: PASSWORD, is_sudo: false })), [409, 'Admin already exists']);
  assert.equal((await sdk.admin.modifyAdmin('shop', { is_sudo: false, telegram_id: 6 })).telegram_id, 6);
  assert.deepEqual((await sdk.admin.getAdmins(0, 10, 'sho')).map(({ username }) => username), ['shop']);
  assert.equal(await sdk.admin.getAdminUsage('shop'), 0);
  assert.equal((await sdk.admin.resetAdminUsage('shop')).username, 'shop');
  assert.deepEqual(await sdk.admin.disableAllActiveUsers('shop'), { detail: 'Users successfully disabled' });
  assert.deepEqual(await sdk.admin.activateAllDisabledUsers('shop'), { detail: 'Users successfully activated' });
  const shop = open('shop', PASSWORD);
  await shop.authorize();
  assert.equal((await shop.admin.getCurrentAdmin()).username, 'shop');
  assert.deepEqual(await refusal(shop.admin.getAdmins()), [403, "You're not allowed"]);
  assert.deepEqual(await sdk.admin.removeAdmin('shop'), { detail: 'Admin removed successfully' });
  assert.deepEqual(await refusal(sdk.admin.removeAdmin('shop')), [404, 'Admin not found']);
});

test('core', async () => {
  assert.deepEqual(await sdk.core.getCoreStats(), { version: '1.14.4', started: true, logs_websocket: '/api/core/logs' });
  const config = await sdk.core.getCoreConfig();
  assert.equal(config.inbounds.length, 2);
  config.log.loglevel = 'debug';
  assert.deepEqual(await sdk.core.modifyCoreConfig(config), config);
  assert.deepEqual(await sdk.core.getCoreConfig(), config);
  assert.deepEqual(await refusal(sdk.core.modifyCoreConfig({})), [400, "config doesn't have inbounds"]);
  assert.deepEqual(await sdk.core.restartCore(), {});
});

test('nodes', async () => {
  assert.equal((await sdk.node.getNodeSettings()).min_node_version, 'v0.2.0');
  const node = await sdk.node.addNode({ name: 'Bern', address: '192.0.2.7', usage_coefficient: 2 });
  assert.deepEqual([node.status, node.usage_coefficient], ['connecting', 2]);
  assert.equal((await sdk.node.getNode(node.id)).name, 'Bern');
  assert.equal((await sdk.node.modifyNode(node.id, { name: 'Biel' })).name, 'Biel');
  assert.deepEqual((await sdk.node.getNodes()).map(({ name }) => name), ['Wien', 'Biel']);
  assert.deepEqual((await sdk.node.getUsage('2024-01-01T00:00:00')).usages.map(({ node_name: name }) => name), ['Master', 'Wien', 'Biel']);
  assert.deepEqual(await sdk.node.reconnectNode(node.id), { detail: 'Reconnection task scheduled' });
  assert.deepEqual(await sdk.node.removeNode(node.id), {});
  assert.deepEqual(await refusal(sdk.node.getNode(node.id)), [404, 'Node not found']);
});

test('system, inbounds and hosts', async () => {
  assert.equal((await sdk.system.getSystemStats()).version, '0.8.4');
  assert.deepEqual(Object.keys(await sdk.system.getInbounds()), ['shadowsocks', 'vless']);
  const hosts = await sdk.system.modifyHosts({ 'VLESS TCP': [{ remark: 'cdn', address: 'cdn.example', port: 443, security: 'tls', fingerprint: 'chrome' }] });
  assert.equal(hosts['VLESS TCP'][0].address, 'cdn.example');
  assert.deepEqual(await sdk.system.getHosts(), hosts);
  assert.deepEqual(await sdk.system.modifyHosts(hosts), hosts);
});

test('templates of users', async () => {
  const template = await sdk.userTemplate.addUserTemplate({ name: 'month', data_limit: 2 ** 30, expire_duration: 86_400, inbounds: { vless: ['VLESS TCP'] } });
  assert.deepEqual(await sdk.userTemplate.getUserTemplateEndpoint(template.id), template);
  assert.equal((await sdk.userTemplate.modifyUserTemplate(template.id, { name: 'monthly' })).name, 'monthly');
  assert.deepEqual((await sdk.userTemplate.getUserTemplates(0, 10)).map(({ name }) => name), ['monthly']);
  assert.equal(await sdk.userTemplate.removeUserTemplate(template.id), null);
  assert.deepEqual(await refusal(sdk.userTemplate.removeUserTemplate(template.id)), [404, 'User Template not found']);
});

test('logs', { timeout: 120_000 }, async (t) => {
  // The package tells the terminal when it connects.
  t.mock.method(console, 'log', () => {});
  const [{ id }] = await sdk.node.getNodes();
  for (const connect of [(options) => sdk.logs.connectByCore(options), (options) => sdk.logs.connectByNode(id, options)]) {
    let close;
    const line = await new Promise((resolve, reject) => {
      connect({ interval: 5, onMessage: resolve, onError: reject }).then((closing) => (close = closing), reject);
    });
    assert.match(line, /^\d{4}-\d\d-\d\dT[\d:]{8} \[Wien\] /);
    close();
  }
});

/** Every operation about users, in the order of a shop's day. */
test('users, from the first payment to the last', async (t) => {
  const { status } = await panel.request('POST', '/api/user', { key: await sdk.getAuthToken(), body: '{}' });
  if (status === 404) return t.skip('the operations about users are not there');
  const GIB = 2 ** 30;
  const expire = Math.floor(Date.now() / 1_000) + 30 * 86_400;
  const created = await sdk.user.addUser({ username: 'buyer', proxies: { vless: {} }, inbounds: { vless: ['VLESS TCP'] }, data_limit: GIB, expire, data_limit_reset_strategy: 'no_reset', note: 'order 1' });
  assert.deepEqual([created.username, created.status, created.data_limit, created.expire, created.used_traffic, created.note], ['buyer', 'active', GIB, expire, 0, 'order 1']);
  assert.deepEqual(await refusal(sdk.user.addUser({ username: 'BUYER', proxies: { vless: {} } })), [409, 'User already exists']);
  const got = await sdk.user.getUser('buyer');
  assert.equal(got.subscription_url, created.subscription_url);
  assert.ok(got.links.some((link) => link.startsWith('vless://')), got.links.join('\n'));
  const paid = await sdk.user.modifyUser('buyer', { expire: expire + 30 * 86_400, data_limit: 2 * GIB });
  assert.deepEqual([paid.expire, paid.data_limit], [expire + 30 * 86_400, 2 * GIB]);
  assert.equal((await sdk.user.modifyUser('buyer', { status: 'disabled' })).status, 'disabled');
  assert.equal((await sdk.user.modifyUser('buyer', { status: 'active' })).status, 'active');
  const { users, total } = await sdk.user.getUsers(0, 10, undefined, 'order', undefined, 'active', '-created_at');
  assert.deepEqual([users.map(({ username }) => username), total], [['buyer'], 1]);
  assert.equal((await sdk.user.getUserUsage('buyer')).usages[0].node_name, 'Master');
  assert.equal((await sdk.user.getUsersUsage()).usages[0].node_name, 'Master');
  assert.equal((await sdk.user.resetUserDataUsage('buyer')).used_traffic, 0);
  const token = new URL(created.subscription_url, panel.url).pathname.split('/')[2];
  assert.equal((await sdk.subscription.userSubscriptionInfo(token)).username, 'buyer');
  assert.equal(typeof (await sdk.subscription.userSubscription(token, 'v2rayN')), 'string');
  assert.ok(await sdk.subscription.userSubscriptionWithClientType('sing-box', token));
  assert.equal((await sdk.subscription.userGetUsage(token)).username, 'buyer');
  assert.deepEqual(await refusal(sdk.user.activeNextPlan('buyer')), [404, "User doesn't have next plan"]);
  const revoked = await sdk.user.revokeUserSubscription('buyer');
  assert.notEqual(revoked.subscription_url, created.subscription_url);
  assert.equal((await refusal(sdk.subscription.userSubscriptionInfo(token)))[0], 404);
  await sdk.admin.createAdmin({ username: 'seller', password: PASSWORD, is_sudo: false });
  assert.equal((await sdk.user.setOwner('buyer', 'seller')).admin.username, 'seller');
  assert.deepEqual(await sdk.user.resetUsersDataUsage(), { detail: 'Users successfully reset.' });
  assert.deepEqual(await sdk.user.getExpiredUsers(), []);
  assert.deepEqual(await refusal(sdk.user.deleteExpiredUsers()), [404, 'No expired users found in the specified date range']);
  assert.deepEqual(await sdk.user.removeUser('buyer'), { detail: 'User successfully deleted' });
  assert.deepEqual(await refusal(sdk.user.getUser('buyer')), [404, 'User not found']);
});
