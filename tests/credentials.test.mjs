/** Credentials that were set by hand: a user who comes from another panel connects with what his client has, and is counted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startLoop } from './support/loop.mjs';
import { letsThrough, proxiesOf, runMihomo } from './support/mihomo.mjs';
import { freePort } from './support/ports.mjs';
import { labUser } from './support/singbox-config.mjs';
import { QUICK, until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';

const KIB = 1024;
const UUID = '11111111-2222-4333-8444-555555555555';
const SET = { vless_uuid: UUID, vmess_uuid: '21111111-2222-4333-8444-555555555555', trojan_password: 'old panel’s password' };

let loop;

before(async () => {
  loop = await startLoop({ users: [{ name: 'other' }], vars: QUICK, protocols: ['trojan', 'vless', 'vmess'] });
});
after(() => loop?.stop());

const of = (name) => `/api/v1/users/${name}/credentials`;
const listOf = async (name, format) => {
  const { subscription_url: url } = await loop.api('GET', `/api/v1/users/${name}`);
  return (await loop.panel.request('GET', `${new URL(url).pathname}/${format}`)).text;
};

/** A proxy by its name in the laboratory, whose node has a certificate of its own. */
const ofNode = (name, proxy) => ({ ...proxy, name: labUser(name, proxy.type), 'skip-cert-verify': true });

/** Carry bytes through each of the user's ways in with what these proxies say, and see that the panel counts them. */
async function carried(name, proxies) {
  const listenPort = await freePort();
  const named = proxies.map((proxy) => ofNode(name, proxy));
  const client = await runMihomo({ listenPort, proxies: named });
  const sum = { up: 0, down: 0 };
  const before = (await loop.history()).get(name) ?? { up: 0, down: 0 };
  try {
    for (const { type } of proxies) {
      const { up, down } = await letsThrough(listenPort, { user: name, protocol: type });
      Object.assign(sum, { up: sum.up + up, down: sum.down + down });
    }
    const traffic = await TrafficLab.start({ socksPort: listenPort });
    for (const { type } of proxies) {
      const { outcome } = await traffic.tcp({ user: name, protocol: type, up: 64 * KIB, down: 256 * KIB });
      assert.equal(outcome, 'complete', type);
    }
    const { up, down } = traffic.account.sum({ user: name });
    await traffic.stop();
    Object.assign(sum, { up: sum.up + up.low, down: sum.down + down.low });
    await until(`the panel has every byte of ${name}`, async () => {
      const now = (await loop.history()).get(name);
      return now && now.up - before.up === sum.up && now.down - before.down === sum.down;
    });
  } finally {
    await client.stop();
  }
}

test('a user is made with the credentials that his client has, which connect through the real core and are counted', async () => {
  await loop.api('POST', '/api/v1/users', { name: 'ann', credentials: SET });
  const shown = await loop.api('GET', of('ann'));
  assert.deepEqual(shown.by_hand, Object.keys(SET));
  for (const [field, value] of Object.entries(SET)) assert.equal(shown[field], value);
  await loop.loaded();
  const proxies = proxiesOf(await listOf('ann', 'mihomo'));
  assert.deepEqual(proxies.map(({ type, uuid, password }) => [type, uuid ?? password]).sort(), [
    ['trojan', SET.trojan_password],
    ['vless', UUID],
    ['vmess', SET.vmess_uuid],
  ]);
  await carried('ann', proxies);
});

test('others of the same node keep their own, and nothing set is in the database as it is', async () => {
  await carried('other', proxiesOf(await listOf('other', 'mihomo')));
  const { results: users } = await loop.panel.db.prepare('SELECT * FROM users').all();
  const { results: slots } = await loop.panel.db.prepare('SELECT * FROM slots').all();
  const { results: marks } = await loop.panel.db.prepare('SELECT * FROM credential_marks').all();
  const { items: audit } = await loop.api('GET', '/api/v1/audit?limit=50');
  const text = JSON.stringify({ users, slots, marks, audit });
  for (const value of Object.values(SET)) assert.ok(!text.includes(value), value);
  assert.equal(marks.length, 3);
});

test('they are changed by hand and derived again, while links stay; the old ones end at once', async () => {
  const link = (await loop.api('GET', '/api/v1/users/ann')).subscription_url;
  const old = proxiesOf(await listOf('ann', 'mihomo'));
  const vless = '31111111-2222-4333-8444-555555555555';
  const changed = await loop.api('PUT', of('ann'), { vless_uuid: vless });
  assert.deepEqual(changed.by_hand, ['vless_uuid']);
  assert.notEqual(changed.trojan_password, SET.trojan_password, 'what was not said is derived');
  await loop.loaded();
  await carried('ann', proxiesOf(await listOf('ann', 'mihomo')));
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies: old.map((proxy) => ofNode('ann', proxy)) });
  const traffic = await TrafficLab.start({ socksPort: listenPort });
  for (const { type } of old) {
    const { outcome } = await traffic.tcp({ user: 'ann', protocol: type, up: 1, down: 1 });
    assert.notEqual(outcome, 'complete', `${type} with what he had before`);
  }
  await traffic.stop();
  await client.stop();
  const derived = await loop.api('DELETE', of('ann'));
  assert.deepEqual(derived.by_hand, []);
  assert.equal((await loop.api('GET', '/api/v1/users/ann')).subscription_url, link);
  await loop.held();
  await carried('ann', proxiesOf(await listOf('ann', 'mihomo')));
});

test('bad credentials are named, and two users never have the same', async () => {
  const { panel } = loop;
  await loop.api('POST', '/api/v1/users', { name: 'ben', credentials: { vless_uuid: UUID, tuic_password: 'a' } });
  for (const [method, path, body, status, word] of [
    ['POST', '/api/v1/users', { name: 'eve', credentials: { vless_uuid: 'me' } }, 422, 'credentials.vless_uuid'],
    ['POST', '/api/v1/users', { name: 'eve', credentials: { uuid: UUID } }, 422, 'credentials.uuid'],
    ['POST', '/api/v1/users', { name: 'eve', credentials: 7 }, 422, 'credentials'],
    ['PUT', of('other'), { trojan_password: '' }, 422, 'trojan_password'],
    ['PUT', of('other'), { shadowsocks_key_32: 'AAAA' }, 422, 'shadowsocks_key_32'],
    ['PUT', of('other'), { vless_uuid: UUID.toUpperCase().replaceAll('1', 'A') }, 422, 'vless_uuid'],
    ['PUT', of('other'), { vless_uuid: UUID }, 409, 'vless_uuid'],
    ['POST', '/api/v1/users', { name: 'eve', credentials: { vless_uuid: UUID } }, 409, 'credentials.vless_uuid'],
    ['PUT', of('nobody'), {}, 404, 'user'],
    ['POST', of('other'), {}, 405, 'GET, PUT, DELETE'],
  ]) {
    const answer = await panel.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`);
    assert.ok(answer.text.includes(word), answer.text);
  }
  assert.equal((await panel.api('GET', '/api/v1/users/eve')).status, 404);
  assert.deepEqual((await loop.api('GET', of('other'))).by_hand, []);
  assert.equal((await panel.request('GET', of('ben'))).status, 401);
  // Of another kind of inbound the same text is another credential, and so is a password that goes with a uuid.
  await loop.api('PUT', of('other'), { vmess_uuid: UUID, tuic_password: 'a' });
  assert.equal((await panel.api('DELETE', '/api/v1/users/ben')).status, 204);
  assert.equal((await panel.api('PUT', of('other'), { vless_uuid: UUID })).status, 200, 'a deleted user holds nothing');
});
