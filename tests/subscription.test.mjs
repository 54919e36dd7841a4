/** Subscriptions on the real Worker, and what a real client makes of them. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { loadWithMihomo } from './support/mihomo.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now, slotCredentials } from './support/wire.mjs';

const GB = 2 ** 30;
const SERVER_KEY_16 = Buffer.alloc(16, 0xfb).toString('base64');
const SERVER_KEY_32 = Buffer.alloc(32, 0xff).toString('base64');

/** One inbound of each kind that the panel makes links for. */
const TLS = { tls: true, server_name: 'weir.test', insecure: true };
const INBOUNDS = [
  { protocol: 'trojan', ...TLS },
  { protocol: 'vless', ...TLS },
  { protocol: 'vless' },
  { protocol: 'vmess' },
  { protocol: 'shadowsocks', method: '2022-blake3-aes-128-gcm', server_key: SERVER_KEY_16 },
  { protocol: 'shadowsocks', method: '2022-blake3-aes-256-gcm', server_key: SERVER_KEY_32 },
  { protocol: 'shadowsocks', method: 'aes-256-gcm' },
  { protocol: 'hysteria2', ...TLS },
  { protocol: 'tuic', ...TLS },
  { protocol: 'anytls', ...TLS },
  { protocol: 'mixed' },
  { protocol: 'http' },
].map((inbound, index) => ({ tag: `in-${index}`, port: 20_000 + index, ...inbound }));

let panel;
let authKey;
let node;

before(async () => {
  panel = await startPanel();
  authKey = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8')).AUTH_KEY;
  node = await seedAgent(panel, { name: 'Zürich 🚀' });
  assert.equal((await node.sync({ inbounds: INBOUNDS })).status, 200);
});
after(() => panel?.stop());

/** The token as the documentation describes it, written a second time. */
function token(user, generation = 1) {
  const claim = Buffer.alloc(8);
  claim.writeUInt32BE(user.id, 0);
  claim.writeUInt32BE(generation, 4);
  const seal = createHmac('sha256', authKey).update('weir/sub/1:').update(claim).digest().subarray(0, 16);
  return Buffer.concat([claim, seal]).toString('base64url');
}

async function user(usage) {
  const [one] = await seedUsers(panel, 1, usage);
  return one;
}

// Not compressed, so that the length that HEAD tells is the body's.
const get = (where, method = 'GET') => panel.request(method, `/sub/${where}`, { headers: { 'accept-encoding': 'identity' } });
const change = (one, set) => panel.db.prepare(`UPDATE users SET ${set} WHERE id = ?1`).bind(one.id).run();
/** @returns {Array<{scheme: string, link: string, name: string}>} */
const linksOf = (text) =>
  text.trim().split('\n').map((link) => ({ link, scheme: link.split('://')[0], name: decodeURIComponent(link.split('#')[1] ?? '') }));
const unbase64 = (text) => Buffer.from(text.replace('base64:', ''), 'base64').toString();

test('a subscription has a link for every inbound, with the credentials of the user', async () => {
  const one = await user();
  const { status, text } = await get(`${token(one)}/links`);
  assert.equal(status, 200);
  const links = linksOf(text);
  assert.deepEqual(links.map(({ scheme }) => scheme),
    ['trojan', 'vless', 'vless', 'vmess', 'ss', 'ss', 'ss', 'hysteria2', 'tuic', 'anytls', 'socks', 'http']);
  const { uuid, password, ss16, ss32 } = slotCredentials(panel.slotKey, one.slot);
  const by = (scheme, index = 0) => links.filter((link) => link.scheme === scheme)[index].link;
  assert.equal(by('trojan'), `trojan://${password}@127.0.0.1:20000?type=tcp&security=tls&sni=weir.test&allowInsecure=1#Z%C3%BCrich%20%F0%9F%9A%80%20trojan`);
  assert.ok(by('vless').startsWith(`vless://${uuid}@127.0.0.1:20001?encryption=none&`));
  assert.equal(JSON.parse(unbase64(by('vmess').slice(8))).id, uuid);
  assert.ok(by('ss').startsWith(`ss://2022-blake3-aes-128-gcm:${encodeURIComponent(`${SERVER_KEY_16}:${ss16}`)}@`));
  assert.ok(by('ss', 1).startsWith(`ss://2022-blake3-aes-256-gcm:${encodeURIComponent(`${SERVER_KEY_32}:${ss32}`)}@`));
  assert.equal(unbase64(by('ss', 2).slice(5).split('@')[0]), `aes-256-gcm:${password}`);
  assert.equal(unbase64(by('socks').slice(8).split('@')[0]), `${one.slot}:${password}`);
});

