/** Addresses of a node's inbounds on the real Worker: what the operator says is what clients are told, and a fetch stays as cheap. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const INBOUNDS = [
  { tag: 'tls', protocol: 'trojan', port: 443, tls: true, server_name: 'weir.test' },
  { tag: 'ws', protocol: 'vless', port: 8080, loopback: true, transport: { type: 'ws', path: '/in' } },
  { tag: 'quic', protocol: 'vless', port: 8443, tls: true, transport: { type: 'quic' } },
];

let panel;
let authKey;
let node;
let user;

before(async () => {
  panel = await startPanel();
  authKey = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8')).AUTH_KEY;
  [user] = await seedUsers(panel, 1, { monthlyQuota: 10 * 2 ** 30, month: 4 * 2 ** 30 });
  const agent = await seedAgent(panel, { name: 'Wien' });
  node = agent.node;
  await panel.db.prepare("UPDATE nodes SET address = 'vpn.example' WHERE id = ?1").bind(node).run();
  assert.equal((await agent.sync({ inbounds: INBOUNDS })).status, 200);
});
after(() => panel?.stop());

async function ok(status, method, where, body) {
  const answer = await panel.api(method, where, body);
  assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
  return answer.body;
}
const at = (rest = '') => `/api/v1/nodes/${node}/addresses${rest}`;
const add = (fields) => ok(201, 'POST', at(), fields);

/** The token as the documentation describes it, written a second time. */
function token(one) {
  const claim = Buffer.alloc(8);
  claim.writeUInt32BE(one.id, 0);
  claim.writeUInt32BE(1, 4);
  const seal = createHmac('sha256', authKey).update('weir/sub/1:').update(claim).digest().subarray(0, 16);
  return Buffer.concat([claim, seal]).toString('base64url');
}

