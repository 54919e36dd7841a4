/** Hosts over Marzban's API: they are the addresses of our nodes' inbounds, and what is said of them is in links. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertBreaks, assertDetail, callersOfEachRole, NOT_ALLOWED } from './support/marzban-bearer.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';

const ws = (tag, port) => ({ tag, protocol: 'vless', port, tls: true, server_name: 'weir.test', transport: { type: 'ws', path: '/in' } });
const DEFAULTS = {
  port: null, sni: null, host: null, path: null, security: 'inbound_default', alpn: '', fingerprint: '', allowinsecure: null, is_disabled: false,
  mux_enable: false, fragment_setting: null, noise_setting: null, random_user_agent: false, use_sni_as_host: false,
};
const host = (remark, address, fields) => ({ remark, address, ...DEFAULTS, ...fields });

let panel;
let callers;
let owner;
let wien;
let bern;
let user;
const hosts = async () => (await owner('GET', '/api/hosts')).body;
const put = async (map) => {
  const { status, body, text } = await owner('PUT', '/api/hosts', map);
  assert.equal(status, 200, text);
  return body;
};
const addressesOf = async (node) => (await panel.api('GET', `/api/v1/nodes/${node}/addresses`)).body.items;
/** The user's links: their remarks. */
const links = async () => {
  const { body, status, text } = await panel.api('GET', `/api/v1/users/${user.name}/subscription`);
  assert.equal(status, 200, text);
  const { text: list } = await panel.request('GET', `${new URL(body.url).pathname}/links`);
  return list.trim().split('\n').map((line) => new URL(line));
};

before(async () => {
  panel = await startPanel();
  callers = await callersOfEachRole(panel);
  ({ owner } = callers);
  [user] = await seedUsers(panel, 1);
  const agents = [await seedAgent(panel, { name: 'Wien' }), await seedAgent(panel, { name: 'Bern' })];
  [wien, bern] = agents.map(({ node }) => node);
  await panel.db.prepare("UPDATE nodes SET address = iif(id = ?1, 'wien.example', 'bern.example')").bind(wien).run();
  assert.equal((await agents[0].sync({ inbounds: [ws('WS', 443), { tag: 'HY2', protocol: 'hysteria2', port: 8443, tls: true }] })).status, 200);
  assert.equal((await agents[1].sync({ inbounds: [ws('WS', 8443)] })).status, 200);
});
after(() => panel?.stop());

test('every tag that a node has told is there, without hosts as long as nobody gave it one', async () => {
  assert.deepEqual(await hosts(), { HY2: [], WS: [] });
});

test('a host that stands for each node’s own address comes to every node that has the tag', async () => {
  const all = await put({ WS: [{ remark: '{NODE} own', address: '{SERVER_IP}' }] });
  assert.deepEqual(all, { HY2: [], WS: [host('{NODE} own', 'wien.example'), host('{NODE} own', 'bern.example')] });
  assert.deepEqual([(await addressesOf(wien)).length, (await addressesOf(bern)).length], [1, 1]);
  assert.equal((await addressesOf(wien))[0].address, null, "it follows the node's own address");
});

test('a host comes to the node whose address it has, any other one to the first with the tag, and all fields are in links', async () => {
  const cdn = host('cdn', 'cdn.example', { port: 2096, sni: 'sni.example', host: 'host.example', path: '/ws', security: 'tls', alpn: 'h2,http/1.1', fingerprint: 'firefox', allowinsecure: true });
  const all = await put({ WS: [cdn, { remark: 'bern', address: 'bern.example', security: 'none' }] });
  assert.deepEqual(all.WS, [cdn, host('bern', 'bern.example', { security: 'none' })]);
  assert.deepEqual([(await addressesOf(wien)).map(({ remark }) => remark), (await addressesOf(bern)).map(({ remark }) => remark)], [['cdn'], ['bern']]);
  const [first, ...others] = (await links()).filter(({ protocol }) => protocol === 'vless:');
  const said = Object.fromEntries(first.searchParams);
  assert.deepEqual([first.host, decodeURIComponent(first.hash)], ['cdn.example:2096', '#cdn']);
  assert.deepEqual([said.sni, said.host, said.path, said.security, said.alpn, said.fp], ['sni.example', 'host.example', '/ws', 'tls', 'h2,http/1.1', 'firefox']);
  assert.deepEqual(others.map((url) => [url.host, url.searchParams.get('security')]), [['bern.example:8443', 'none']]);
});

test('what comes back as it was got changes nothing, and writes nothing into the log', async () => {
  const [all, rows] = [await hosts(), [await addressesOf(wien), await addressesOf(bern)]];
  const entries = async () => (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];
  const before = await entries();
  assert.deepEqual(await put(all), all);
  assert.deepEqual([await addressesOf(wien), await addressesOf(bern)], rows);
  assert.deepEqual(await entries(), before);
});

test('tags that are left out stay, and a change is in the log by its tag', async () => {
  const before = await hosts();
  const all = await put({ HY2: [{ remark: 'hy', address: 'wien.example' }] });
  assert.deepEqual(all, { ...before, HY2: [host('hy', 'wien.example')] });
  const entry = (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];
  assert.deepEqual([entry.action, entry.subject, entry.before, entry.after], ['node.address.change', 'hosts', { HY2: [] }, { HY2: [host('hy', 'wien.example')] }]);
});