test('without a format, and as base64, it is the same list in standard base64', async () => {
  const one = await user();
  const plain = (await get(`${token(one)}/links`)).text;
  for (const where of [token(one), `${token(one)}/base64`, `${token(one)}/`]) {
    const { text, headers } = await get(where);
    assert.match(text, /^[A-Za-z0-9+/]+=*$/);
    assert.equal(unbase64(text), plain, where);
    assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
  }
});

test('a real mihomo loads every link, and reads the numbers', async () => {
  const expires = now() + 86_400;
  const one = await user({ monthlyQuota: 50 * GB, month: 3 * GB });
  await change(one, `expires_at = ${expires}`);
  const { proxies, subscriptionInfo, log } = await loadWithMihomo(`${panel.url}/sub/${token(one)}`);
  const count = (list) => Object.fromEntries([...new Set(list)].sort().map((type) => [type, list.filter((other) => other === type).length]));
  assert.deepEqual(count(proxies.map(({ type }) => type)),
    { AnyTLS: 1, Http: 1, Hysteria2: 1, Shadowsocks: 3, Socks5: 1, Trojan: 1, Tuic: 1, Vless: 2, Vmess: 1 }, log);
  assert.equal(proxies.length, INBOUNDS.length, log);
  const names = linksOf((await get(`${token(one)}/links`)).text);
  const loaded = new Set(proxies.map(({ name }) => name));
  for (const { name, scheme } of names) if (scheme !== 'vmess') assert.ok(loaded.has(name), `${name} is not in ${[...loaded]}`);
  assert.deepEqual(subscriptionInfo, { Upload: 0, Download: 3 * GB, Total: 50 * GB, Expire: expires });
});

test('a link that mihomo does not know costs no other one', async () => {
  const other = await seedAgent(panel, { name: 'Naive' });
  await other.sync({ inbounds: [{ tag: 'naive', protocol: 'naive', port: 20_100, tls: true, server_name: 'weir.test' }] });
  try {
    const one = await user();
    const { text } = await get(`${token(one)}/links`);
    const { password } = slotCredentials(panel.slotKey, one.slot);
    assert.ok(text.endsWith(`naive+https://${one.slot}:${password}@127.0.0.1:20100?sni=weir.test#Naive%20naive\n`), text);
    assert.equal((await loadWithMihomo(`${panel.url}/sub/${token(one)}`)).proxies.length, INBOUNDS.length);
  } finally {
    await panel.db.prepare('UPDATE nodes SET deleted_at = unixepoch() WHERE id = ?1').bind(other.node).run();
  }
});

test('clients get every header that they know, with real numbers', async () => {
  const one = await user({ monthlyQuota: 50 * GB, month: 3 * GB });
  const { headers } = await get(token(one));
  assert.equal(headers.get('subscription-userinfo'), `upload=0; download=${3 * GB}; total=${50 * GB}; expire=0`);
  assert.equal(headers.get('content-disposition'), `attachment; filename="Weir"; filename*=UTF-8''Weir`);
  assert.equal(unbase64(headers.get('profile-title')), 'Weir');
  assert.equal(headers.get('profile-update-interval'), '12');
  assert.equal(headers.get('profile-web-page-url'), `${panel.url}/sub/${token(one)}`);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('x-robots-tag'), 'noindex');
  assert.equal(headers.get('vary'), 'User-Agent, Accept');
  assert.equal(headers.get('announce'), null);
  const { period_end: end } = await panel.db.prepare('SELECT period_end FROM usage WHERE user = ?1').bind(one.id).first();
  assert.equal(headers.get('subscription-refill-date'), String(end));
});