/** The user's links as URLs, and what the fetch cost. */
async function links() {
  const { status, text, cost } = await panel.request('GET', `/sub/${token(user)}/links`, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(status, 200, text);
  assert.ok(cost.queries <= 2 && cost.read <= 4, JSON.stringify(cost));
  return text.trim().split('\n').map((line) => new URL(line));
}
const names = async () => (await links()).map(({ hash }) => decodeURIComponent(hash.slice(1)));

/** A request that is refused with this field and leaves the database as it was. */
async function refused(method, where, body, field) {
  const before = await dump(panel);
  assertRefused(await panel.api(method, where, body), 422, 'invalid', field);
  assert.deepEqual(await dump(panel), before, `${method} ${where} ${JSON.stringify(body)}`);
}

async function clear() {
  for (const { id } of (await ok(200, 'GET', at())).items) await ok(204, 'DELETE', at(`/${id}`));
}

test('what the agent tells of its inbounds is shown, with why an inbound is in no link', async () => {
  const { total, items, next } = await ok(200, 'GET', `/api/v1/nodes/${node}/inbounds`);
  assert.deepEqual([total, next], [3, null]);
  assert.deepEqual(items.map(({ tag, addresses }) => [tag, addresses]), [['tls', 0], ['ws', 0], ['quic', 0]]);
  assert.deepEqual([items[0].why_not, items[1].transport], [null, { type: 'ws', path: '/in' }]);
  assert.match(items[1].why_not, /loopback/);
  assert.match(items[2].why_not, /transport/);
  assert.deepEqual(await names(), ['Wien trojan']);
});

test('an address is created, read, changed, cleared and deleted, and clients are told each time', async () => {
  const answer = await panel.api('POST', at(), { inbound: 'ws', address: 'cdn.example', port: 443, security: 'tls', sni: 'sni.example', host: 'host.example', path: '/out', alpn: ['http/1.1'], fingerprint: 'chrome', insecure: false, remark: '{USERNAME} {TRANSPORT}' });
  assert.equal(answer.status, 201, answer.text);
  const { id, ...shown } = answer.body;
  assert.equal(answer.headers.get('location'), `/api/v1/nodes/${node}/addresses/${id}`);
  assert.deepEqual(shown, {
    position: 1,
    active: true,
    inbound: 'ws',
    remark: '{USERNAME} {TRANSPORT}',
    address: 'cdn.example',
    port: 443,
    security: 'tls',
    sni: 'sni.example',
    host: 'host.example',
    path: '/out',
    alpn: ['http/1.1'],
    fingerprint: 'chrome',
    insecure: false,
    plans: [],
  });
  assert.deepEqual(await ok(200, 'GET', at(`/${id}`)), answer.body);
  const [link, own] = await links();
  assert.equal(own.protocol, 'trojan:');
  assert.deepEqual([link.protocol, link.host, link.hash], ['vless:', 'cdn.example:443', `#${user.name}%20ws`]);
  const said = Object.fromEntries(link.searchParams);
  assert.deepEqual(said, { encryption: 'none', type: 'ws', host: 'host.example', path: '/out', security: 'tls', sni: 'sni.example', alpn: 'http/1.1', fp: 'chrome' });
  assert.equal((await ok(200, 'GET', `/api/v1/nodes/${node}/inbounds`)).items[1].addresses, 1);

  const changed = await ok(200, 'PATCH', at(`/${id}`), { remark: null, port: null, security: null, fingerprint: null, path: null });
  assert.deepEqual([changed.remark, changed.port, changed.sni], [null, null, 'sni.example']);
  const [later] = await links();
  assert.deepEqual([later.host, later.hash, later.searchParams.get('security'), later.searchParams.get('path')], ['cdn.example:8080', '#Wien%20vless', 'none', '/in']);

  await ok(200, 'PATCH', at(`/${id}`), { active: false });
  assert.deepEqual(await names(), ['Wien trojan']);
  await ok(204, 'DELETE', at(`/${id}`));
  assert.equal((await panel.api('GET', at(`/${id}`))).status, 404);
  assert.equal((await panel.api('DELETE', at(`/${id}`))).status, 404);
});

test('addresses come in the order that the operator gives them, and only to users of their plans', async () => {
  const [a, b, c] = [await add({ inbound: 'tls', remark: 'a' }), await add({ inbound: 'ws', remark: 'b', plans: ['basic'] }), await add({ inbound: 'tls', remark: 'c' })];
  assert.deepEqual(await names(), ['a', 'c']);
  await panel.db.prepare("UPDATE users SET plan = 'basic' WHERE id = ?1").bind(user.id).run();
  const { items } = await ok(200, 'POST', at('/reorder'), { ids: [c.id, b.id, a.id] });
  assert.deepEqual(items.map(({ id, position }) => [id, position]), [[c.id, 1], [b.id, 2], [a.id, 3]]);
  assert.deepEqual(await names(), ['c', 'b', 'a']);
  for (const ids of [[c.id, b.id], [c.id, b.id, a.id, a.id], [c.id, b.id, 0], []]) {
    await refused('POST', at('/reorder'), { ids }, 'ids');
  }
  const xpert = await panel.request('GET', `/api/xpert/sub?user_token=${token(user)}`);
  assert.deepEqual(xpert.text.trim().split('\n').map((line) => new URL(line).hash), ['#c', '#b', '#a']);
  await clear();
});

test('a remark says how the user stands when he fetches', async () => {
  await panel.db.prepare('UPDATE users SET expires_at = ?2 WHERE id = ?1').bind(user.id, now() + 5 * 86_400 - 60).run();
  await ok(200, 'PATCH', `/api/v1/nodes/${node}`, { country: 'AT' });
  await add({ inbound: 'tls', remark: '{FLAG} {NODE} {STATUS_EMOJI} {DATA_LEFT}/{DATA_LIMIT} {DAYS_LEFT}d {PROTOCOL}:{PORT} {UNKNOWN}' });
  assert.deepEqual(await names(), ['🇦🇹 Wien ✅ 6 GB/10 GB 5d trojan:443 {UNKNOWN}']);
  await clear();
});

test('a wrong address is refused by its field and changes nothing', async () => {
  const { id } = await add({ inbound: 'tls', remark: 'good' });
  const wrong = [
    [{ remark: 'x' }, 'inbound'],
    [{ inbound: 'gone' }, 'inbound'],
    [{ inbound: 'tls', remark: '' }, 'remark'],
    [{ inbound: 'tls', remark: 'a\nb' }, 'remark'],
    [{ inbound: 'tls', address: 'https://x' }, 'address'],
    [{ inbound: 'tls', port: 0 }, 'port'],
    [{ inbound: 'tls', port: 70_000 }, 'port'],
    [{ inbound: 'tls', security: 'reality' }, 'security'],
    [{ inbound: 'tls', sni: '*.example' }, 'sni'],
    [{ inbound: 'tls', host: 'a b' }, 'host'],
    [{ inbound: 'tls', path: '/a b' }, 'path'],
    [{ inbound: 'tls', alpn: ['h2', 'spdy'] }, 'alpn[1]'],
    [{ inbound: 'tls', fingerprint: 'opera' }, 'fingerprint'],
    [{ inbound: 'tls', insecure: 'yes' }, 'insecure'],
    [{ inbound: 'tls', plans: ['basic', 'nobody'] }, 'plans[1]'],
    [{ inbound: 'tls', active: null }, 'active'],
    [{ inbound: 'tls', colour: 'red' }, 'colour'],
  ];
  for (const [body, field] of wrong) {
    await refused('POST', at(), body, field);
    if (body.inbound === 'tls') await refused('PATCH', at(`/${id}`), body, field);
  }
  for (const [method, where] of [['GET', '/api/v1/nodes/999/addresses'], ['GET', '/api/v1/nodes/999/inbounds'], ['GET', at('/999')], ['GET', at('/x')]]) {
    assert.equal((await panel.api(method, where)).status, 404, where);
  }
  assert.equal((await panel.api('PUT', at(`/${id}`))).status, 405);
  for (const country of ['at', 'AUT', 7]) {
    await refused('PATCH', `/api/v1/nodes/${node}`, { country }, 'country');
  }
  await clear();
});

test('a change costs the rows of the address, of its node and of what fetches read, however many there are', async (t) => {
  const costs = [];
  for (let number = 0; number < 10; number += 1) {
    const { cost, status } = await panel.api('POST', at(), { inbound: 'tls', remark: `${number}` });
    assert.equal(status, 201);
    costs.push(cost);
  }
  t.diagnostic(JSON.stringify([costs[0], costs.at(-1)]));
  // Address and index; node, meta, its mirrors for subscriptions and for the Xpert list; two of the audit log.
  assert.deepEqual([...new Set(costs.map(({ written }) => written))], [8]);
  await clear();
});

test('a node has 64 addresses at most, because every fetch reads all', async () => {
  for (let number = 0; number < 64; number += 1) await add({ inbound: 'tls', remark: `${number}` });
  const answer = await panel.api('POST', at(), { inbound: 'tls' });
  assert.deepEqual([answer.status, answer.body.error.code], [409, 'too_many']);
  assert.equal((await names()).length, 64);
  await clear();
  assert.deepEqual(await names(), ['Wien trojan']);
});

test('every change stands in the audit log', async () => {
  const { items } = await ok(200, 'GET', '/api/v1/audit?limit=200');
  const actions = new Set(items.map(({ action }) => action));
  for (const action of ['node.address.add', 'node.address.change', 'node.address.delete', 'node.address.reorder', 'node.change']) {
    assert.ok(actions.has(action), `${action} of ${[...actions]}`);
  }
  const changed = items.find(({ action, subject }) => action === 'node.address.change' && subject.startsWith(`nodes/${node}/addresses/`));
  assert.ok(changed.before && changed.after, JSON.stringify(changed));
  assert.equal((await ok(200, 'GET', '/api/v1/audit/verify?limit=1000')).ok, true);
});
