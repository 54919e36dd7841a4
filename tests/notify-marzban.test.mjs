/** Webhooks in Marzban's form: what its receivers read, letter by letter, through the same outbox. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { Endpoint } from './support/endpoint.mjs';
import { addChannel, waiting } from './support/notices.mjs';
import { askToken } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';

const SECRET = 'a-secret-of-the-shop';
const GB = 2 ** 30;

let panel;
let endpoint;
let channel;

before(async () => {
  panel = await startPanel({ vars: { NOTIFY_PRIVATE: '1' } });
  endpoint = await Endpoint.start(() => 200);
  channel = await addChannel(panel, { name: 'shop', webhook: { url: `${endpoint.url}/hook`, secret: SECRET, form: 'marzban' } });
});
after(async () => {
  await panel?.stop();
  await endpoint?.stop();
});

async function does(method, where, body) {
  const { status, text } = await panel.api(method, where, body);
  assert.ok(status < 300, text);
}

/** Everything that the shop is told of what waits. */
async function told() {
  for (let runs = 0; (await waiting(panel, channel.id)) > 0; runs += 1) {
    assert.ok(runs < 30, 'still waiting');
    assert.equal(await panel.trigger(), 'ok');
  }
  return endpoint.taken();
}

test('a shop is told of a life in the words of Marzban, each message with the secret and signed', async () => {
  // A reset in the second in which the period began begins none.
  const before = Math.floor(Date.now() / 1000) - 60;
  await does('POST', '/api/v1/users', { name: 'ann', monthly_quota: 5 * GB, reset_strategy: 'no_reset', created_at: before, period_start: before });
  for (const action of ['disable', 'enable', 'revoke', 'reset']) {
    await does('POST', `/api/v1/users/ann/${action}`);
    const [message] = await told();
    assert.deepEqual([message.method, message.path, message.headers['content-type']], ['POST', '/hook', 'application/json']);
    assert.equal(message.headers['x-webhook-secret'], SECRET);
    assert.equal(message.headers['x-webhook-signature'], createHmac('sha256', SECRET).update(message.text).digest('hex'));
    const item = message.json.at(-1);
    const names = { disable: 'user_disabled', enable: 'user_enabled', revoke: 'subscription_revoked', reset: 'data_usage_reset' };
    assert.deepEqual([item.username, item.action, item.tries], ['ann', names[action], 0]);
    assert.ok(Math.abs(item.enqueued_at - Date.now() / 1000) < 60 && item.send_at >= item.enqueued_at, JSON.stringify(item));
    assert.equal(item.user.status, action === 'disable' ? 'disabled' : 'active');
    assert.deepEqual([item.user.username, item.user.data_limit, item.user.used_traffic], ['ann', 5 * GB, 0]);
    const { subscription_url: url } = (await panel.api('GET', '/api/v1/users/ann')).body;
    assert.equal(item.user.subscription_url, url);
    assert.equal(typeof item.by.username, 'string');
  }
  await does('PATCH', '/api/v1/users/ann', { note: 'pays by card' });
  const [updated] = await told();
  assert.deepEqual([updated.json[0].action, updated.json[0].user.note], ['user_updated', 'pays by card']);
  await does('DELETE', '/api/v1/users/ann');
  const [deleted] = await told();
  assert.deepEqual([deleted.json[0].action, deleted.json[0].username, deleted.json[0].user], ['user_deleted', 'ann', undefined]);
});

test('what was queued for a user begins his usage anew under a name of its own, by the clock and by hand, and no other reset does', async () => {
  const before = Math.floor(Date.now() / 1000) - 60;
  const resets = async (user) => {
    const items = (await told()).flatMap(({ json }) => json).filter(({ username }) => username === user);
    return items.filter(({ action }) => action.startsWith('data_'));
  };
  const next = { monthly_quota: 7 * GB, expires_at: null, add_remaining_traffic: false, fire_on_either: true };
  const make = (name) => does('POST', '/api/v1/users', { name, monthly_quota: 5 * GB, reset_strategy: 'no_reset', created_at: before, period_start: before, next_plan: next });
  const key = (await askToken(panel)).body.access_token;

  await make('queue');
  await panel.db.prepare("UPDATE usage SET month = ?1, lifetime = ?1 WHERE user = (SELECT id FROM users WHERE name = 'queue')").bind(5 * GB).run();
  await panel.db.prepare("UPDATE users SET due_at = 0 WHERE name = 'queue'").run();
  assert.equal(await panel.cron('sweep'), 'ok');
  const [fired, ...others] = await resets('queue');
  assert.deepEqual([fired.action, others, 'by' in fired], ['data_reset_by_next', [], false]);
  assert.deepEqual([fired.user.status, fired.user.data_limit, fired.user.used_traffic, fired.user.next_plan], ['active', 7 * GB, 0, null]);

  await make('early');
  const begun = await panel.request('POST', '/api/user/early/active-next', { key });
  assert.equal(begun.status, 200, begun.text);
  assert.deepEqual((await resets('early')).map(({ action, by }) => [action, by]), [['data_reset_by_next', undefined]]);

  await make('plain');
  await does('POST', '/api/v1/users/plain/reset');
  const [plain] = await resets('plain');
  assert.deepEqual([plain.action, typeof plain.by.username], ['data_usage_reset', 'string']);
  for (const name of ['queue', 'early', 'plain']) await does('DELETE', `/api/v1/users/${name}`);
  await told();
});

test('many users are told of in one list, and nodes are none of its business', async () => {
  await does('POST', '/api/v1/users', { name: 'bea' });
  await does('POST', '/api/v1/users', { name: 'cat', hold_seconds: 86_400 });
  const messages = await told();
  const items = messages.flatMap(({ json }) => json);
  assert.deepEqual(items.map(({ action, username, user }) => [action, username, user.status]), [
    ['user_created', 'bea', 'active'],
    ['user_created', 'cat', 'on_hold'],
  ]);
  const { kinds, target } = (await panel.api('GET', `/api/v1/channels/${channel.id}`)).body;
  assert.deepEqual([kinds, target], [null, { url: `${endpoint.url}/hook`, form: 'marzban' }]);
  const { results } = await panel.db.prepare('SELECT kind FROM wanted WHERE channel = ?1').bind(channel.id).all();
  assert.ok(results.length === 11 && results.every(({ kind }) => kind.startsWith('user.')), JSON.stringify(results));
});

test('a form that there is not is refused by its field', async () => {
  assertRefused(await panel.api('PATCH', `/api/v1/channels/${channel.id}`, { webhook: { form: 'discord' } }), 422, 'invalid', 'webhook.form');
});