test('HEAD answers with the same headers and no body', async () => {
  const one = await user();
  const [whole, head] = [await get(`${token(one)}/links`), await get(`${token(one)}/links`, 'HEAD')];
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  const plain = (headers) => Object.fromEntries([...headers].filter(([name]) => !['date', 'weir-cost', 'connection', 'keep-alive'].includes(name)));
  assert.deepEqual(plain(head.headers), plain(whole.headers));
});

test('mihomo, which asks with the tag that it has, gets the numbers alone while its list is the same', async () => {
  const one = await user({ monthlyQuota: 50 * GB });
  const ask = (tag, method = 'GET', format = 'mihomo') =>
    panel.request(method, `/sub/${token(one)}/${format}`, { headers: tag === undefined ? {} : { 'if-none-match': tag } });
  const whole = await ask();
  const tag = whole.headers.get('etag');
  assert.match(tag, /^"[0-9a-f]{16}"$/);
  await panel.db.prepare('UPDATE usage SET month = ?2 WHERE user = ?1').bind(one.id, GB).run();
  for (const [known, method] of [[tag, 'GET'], [`W/${tag}`, 'GET'], [tag, 'HEAD']]) {
    const { status, text, headers } = await ask(known, method);
    assert.deepEqual([status, text, headers.get('etag')], [304, '', tag]);
    assert.match(headers.get('subscription-userinfo'), new RegExp(`download=${GB};`));
  }
  assert.equal((await ask('"0123456789abcdef"')).text, whole.text);
  await change(one, `disabled_at = ${now()}`);
  const shut = await ask(tag);
  assert.deepEqual([shut.status, shut.headers.get('etag') === tag], [200, false], 'who may not pass any more hears it');
  for (const format of ['links', 'base64', 'sing-box', 'surge']) assert.equal((await ask(undefined, 'GET', format)).headers.get('etag'), null, format);
});

test('a real mihomo that fetches again keeps its list on 304 and reads the new numbers', async () => {
  const one = await user({ monthlyQuota: 50 * GB });
  const statuses = [];
  const relay = http.createServer(async (request, answer) => {
    const { host, connection, ...headers } = request.headers;
    const got = await fetch(panel.url + request.url, { headers });
    statuses.push(got.status);
    const { 'content-encoding': packed, 'content-length': length, 'transfer-encoding': chunked, ...told } = Object.fromEntries(got.headers);
    answer.writeHead(got.status, told).end(Buffer.from(await got.arrayBuffer()));
  });
  await new Promise((done) => relay.listen(0, '127.0.0.1', done));
  try {
    const between = () => panel.db.prepare('UPDATE usage SET month = ?2 WHERE user = ?1').bind(one.id, 7 * GB).run();
    const { proxies, subscriptionInfo, log } = await loadWithMihomo(`http://127.0.0.1:${relay.address().port}/sub/${token(one)}`, { between });
    assert.deepEqual(statuses, [200, 304], log);
    assert.equal(proxies.length, INBOUNDS.length, log);
    assert.equal(subscriptionInfo.Download, 7 * GB);
  } finally {
    relay.closeAllConnections();
    await new Promise((done) => relay.close(done));
  }
});

test('a period that ended unnoticed shows when traffic comes, not when it came', async () => {
  const one = await user({ monthlyQuota: GB, month: GB, periodStart: now() - 40 * 86_400, periodEnd: now() - 10 });
  const refill = Number((await get(token(one))).headers.get('subscription-refill-date'));
  assert.ok(refill > now() && refill <= now() + 31 * 86_400, String(refill));
});

