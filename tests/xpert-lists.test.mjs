/** Lists of links, direct configs, and the log of fetches, on the real Worker. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { loadWithMihomo } from './support/mihomo.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, BASE, setSettings, tokenOf } from './support/xpert.mjs';

const GB = 2 ** 30;
const UUID = '11111111-2222-4333-8444-555555555555';
const VLESS = `vless://${UUID}@de.example.com:443?encryption=none&security=tls&sni=de.example.com&type=tcp#Berlin%201`;
const TROJAN = 'trojan://secret@fr.example.com:8443?sni=fr.example.com&odd=kept#Paris';
const VMESS = `vmess://${Buffer.from(JSON.stringify({ v: '2', ps: 'Rome', add: 'it.example.com', port: '80', id: UUID, aid: '0', net: 'tcp', type: 'none', tls: '' })).toString('base64')}`;

let panel;
let authKey;

before(async () => {
  panel = await startPanel();
  authKey = await authKeyOf(panel);
  const node = await seedAgent(panel, { name: 'Home' });
  await node.sync({ inbounds: [{ tag: 'a', protocol: 'trojan', port: 20_000, tls: true, server_name: 'weir.test' }, { tag: 'b', protocol: 'vmess', port: 20_001 }] });
});
after(() => panel?.stop());

async function user(usage) {
  const [one] = await seedUsers(panel, 1, usage);
  return { ...one, token: tokenOf(authKey, one) };
}

const fetchList = (one, { direct = false, query = '', agent, method = 'GET' } = {}) =>
  panel.request(method, `${BASE}/${direct ? 'direct-configs/sub' : 'sub'}?user_token=${one.token}${query}`, {
    headers: { 'accept-encoding': 'identity', ...(agent === undefined ? {} : { 'user-agent': agent }) },
  });
const lines = (text) => text.trimEnd().split('\n');
const nameOf = (link) => decodeURIComponent(link.split('#')[1]);
const direct = (method, where = '', body = undefined) => panel.api(method, `${BASE}/direct-configs${where}`, body);
const clear = () => panel.db.batch([panel.db.prepare('DELETE FROM xpert_direct'), panel.db.prepare("UPDATE xpert_state SET direct = '[]', aggregated = '[]'")]);

async function add(raw, remarks) {
  const { status, text, body } = await direct('POST', '', { raw, remarks });
  assert.equal(status, 200, text);
  return body;
}

function refused(answer, status, says) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.body), ['detail']);
  assert.match(answer.body.detail, says);
}

test("a list holds the user's own nodes first, then aggregated and direct links as they are", async () => {
  await clear();
  const one = await user();
  await add(VLESS);
  await add(TROJAN);
  await panel.db.prepare('UPDATE xpert_state SET aggregated = ?1').bind(JSON.stringify([['Rome', VMESS]])).run();
  const { status, text, headers } = await fetchList(one);
  assert.equal(status, 200);
  const all = lines(text);
  assert.deepEqual(all.slice(2), [VMESS, VLESS, TROJAN]);
  assert.match(all[0], /^trojan:\/\/.*#Home%20trojan$/);
  assert.match(all[1], /^vmess:/);
  assert.ok(text.endsWith('\n'));
  assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
  const base64 = await fetchList(one, { query: '&format=base64' });
  assert.match(base64.text, /^[A-Za-z0-9+/]+=*$/);
  assert.equal(Buffer.from(base64.text, 'base64').toString(), text);
  assert.equal((await fetchList(one, { query: '&format=universal' })).text, text);
  assert.equal((await fetchList(one, { direct: true })).text, `${VLESS}\n${TROJAN}\n`);
  assert.equal(Buffer.from((await fetchList(one, { direct: true, query: '&format=base64' })).text, 'base64').toString(), `${VLESS}\n${TROJAN}\n`);
});

test('a real mihomo loads the whole list', async () => {
  await clear();
  const one = await user({ monthlyQuota: 50 * GB, month: 3 * GB });
  for (const raw of [VLESS, TROJAN, VMESS]) await add(raw);
  const { proxies, subscriptionInfo, log } = await loadWithMihomo(`${panel.url}${BASE}/sub?user_token=${one.token}`);
  assert.deepEqual(proxies.map(({ name }) => name).sort(), ['Berlin 1', 'Home trojan', 'Home vmess', 'Paris', 'Rome'], log);
  assert.deepEqual(subscriptionInfo, { Upload: 0, Download: 3 * GB, Total: 50 * GB, Expire: 0 });
});

test('no link is taken for which mihomo refuses all the others, and what it would misread is written so that it loads', async () => {
  await clear();
  const bad = {
    method: 'ss://YmYtY2ZiOnRlc3Q@198.51.100.7:8888#x',
    flow: `vless://${UUID}@h.example.com:443?flow=xtls-rprx-direct&security=tls#x`,
    'pinned certificate': 'hysteria2://x@h.example.com/?pinSHA256=short#x',
    encryption: `vless://${UUID}@h.example.com:443?encryption=auto&security=tls#x`,
    plugin: 'ss://YWVzLTI1Ni1nY206eA@h.example.com:443?plugin=v2ray-plugin%3Bmode%3Dquic%3Bhost%3Dh#x',
    transport: `vless://${UUID}@h.example.com:443?type=xhttp&mode=weird&security=tls#x`,
  };
  for (const [part, raw] of Object.entries(bad)) refused(await direct('POST', '', { raw }), 422, new RegExp(`mihomo refuses a whole list for such a ${part}`));
  const misread = ['hysteria2://p@h.example.com:443/?obfs=none#Hy', 'ss://YWVzLTI1Ni1nY206eA@h.example.com:443?plugin=v2ray-plugin%3Btls%3Bhost%3Dh#Ss'];
  const { body } = await direct('POST', '/batch', { configs: [...Object.values(bad), ...misread, TROJAN] });
  assert.deepEqual([body.successful_added, body.failed], [3, Object.keys(bad).length]);
  const one = await user();
  const { proxies, log } = await loadWithMihomo(`${panel.url}${BASE}/sub?user_token=${one.token}`);
  assert.deepEqual(proxies.map(({ name }) => name).sort(), ['Home trojan', 'Home vmess', 'Hy', 'Paris', 'Ss'], log);
  // It does refuse each of them.
  for (const [part, raw] of Object.entries(bad)) {
    await panel.db.prepare('UPDATE xpert_state SET direct = ?1').bind(JSON.stringify([['x', raw]])).run();
    assert.deepEqual((await loadWithMihomo(`${panel.url}${BASE}/sub?user_token=${one.token}`)).proxies, [], part);
  }
});

test('direct configs have so much room, and what does not fit is refused and changes nothing', async () => {
  await clear();
  const long = (number) => `trojan://${'x'.repeat(6_000)}@h${number}.example.com:1#${number}`;
  const configs = Array.from({ length: 80 }, (_, number) => long(number));
  assert.equal((await direct('POST', '/batch', { configs })).body.successful_added, 80);
  const more = await direct('POST', '/batch', { configs: [long(80), long(81), long(82), long(83)] });
  refused(more, 409, /500,000 bytes/);
  assert.equal((await direct('GET')).body.total, 80);
  const [{ id }] = (await direct('GET')).body.configs;
  assert.equal((await direct('PUT', `/${id}/toggle`)).status, 200);
  assert.equal((await direct('POST', '', { raw: long(80) })).status, 200);
  assert.equal((await direct('POST', '', { raw: long(81) })).status, 200);
  assert.equal((await direct('POST', '', { raw: long(82) })).status, 200);
  refused(await direct('PUT', `/${id}/toggle`), 409, /switch them off/);
  await clear();
});

test('our own node gives way to a direct config of the same name', async () => {
  await clear();
  const one = await user();
  await add('trojan://x@a.example.com:1#Home%20trojan');
  const names = lines((await fetchList(one)).text).filter((link) => link.startsWith('trojan')).map(nameOf);
  assert.deepEqual(names, ['Home trojan 2', 'Home trojan']);
});

test('clients get the headers of this family, with real numbers', async () => {
  await clear();
  const one = await user({ monthlyQuota: 50 * GB, month: 3 * GB });
  const expires = now() + 86_400;
  await panel.db.prepare('UPDATE users SET expires_at = ?2 WHERE id = ?1').bind(one.id, expires).run();
  const { headers } = await fetchList(one);
  assert.equal(headers.get('profile-update-interval'), '1');
  assert.equal(headers.get('subscription-userinfo'), `upload=0; download=${3 * GB}; total=${50 * GB}; expire=${expires}`);
  assert.equal(headers.get('profile-title'), 'Xpert Panel');
  assert.equal(headers.get('traffic-webhook'), `${panel.url}${BASE}/traffic-webhook`);
  assert.equal(headers.get('user-token'), one.token);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal((await fetchList(one, { direct: true })).headers.get('profile-title'), 'Xpert Direct');
  const unlimited = await fetchList(await user());
  assert.equal(unlimited.headers.get('subscription-userinfo'), 'upload=0; download=0; total=0; expire=0');
});

test('title and domain can be set, and without tracking there is no webhook', async () => {
  const one = await user();
  await setSettings(panel, { domain: 'vpn.example.com', title: 'My list', direct_title: 'Zürich' });
  try {
    const { headers } = await fetchList(one);
    assert.equal(headers.get('traffic-webhook'), 'https://vpn.example.com/api/xpert/traffic-webhook');
    assert.equal(headers.get('profile-title'), 'My list');
    const title = (await fetchList(one, { direct: true })).headers.get('profile-title');
    assert.equal(Buffer.from(title.replace('base64:', ''), 'base64').toString(), 'Zürich');
    await setSettings(panel, { tracking_enabled: false });
    assert.equal((await fetchList(one)).headers.get('traffic-webhook'), null);
    assert.equal((await fetchList(one)).headers.get('user-token'), one.token);
  } finally {
    await setSettings(panel, {});
  }
});

test('HEAD answers with the same headers and no body', async () => {
  const one = await user();
  const [whole, head] = [await fetchList(one), await fetchList(one, { method: 'HEAD' })];
  assert.deepEqual([head.status, head.text], [200, '']);
  for (const name of ['content-length', 'content-type', 'traffic-webhook', 'user-token', 'profile-title', 'subscription-userinfo']) {
    assert.equal(head.headers.get(name), whole.headers.get(name), name);
  }
});

test('a token that is missing is 422, an unknown one 404, an unknown format 422', async () => {
  const one = await user();
  for (const where of ['sub', 'direct-configs/sub']) {
    refused(await panel.request('GET', `${BASE}/${where}`), 422, /^user_token: /);
    refused(await panel.request('GET', `${BASE}/${where}?user_token=`), 422, /^user_token: /);
    for (const token of ['nobody', 'global', 'x'.repeat(32), tokenOf(authKey, one, 2)]) {
      refused(await panel.request('GET', `${BASE}/${where}?user_token=${token}`), 404, /not found/);
    }
    refused(await panel.request('GET', `${BASE}/${where}?user_token=${one.token}&format=clash`), 422, /^format: /);
  }
  await panel.db.prepare("INSERT INTO aliases (alias, user, created_at) VALUES ('old-1', ?1, 1)").bind(one.id).run();
  const { status, headers } = await panel.request('GET', `${BASE}/sub?user_token=old-1`);
  assert.deepEqual([status, headers.get('user-token')], [200, 'old-1']);
});

test('who may not pass gets one entry that says why, and a list without a link says so', async () => {
  await clear();
  await add(VLESS);
  const barred = await user({ monthlyQuota: GB, month: GB });
  for (const where of [false, true]) {
    const all = lines((await fetchList(barred, { direct: where })).text);
    assert.equal(all.length, 1);
    assert.match(nameOf(all[0]), /^Traffic used up/);
  }
  const one = await user();
  await clear();
  assert.deepEqual(lines((await fetchList(one, { direct: true })).text).map(nameOf), ['No server is connected yet']);
});

test('the first fetch of a user, hour and client family is logged, at most 8 of them', async () => {
  const one = await user();
  const { id, name } = one;
  const fetches = async () => (await panel.api('GET', `${BASE}/fetches?user=${name}`)).body.fetches;
  await fetchList(one, { agent: 'v2rayNG/1.8.29' });
  await fetchList(one, { agent: 'v2rayNG/1.9.0', query: '&format=base64' });
  await panel.request('GET', `/sub/${one.token}`, { headers: { 'user-agent': 'clash-verge/v2.4.0' } });
  await fetchList(one, { agent: 'HEADER/1', method: 'HEAD' });
  const seen = await fetches();
  assert.deepEqual(seen.map(({ user: who, client, format }) => [who, client, format]).sort(),
    [[name, 'clash-verge', 'mihomo'], [name, 'v2rayng', 'universal']]);
  assert.ok(seen.every(({ at }) => Math.abs(at - now()) < 60));
  await Promise.all(Array.from({ length: 20 }, (_, index) => fetchList(one, { agent: `app${index}/1` })));
  assert.equal((await fetches()).length, 8);
  const { results } = await panel.db.prepare('SELECT hour FROM fetch_log WHERE user = ?1').bind(id).all();
  assert.ok(results.length <= 2 && results.every(({ hour }) => hour % 3600 === 0));
  assert.equal((await panel.request('GET', `${BASE}/fetches`)).status, 401);
  assert.equal((await panel.api('GET', `${BASE}/fetches?user=nobody`)).status, 404);
});

test('a fetch reads at most 4 rows, sends at most 2 queries and writes 1 row for the first of its family', async (t) => {
  await clear();
  await add(VLESS);
  const one = await user({ monthlyQuota: GB });
  const pay = async (what, answer, written) => {
    const { cost } = await answer;
    t.diagnostic(`${what}: ${JSON.stringify(cost)}`);
    assert.ok(cost.queries <= 2 && cost.read <= 4 && cost.written === written, `${what}: ${JSON.stringify(cost)}`);
  };
  const sub = (agent) => panel.request('GET', `/sub/${one.token}`, { headers: { 'user-agent': agent } });
  await pay('first', fetchList(one, { agent: 'a/1' }), 1);
  await pay('again', fetchList(one, { agent: 'a/2' }), 0);
  await pay('another family', fetchList(one, { agent: 'b/1' }), 1);
  await pay('direct', fetchList(one, { agent: 'a/1', direct: true }), 0);
  await pay('/sub, another family', sub('c/1'), 1);
  await pay('/sub, again', sub('c/2'), 0);
  const { cost } = await panel.request('GET', `${BASE}/sub?user_token=${one.token.slice(0, -1)}${one.token.endsWith('A') ? 'B' : 'A'}`);
  assert.deepEqual(cost, { queries: 0, read: 0, written: 0 });
});

test('the log of fetches is shown for the days that are asked', async () => {
  const one = await user();
  const hour = Math.floor(now() / 3600) * 3600;
  const put = (days) => panel.db.prepare("INSERT INTO fetch_log (day, user, hour, entries) VALUES (CAST(?1 AS INTEGER) / 86400, ?2, CAST(?1 AS INTEGER), '[[\"a\",\"links\",1]]')").bind(hour - days * 86_400, one.id).run();
  for (const days of [1, 29, 31, 400]) await put(days);
  const { body } = await panel.api('GET', `${BASE}/fetches?days=3650&user=${one.name}`);
  assert.equal(body.fetches.length, 4);
  assert.equal((await panel.api('GET', `${BASE}/fetches?days=30&user=${one.name}`)).body.fetches.length, 2);
  const ofAll = (await panel.api('GET', `${BASE}/fetches?days=30`)).body.fetches.filter(({ user: name }) => name === one.name);
  assert.equal(ofAll.length, 2, 'among those of everybody too');
});

test('what one user fetched is found without reading what everybody fetched', async () => {
  const one = await user();
  const hour = Math.floor(now() / 3600) * 3600;
  const others = JSON.stringify(Array.from({ length: 5_000 }, (_, index) => [1_000_000 + (index % 500), hour - (index % 29) * 86_400]));
  const put = (list) => panel.db.prepare(`INSERT INTO fetch_log (day, user, hour, entries) SELECT (value ->> 1) / 86400, value ->> 0, value ->> 1, '[["a","links",1]]' FROM json_each(?1) GROUP BY 2, 3`).bind(list).run();
  await put(others);
  await put(JSON.stringify([[one.id, hour], [one.id, hour - 86_400 * 3]]));
  const { body, cost } = await panel.api('GET', `${BASE}/fetches?days=30&user=${one.name}`);
  assert.equal(body.fetches.length, 2);
  assert.ok(cost.read <= 2 + 2 + 3 * 31 + 2 * 2, `a key, a user, the days and his rows: ${cost.read} read`);
  await panel.db.prepare('DELETE FROM fetch_log WHERE user >= 1000000').run();
});

test('a direct config is added, shown, changed, switched and removed, and its link is never touched', async () => {
  await clear();
  const one = await user();
  const given = async () => lines((await fetchList(one, { direct: true })).text);
  const { id, message, config } = await add(`  ${TROJAN}  `, 'from a friend');
  assert.equal(message, 'Direct config added successfully');
  assert.match(config.added_at, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.deepEqual(config, {
    id, raw: TROJAN, protocol: 'trojan', server: 'fr.example.com', port: 8443, name: 'Paris', remarks: 'from a friend',
    is_active: true, is_permanent: false, position: 1, added_at: config.added_at,
  });
  assert.deepEqual((await direct('GET')).body, { configs: [config], total: 1 });
  assert.deepEqual(await given(), [TROJAN]);
  refused(await direct('POST', '', { raw: TROJAN }), 409, /already/);
  const changed = await direct('PUT', `/${id}`, { raw: VLESS });
  assert.deepEqual([changed.status, changed.body.config.raw, changed.body.config.remarks, changed.body.config.name], [200, VLESS, 'from a friend', 'Berlin 1']);
  assert.equal((await direct('PUT', `/${id}`, { remarks: '' })).body.config.remarks, '');
  assert.deepEqual(await given(), [VLESS]);
  assert.deepEqual((await direct('PUT', `/${id}/toggle`)).body, { message: 'Direct config toggled successfully', is_active: false });
  assert.deepEqual((await given()).map(nameOf), ['No server is connected yet']);
  assert.equal((await direct('PUT', `/${id}/toggle`)).body.is_active, true);
  assert.equal((await direct('PUT', `/${id}/permanent`)).body.is_permanent, true);
  assert.equal((await direct('PUT', `/${id}/permanent`)).body.is_permanent, false);
  const other = await add(VMESS);
  refused(await direct('PUT', `/${other.id}`, { raw: VLESS }), 409, /already/);
  assert.deepEqual(await given(), [VLESS, VMESS]);
  assert.deepEqual((await direct('DELETE', `/${id}`)).body, { message: 'Direct config deleted successfully' });
  assert.deepEqual(await given(), [VMESS]);
  for (const [method, where] of [['DELETE', `/${id}`], ['PUT', `/${id}/toggle`], ['PUT', `/${id}/permanent`], ['PUT', `/${id}`], ['DELETE', '/x'], ['DELETE', '/-1']]) {
    refused(await direct(method, where, method === 'PUT' ? {} : undefined), 404, /direct config not found/);
  }
});

test('each line of a batch is answered', async () => {
  await clear();
  await add(TROJAN);
  const configs = [VLESS, 'not a link', TROJAN, VMESS, VLESS, `ssr://${'x'.repeat(100)}`, '', 'https://example.com/'];
  const { status, body } = await direct('POST', '/batch', { configs });
  assert.equal(status, 200);
  assert.deepEqual([body.total_provided, body.successful_added, body.failed], [8, 2, 6]);
  assert.deepEqual(body.results.map(({ raw, protocol, server, port }) => [raw, protocol, server, port]),
    [[VLESS, 'vless', 'de.example.com', 443], [VMESS, 'vmess', 'it.example.com', 80]]);
  assert.deepEqual(body.errors.map(({ config_index: index, raw_prefix: prefix }) => [index, prefix]),
    [1, 2, 4, 5, 6, 7].map((index) => [index, configs[index].slice(0, 80)]));
  assert.match(body.errors[0].error, /scheme/);
  assert.match(body.errors[1].error, /already/);
  assert.match(body.errors[3].error, /ssr:\/\/ is not supported/);
  assert.deepEqual((await direct('GET')).body.configs.map(({ raw }) => raw), [TROJAN, VLESS, VMESS]);
  for (const bad of [{ configs: [] }, { configs: 'x' }, { configs: [7] }, {}, { configs: Array(1001).fill(VLESS) }]) {
    refused(await direct('POST', '/batch', bad), 422, /^configs/);
  }
});

test('a link is validated and nothing is stored', async () => {
  await clear();
  const validate = async (raw) => (await direct('POST', '/validate', { raw })).body;
  assert.deepEqual(await validate(VLESS), { valid: true, protocol: 'vless', server: 'de.example.com', port: 443, name: 'Berlin 1' });
  assert.deepEqual(await validate(VMESS), { valid: true, protocol: 'vmess', server: 'it.example.com', port: 80, name: 'Rome' });
  for (const [raw, says] of [['', /empty/], ['x', /scheme/], ['vless://@a.example.com:443', /uuid/], ['trojan://x@a.example.com:70000', /port/], [`${TROJAN}\n${VLESS}`, /./]]) {
    const answer = await validate(raw);
    assert.deepEqual(Object.keys(answer).sort(), ['error', 'valid'], raw);
    assert.equal(answer.valid, false, raw);
    assert.match(answer.error, says);
  }
  refused(await direct('POST', '/validate', {}), 422, /^raw: /);
  refused(await direct('POST', '', { raw: 'x' }), 422, /^raw: /);
  refused(await direct('POST', '', { raw: VLESS, remarks: 'x'.repeat(201) }), 422, /^remarks: /);
  assert.equal((await direct('GET')).body.total, 0);
});

test('the order of direct configs is the order of the list', async () => {
  await clear();
  const one = await user();
  const ids = [];
  for (const name of ['a', 'b', 'c', 'd']) ids.push((await add(`trojan://x@${name}.example.com:443#${name}`)).id);
  const [a, b, c, d] = ids;
  const names = async () => lines((await fetchList(one, { direct: true })).text).map(nameOf).join('');
  assert.equal(await names(), 'abcd');
  assert.equal((await direct('POST', '/reorder', { ids: [d, b] })).body.total, 4);
  assert.equal(await names(), 'dbac');
  await direct('POST', '/reorder', { source_id: c, target_id: d });
  assert.equal(await names(), 'cdba');
  await direct('POST', '/reorder', { source_id: c, target_id: b });
  assert.equal(await names(), 'dbca');
  refused(await direct('POST', '/reorder', { ids: [a, a] }), 422, /^ids: /);
  refused(await direct('POST', '/reorder', { ids: [99_999] }), 404, /not found/);
  refused(await direct('POST', '/reorder', {}), 422, /^ids: /);
});

test('direct configs are for operators only', async () => {
  for (const [method, where] of [['GET', ''], ['POST', ''], ['POST', '/batch'], ['POST', '/validate'], ['PUT', '/1'], ['DELETE', '/1'],
    ['PUT', '/1/toggle'], ['PUT', '/1/permanent'], ['POST', '/reorder']]) {
    refused(await panel.request(method, `${BASE}/direct-configs${where}`, { body: method === 'GET' ? undefined : '{}' }), 401, /credential/);
  }
});

test('a node that is added later is in the list', async () => {
  const one = await user();
  const node = await seedAgent(panel, { name: 'Later' });
  await node.sync({ inbounds: [{ tag: 'x', protocol: 'trojan', port: 20_050, tls: true, server_name: 'weir.test' }] });
  assert.ok(lines((await fetchList(one)).text).some((link) => link.endsWith('#Later%20trojan')));
  await panel.db.prepare('UPDATE nodes SET deleted_at = unixepoch() WHERE id = ?1').bind(node.node).run();
  assert.ok(!(await fetchList(one)).text.includes('Later'));
});