test('what no link here has is kept and shown again, also when the panel’s own API changes the address', async () => {
  const kept = { mux_enable: true, fragment_setting: '10-100,100-200,tlshello', noise_setting: 'rand:10-20,100-200', random_user_agent: true, use_sni_as_host: true };
  const all = await put({ HY2: [host('hy', 'wien.example', kept)] });
  assert.deepEqual(all.HY2, [host('hy', 'wien.example', kept)]);
  const address = (await addressesOf(wien)).find(({ inbound }) => inbound === 'HY2');
  assert.equal((await panel.api('PATCH', `/api/v1/nodes/${wien}/addresses/${address.id}`, { port: 9443 })).status, 200);
  assert.deepEqual((await hosts()).HY2, [host('hy', 'wien.example', { ...kept, port: 9443 })]);
});

test('a host that is switched off is in no link, and keeps the plans that the panel gave it', async () => {
  const address = (await addressesOf(wien)).find(({ inbound }) => inbound === 'HY2');
  assert.equal((await panel.api('PATCH', `/api/v1/nodes/${wien}/addresses/${address.id}`, { plans: ['free'] })).status, 200);
  const [hy] = (await hosts()).HY2;
  assert.equal((await put({ HY2: [{ ...hy, is_disabled: true }] })).HY2[0].is_disabled, true);
  const [stands] = (await addressesOf(wien)).filter(({ inbound }) => inbound === 'HY2');
  assert.deepEqual([stands.active, stands.plans], [false, ['free']]);
  assert.ok(!(await links()).some(({ protocol }) => protocol === 'hysteria2:'));
  const { inbound_plans: told } = await panel.db.prepare('SELECT inbound_plans FROM nodes WHERE id = ?1').bind(wien).first();
  assert.deepEqual(JSON.parse(told), [{ inbound: 'HY2', plans: ['free'] }], 'the node refuses others there');
});

test('an empty list clears a tag: its inbound is reached at its nodes’ own addresses', async () => {
  assert.deepEqual((await put({ HY2: [], WS: [] })), { HY2: [], WS: [] });
  assert.deepEqual([await addressesOf(wien), await addressesOf(bern)], [[], []]);
  assert.deepEqual((await links()).map(({ host: where }) => where), ['wien.example:443', 'wien.example:8443', 'bern.example:8443']);
});

test('a tag that no node has is refused, and nothing of the body is done', async () => {
  assertDetail(await owner('PUT', '/api/hosts', { WS: [{ remark: 'x', address: 'x.example' }], gone: [] }), 400, "Inbound gone doesn't exist");
  assert.deepEqual(await hosts(), { HY2: [], WS: [] });
});

test('a field that breaks its rule is named, and nothing is changed', async () => {
  const breaks = {
    remark: [undefined, '', 7, 'x'.repeat(129)],
    address: [undefined, '', 'https://x.example', 'a b', '*.example', '{UNKNOWN}', 7],
    port: [0, 65_536, '443', 1.5],
    sni: ['a,b', 'https://x', 7],
    host: ['a b', 7],
    path: ['/a b', '/ü', 'x'.repeat(257), 7],
    security: ['reality', '', 7],
    alpn: ['h4', 'http/1.1,h2', 7],
    fingerprint: ['netscape', 7],
    allowinsecure: ['no', 1],
    is_disabled: ['no', 1],
    mux_enable: ['no'],
    fragment_setting: ['1,2', 'x'],
    noise_setting: ['x', `str:${'x'.repeat(2_000)}`],
    random_user_agent: ['no'],
    use_sni_as_host: ['no'],
  };
  for (const [field, values] of Object.entries(breaks)) {
    for (const value of values) {
      assertBreaks(await owner('PUT', '/api/hosts', { WS: [{ ...host('r', 'x.example'), [field]: value }] }), field);
    }
  }
  for (const body of [[], 'x', null]) assertBreaks(await owner('PUT', '/api/hosts', body), 'body');
  assertBreaks(await owner('PUT', '/api/hosts', { WS: {} }), 'WS');
  assert.deepEqual(await hosts(), { HY2: [], WS: [] });
});

test('every word that Marzban has for a field is taken and shown again', async () => {
  const words = {
    security: ['inbound_default', 'none', 'tls'],
    alpn: ['', 'h3', 'h2', 'http/1.1', 'h3,h2,http/1.1', 'h3,h2', 'h2,http/1.1'],
    fingerprint: ['', 'chrome', 'firefox', 'safari', 'ios', 'android', 'edge', '360', 'qq', 'random', 'randomized'],
    allowinsecure: [null, true, false],
  };
  const sent = Object.entries(words).flatMap(([field, values]) => values.map((value, index) => host(`${field} ${index}`, 'x.example', { [field]: value })));
  assert.deepEqual((await put({ WS: sent })).WS, sent);
  await put({ WS: [] });
});

test('a node has so many hosts at most', async () => {
  const many = Array.from({ length: 65 }, (_, index) => ({ remark: `${index}`, address: 'x.example' }));
  assertDetail(await owner('PUT', '/api/hosts', { WS: many }), 400, 'A node has 64 hosts at most');
  assert.deepEqual((await hosts()).WS, []);
});

test('only sudo sees and changes hosts; a viewer sees them', async () => {
  const { admin, reseller, viewer } = callers;
  assertDetail(await reseller('GET', '/api/hosts'), 403, NOT_ALLOWED);
  for (const caller of [reseller, viewer]) assertDetail(await caller('PUT', '/api/hosts', { WS: [] }), 403, NOT_ALLOWED);
  assert.equal((await viewer('GET', '/api/hosts')).status, 200);
  assert.equal((await admin('PUT', '/api/hosts', {})).status, 200);
});