test('who may not pass gets one entry that says why', async () => {
  const full = await user({ monthlyQuota: GB, month: GB });
  const total = await user({ totalQuota: GB, month: GB });
  const [expired, disabled] = [await user(), await user()];
  await change(expired, `expires_at = ${now() - 5}`);
  await change(disabled, `disabled_at = ${now()}`);
  for (const [one, says] of [
    [full, /^Traffic used up, new on \d{4}-\d\d-01$/],
    [total, /^Traffic used up$/],
    [expired, /^Subscription expired$/],
    [disabled, /^Account disabled$/],
  ]) {
    const { status, text, headers } = await get(`${token(one)}/links`);
    assert.equal(status, 200);
    const links = linksOf(text);
    assert.equal(links.length, 1);
    assert.match(links[0].name, says);
    assert.equal(unbase64(headers.get('announce')), links[0].name);
    const { proxies, log } = await loadWithMihomo(`${panel.url}/sub/${token(one)}`);
    assert.deepEqual(proxies.map(({ name }) => name), [links[0].name], log);
  }
});

test('an operator sets in the panel how subscriptions present themselves', async () => {
  const [open, shut] = [await user(), await user()];
  await panel.db.prepare('UPDATE users SET disabled_at = 1 WHERE id = ?1').bind(shut.id).run();
  const get = (one, format) => panel.request('GET', `/sub/${token(one)}/${format}`);
  const area = '/api/v1/settings/subscriptions';
  const set = { title: 'Blue River', update_hours: 6, support_url: 'https://example.com/help', barred: 'empty' };
  assert.deepEqual((await panel.api('PUT', area, set)).body, set);
  const { headers, cost } = await get(open, 'links');
  const said = ['profile-update-interval', 'support-url', 'content-disposition'].map((name) => headers.get(name));
  assert.deepEqual(said, ['6', 'https://example.com/help', `attachment; filename="Blue River"; filename*=UTF-8''Blue%20River`]);
  assert.ok(cost.read <= 4, JSON.stringify(cost));
  const page = await panel.request('GET', `/sub/${token(open)}/page`);
  assert.ok(page.text.includes('Blue River') && page.text.includes('https://example.com/help'));

  const empty = await get(shut, 'links');
  assert.deepEqual([empty.status, empty.text], [200, '']);
  assert.ok(empty.headers.get('announce'), 'clients that show it still say why');
  assert.equal((await get(shut, 'xray')).text.trim(), '[]');
  assert.equal((await panel.request('GET', `/api/xpert/sub?user_token=${token(shut)}`)).text, '');
  assert.ok((await get(shut, 'mihomo')).text.includes('Account disabled'), 'a whole profile needs a member for its groups');

  for (const [body, field] of [
    [{ title: '' }, 'title'],
    [{ update_hours: 0 }, 'update_hours'],
    [{ support_url: 'javascript:alert(1)' }, 'support_url'],
    [{ barred: 'hide' }, 'barred'],
    [{ colour: 'blue' }, 'colour'],
  ]) {
    const refusal = await panel.api('PUT', area, body);
    assert.deepEqual([refusal.status, refusal.body.error.field], [422, field], refusal.text);
  }
  assert.deepEqual((await panel.api('GET', area)).body, set);
  await panel.api('PUT', area, {});
  assert.equal((await get(open, 'links')).headers.get('profile-update-interval'), '12');
});

