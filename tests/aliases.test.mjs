/** Links of an old panel: who gives them to a user, what they open, and when they end. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedTrojan, seedUsers } from './support/seed.mjs';
import { authKeyOf, tokenOf } from './support/xpert.mjs';

let panel;
let authKey;

before(async () => {
  panel = await startPanel();
  authKey = await authKeyOf(panel);
  await seedTrojan(panel, 'Wien');
});
after(() => panel?.stop());

async function user() {
  const [one] = await seedUsers(panel, 1);
  return { ...one, token: tokenOf(authKey, one), at: `/api/v1/users/${one.name}/aliases` };
}
const give = (one, alias) => panel.api('POST', one.at, { alias });
const aliasesOf = async (one) => (await panel.api('GET', one.at)).body.items.map(({ alias }) => alias);
const opens = async (alias) => (await panel.request('GET', `/sub/${alias}/info`)).body?.username;
const entriesOf = async (one) => (await panel.api('GET', '/api/v1/audit?limit=100')).body.items.filter(({ subject }) => subject === `users/${one.name}/aliases`);

test('an alias opens whatever the link opens, and costs one row more', async () => {
  const one = await user();
  const given = await give(one, 'user123');
  assert.equal(given.status, 201, given.text);
  assert.deepEqual(Object.keys(given.body), ['alias', 'created_at']);
  assert.deepEqual((await panel.api('GET', one.at)).body, { total: 1, items: [given.body], next: null });
  for (const format of ['links', 'mihomo', 'sing-box']) {
    const [own, old] = await Promise.all([one.token, 'user123'].map((token) => panel.request('GET', `/sub/${token}/${format}`, { headers: { 'user-agent': 'curl/8' } })));
    assert.equal(own.status, 200);
    assert.equal(old.text, own.text, format);
  }
  for (const where of ['info', 'usage', 'page', 'qr?link=0']) assert.equal((await panel.request('GET', `/sub/user123/${where}`)).status, 200, where);
  assert.equal((await panel.request('GET', '/api/xpert/sub?user_token=user123')).status, 200);
  const { cost } = await panel.request('GET', '/sub/user123/links', { headers: { 'user-agent': 'curl/8' } });
  assert.ok(cost.queries === 1 && cost.read <= 5 && cost.written === 0, JSON.stringify(cost));
});

test('a text that nobody has been given is 404 and costs one query, what has the form of a token none', async () => {
  const unknown = await panel.request('GET', '/sub/user124');
  assert.deepEqual([unknown.status, unknown.cost.queries, unknown.cost.written], [404, 1, 0]);
  assert.ok(unknown.cost.read <= 2, JSON.stringify(unknown.cost));
  assert.equal((await panel.request('GET', '/sub/USER123')).status, 404, 'letters have their case');
  for (const token of ['A'.repeat(32), 'global', 'x'.repeat(257), '%C3%BC']) {
    const { status, cost } = await panel.request('GET', `/sub/${token}`);
    assert.deepEqual([status, cost.queries], [404, 0], token);
  }
});

test('an alias is one user’s: his again is no error, of two at the same instant one gets it', async () => {
  const [one, other] = [await user(), await user()];
  assert.equal((await give(one, 'old@1')).status, 201);
  const again = await give(one, 'old@1');
  assert.equal(again.status, 201);
  assert.equal((await entriesOf(one)).length, 1, 'nothing was done, so nothing is recorded');
  const refused = await give(other, 'old@1');
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'taken']);
  const both = await Promise.all([one, other].map((who) => give(who, 'old@2')));
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409]);
});

test('what cannot be one is refused with the rule, and a user has sixteen at most', async () => {
  const one = await user();
  for (const alias of ['', '.', '..', 'global', 'a b', 'a/b', 'x'.repeat(32), 'x'.repeat(257), 7, null]) {
    const { status, body } = await give(one, alias);
    assert.deepEqual([status, body.error.field], [422, 'alias'], String(alias));
  }
  for (let number = 0; number < 16; number += 1) assert.equal((await give(one, `many-${number}`)).status, 201);
  const { status, body } = await give(one, 'many-16');
  assert.deepEqual([status, body.error.code], [409, 'too_many']);
  assert.equal((await aliasesOf(one)).length, 16);
});

test('letters that a client escapes are the same letters', async () => {
  const one = await user();
  await give(one, 'ann+1@example.org');
  assert.equal(await opens('ann+1@example.org'), one.name);
  assert.equal(await opens('ann%2B1%40example.org'), one.name);
  assert.equal((await panel.request('GET', '/sub/ann%2B1%40example.org/links')).status, 200);
  assert.equal((await panel.request('GET', '/sub/ann%401')).status, 404);
});

test('one ends alone, or all of them; with his link, and with him', async () => {
  const one = await user();
  for (const alias of ['a=1', 'b~2', 'c:3']) await give(one, alias);
  assert.equal((await panel.api('DELETE', `${one.at}/${encodeURIComponent('a=1')}`)).status, 204);
  assert.equal((await panel.api('DELETE', `${one.at}/${encodeURIComponent('a=1')}`)).status, 404);
  assert.deepEqual(await aliasesOf(one), ['b~2', 'c:3']);
  assert.equal((await panel.api('DELETE', one.at)).status, 204);
  assert.equal((await panel.api('DELETE', one.at)).status, 204);
  assert.deepEqual([await opens('b~2'), await aliasesOf(one)], [undefined, []]);

  await give(one, 'before');
  assert.equal(await opens('before'), one.name);
  assert.equal((await panel.api('PUT', `/api/v1/users/${one.name}/credentials`, { trojan_password: 'another word' })).status, 200);
  assert.equal(await opens('before'), one.name, 'his link stays, so the alias does');
  assert.equal((await panel.api('POST', `/api/v1/users/${one.name}/revoke`)).status, 200);
  assert.deepEqual([await opens('before'), await aliasesOf(one)], [undefined, []]);
  await give(one, 'after');
  assert.equal((await panel.api('DELETE', `/api/v1/users/${one.name}`)).status, 204);
  assert.equal(await opens('after'), undefined);
  assert.equal((await give(await user(), 'after')).status, 201, 'it is free');
});

test('the audit log tells that it was done, and no alias', async () => {
  const one = await user();
  await give(one, 'a-very-secret-text');
  await panel.api('DELETE', `${one.at}/a-very-secret-text`);
  const entries = await entriesOf(one);
  assert.deepEqual(entries.map(({ action }) => action).sort(), ['alias.add', 'alias.delete']);
  assert.doesNotMatch(JSON.stringify(entries), /very-secret/);
  const { results } = await panel.db.prepare('SELECT * FROM audit').all();
  assert.doesNotMatch(JSON.stringify(results), /very-secret/);
});