test('the operator sees what each format leaves out, and why', async () => {
  const one = await user();
  const other = await seedAgent(panel, { name: 'Graz' });
  assert.equal((await other.sync({ inbounds: [{ tag: 'n', protocol: 'naive', port: 30_000, ...TLS, insecure: false }] })).status, 200);
  const look = () => panel.api('GET', `/api/v1/users/${one.name}/subscription`);
  const { body, cost } = await look();
  assert.equal(body.reason, null);
  assert.equal(body.servers.length, INBOUNDS.length + 1);
  assert.ok(cost.read <= 7 && cost.written === 0, JSON.stringify(cost));
  const lists = Object.fromEntries(body.lists.map((list) => [list.format, list]));
  assert.deepEqual(lists.links.left_out, []);
  const { left_out: leftOut, ...mihomo } = lists.mihomo;
  assert.deepEqual(leftOut, [{ name: 'Graz naive', code: 'protocol', why: 'the format does not know this protocol' }]);
  // What it says is what an app gets.
  for (const { format, url, content_type: type, bytes, servers, left_out: missing } of body.lists) {
    const answer = await panel.request('GET', new URL(url).pathname);
    assert.deepEqual([answer.status, answer.headers.get('content-type'), Buffer.byteLength(answer.text)], [200, type, bytes], format);
    assert.equal(answer.headers.get('weir-left-out') ?? '0', `${missing.length}`, format);
    assert.ok(servers + missing.length >= body.servers.length || format === 'outline', format);
  }
  assert.equal(mihomo.servers, INBOUNDS.length);
  await panel.db.prepare('UPDATE users SET disabled_at = 1 WHERE id = ?1').bind(one.id).run();
  const shut = (await look()).body;
  assert.equal(shut.reason, 'Account disabled');
  assert.deepEqual(shut.servers, body.servers);
  assert.equal((await panel.api('GET', '/api/v1/users/nobody-here/subscription')).status, 404);
  assert.equal((await panel.request('GET', `/api/v1/users/${one.name}/subscription`)).status, 401);
  assert.equal((await panel.api('DELETE', `/api/v1/nodes/${other.node}`)).status, 204);
});

test('a quota of a month that is over does not count any more', async () => {
  const one = await user({ monthlyQuota: GB, month: GB, periodStart: now() - 40 * 86_400, periodEnd: now() - 10 });
  const { text, headers } = await get(`${token(one)}/links`);
  assert.equal(linksOf(text).length, INBOUNDS.length);
  assert.match(headers.get('subscription-userinfo'), /download=0; /);
});

test('a forged token costs no query, an unknown format neither; what may be an alias costs the look for it', async () => {
  const one = await user();
  const good = token(one);
  const none = { queries: 0, read: 0, written: 0 };
  for (const bad of [good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'), '%00', 'global']) {
    const { status, cost } = await get(bad);
    assert.equal(status, 404, bad);
    assert.deepEqual(cost, none, bad);
  }
  for (const bad of [good.slice(1), 'admin', `${good}=`]) {
    const { status, cost } = await get(bad);
    assert.equal(status, 404, bad);
    assert.ok(cost.queries === 1 && cost.read <= 2 && cost.written === 0, `${bad}: ${JSON.stringify(cost)}`);
  }
  const { status, text, cost } = await get(`${good}/carrier-pigeon`);
  assert.equal(status, 422);
  assert.match(text, /format/);
  assert.deepEqual(cost, none);
});

test('revoked links and those of deleted users are not found', async () => {
  const [revoked, deleted] = [await user(), await user()];
  await change(revoked, 'generation = 2');
  await change(deleted, 'deleted_at = unixepoch()');
  assert.equal((await get(token(revoked))).status, 404);
  assert.equal((await get(token(revoked, 2))).status, 200);
  assert.equal((await get(token(revoked, 3))).status, 404, 'a generation that is still to come');
  assert.equal((await get(token(deleted))).status, 404);
});

test('a fetch costs two queries, reads at most four rows and writes one for the first of the hour', async (t) => {
  const one = await user();
  for (const [method, written] of [['HEAD', 0], ['GET', 1], ['GET', 0], ['HEAD', 0]]) {
    const { cost } = await get(token(one), method);
    t.diagnostic(`${method}: ${JSON.stringify(cost)}`);
    assert.ok(cost.queries <= 2 && cost.read <= 4 && cost.written === written, JSON.stringify(cost));
  }
});

test('before a server is connected the list says so', async () => {
  const empty = await startPanel();
  try {
    const [one] = await seedUsers(empty, 1);
    const own = authKey;
    authKey = JSON.parse(await readFile(path.join(empty.folder, 'secrets.json'), 'utf8')).AUTH_KEY;
    const { text } = await empty.request('GET', `/sub/${token(one)}/links`);
    authKey = own;
    assert.deepEqual(linksOf(text).map(({ name }) => name), ['No server is connected yet']);
  } finally {
    await empty.stop();
  }
});
