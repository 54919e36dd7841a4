/** Subscriptions of others: fetched from a hostile server, kept, merged and handed out, on the real Worker. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { loadWithMihomo } from './support/mihomo.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort } from './support/ports.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { bomb, drip, flood, serveNames, startSource } from './support/sources.mjs';
import { authKeyOf, BASE, tokenOf } from './support/xpert.mjs';

const GB = 2 ** 30;
const link = (host, name, port = 443) => `trojan://secret@${host}:${port}?security=tls&sni=${host}&type=tcp#${encodeURIComponent(name)}`;
const GOOD = [link('one.example.com', 'One'), link('two.example.com', 'Two')];

let source;
let panel;
let authKey;

before(async () => {
  source = await startSource();
  serveNames(source, {
    'inside.example.com': ['10.0.0.7'],
    'mixed.example.com': ['93.184.215.14', '127.0.0.1'],
    'six.example.com': ['::1'],
    'mapped.example.com': ['::ffff:10.0.0.1'],
    'metadata.example.com': ['169.254.169.254'],
    'broken.example.com': ['not-an-address'],
    'failing.example.com': 2,
    'empty.example.com': [],
    'public.example.com': ['93.184.215.14', '2606:4700::1111'],
  });
  const port = await freePort();
  // Its own address is allowed too, so that what refuses it is not that it is private.
  panel = await startPanel({ port, vars: { XPERT_SOURCES_ALLOW: `${source.authority}, 127.0.0.1:${port}`, XPERT_RESOLVER: `${source.url}/dns-query` } });
  authKey = await authKeyOf(panel);
  const node = await seedAgent(panel, { name: 'Home' });
  await node.sync({ inbounds: [{ tag: 'a', protocol: 'trojan', port: 20_000, tls: true, server_name: 'weir.test' }] });
});
after(async () => {
  await panel?.stop();
  await source?.stop();
});
beforeEach(async () => {
  await panel.db.batch([
    panel.db.prepare('DELETE FROM xpert_sources'),
    panel.db.prepare('DELETE FROM xpert_direct'),
    panel.db.prepare("UPDATE xpert_state SET settings = '{}', aggregated = '[]', direct = '[]', sources_published = sources_version"),
  ]);
  source.asked.length = 0;
});

const sources = (method, where = '', body = undefined) => panel.api(method, `${BASE}/sources${where}`, body);
const update = (body) => panel.api('POST', `${BASE}/update`, body);
const testUrl = (url, rules) => panel.api('POST', `${BASE}/test-url`, { url, rules });
const one = async (id) => (await sources('GET')).body.sources.find((found) => found.id === id);
const decoded = (list) => list.trimEnd().split('\n').map((text) => decodeURIComponent(text.split('#')[1]));

async function add(url, fields = {}) {
  const { status, text, body } = await sources('POST', '', { name: `s${Math.random()}`, url, ...fields });
  assert.equal(status, 200, text);
  return body.id;
}

async function user(usage) {
  const [made] = await seedUsers(panel, 1, usage);
  return { ...made, token: tokenOf(authKey, made) };
}

const fetchList = (who, query = '') => panel.request('GET', `${BASE}/sub?user_token=${who.token}${query}`);
const names = async (who) => decoded((await fetchList(who)).text);

function refused(answer, status, says) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.body), ['detail']);
  assert.match(answer.body.detail, says);
}

/** Updates the source and hands back its state. */
async function updated(id) {
  const { status, text, body } = await update({ id });
  assert.equal(status, 200, text);
  return body.sources[0];
}

test("a list holds the user's own nodes, then sources by priority without what comes twice, then direct configs", async () => {
  const who = await user();
  source.answer('/first', GOOD.join('\n'));
  source.answer('/second', Buffer.from([link('two.example.com', 'Two again').replace('@two', '@TWO'), link('three.example.com', 'One')].join('\n')).toString('base64'));
  await add(`${source.url}/second`, { priority: 2 });
  await add(`${source.url}/first`, { priority: 1 });
  assert.equal((await panel.api('POST', `${BASE}/direct-configs`, { raw: link('four.example.com', 'Four') })).status, 200);
  const { body } = await update();
  assert.deepEqual([body.success, body.message, body.queued], [true, '2 of 2 sources updated, 0 will follow', 0]);
  assert.deepEqual(await names(who), ['Home trojan', 'One', 'Two', 'One 2', 'Four']);
  const { text } = await fetchList(who);
  assert.ok(text.includes(`\n${GOOD[0]}\n${GOOD[1]}\n`), 'links that need no other name are handed out as they came');
  assert.equal(Buffer.from((await fetchList(who, '&format=base64')).text, 'base64').toString(), text);
  const { proxies, log } = await loadWithMihomo(`${panel.url}${BASE}/sub?user_token=${who.token}`);
  assert.deepEqual(proxies.map(({ name }) => name).sort(), ['Four', 'Home trojan', 'One', 'One 2', 'Two'], log);
});

test('a direct config of the same place replaces the link of a source, and gives it back when it goes', async () => {
  const who = await user();
  source.answer('/list', GOOD.join('\n'));
  await updated(await add(`${source.url}/list`));
  const direct = await panel.api('POST', `${BASE}/direct-configs`, { raw: link('one.example.com', 'Mine') });
  assert.deepEqual(await names(who), ['Home trojan', 'Two', 'Mine']);
  await panel.api('DELETE', `${BASE}/direct-configs/${direct.body.id}`);
  assert.deepEqual(await names(who), ['Home trojan', 'One', 'Two']);
});

test('a source is added, shown, changed, switched and removed, and each is recorded without its address', async () => {
  const who = await user();
  source.answer('/list', { headers: { 'subscription-userinfo': 'upload=1; download=2; total=3; expire=4' }, body: GOOD.join('\n') });
  const url = `${source.url}/list?token=very-secret`;
  const { status, body } = await sources('POST', '', { name: 'Ann', url, priority: 3 });
  assert.deepEqual([status, body.message, body.source.priority, body.source.is_active, body.source.last_success], [200, 'Source added successfully', 3, true, null]);
  const id = body.id;
  const state = await updated(id);
  assert.deepEqual([state.config_count, state.format, state.error, state.attempts, state.successes], [2, 'links', null, 1, 1]);
  assert.deepEqual(state.userinfo, { upload: 1, download: 2, total: 3, expire: 4 });
  assert.match(state.last_success, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  const { headers } = await fetchList(who);
  assert.equal(headers.get('subscription-userinfo'), 'upload=0; download=0; total=0; expire=0', "users see their own plan's numbers");
  assert.deepEqual((await sources('POST', `/${id}/toggle`)).body, { message: 'Source toggled successfully', is_active: false });
  assert.deepEqual(await names(who), ['Home trojan']);
  assert.equal((await sources('POST', `/${id}/toggle`)).body.is_active, true);
  assert.deepEqual(await names(who), ['Home trojan', 'One', 'Two']);
  const changed = await sources('PUT', `/${id}`, { name: 'Bob', rules: { rename: '{source} {name}', exclude: ['one'] } });
  assert.deepEqual([changed.status, changed.body.source.name, changed.body.source.rules.max_nodes], [200, 'Bob', 500]);
  assert.deepEqual(await names(who), ['Home trojan', 'One', 'Two'], 'the copy stays until the next fetch');
  assert.deepEqual((await updated(id)).left_out, { filtered: 1 });
  assert.deepEqual(await names(who), ['Home trojan', 'Bob Two']);
  assert.deepEqual((await sources('DELETE', `/${id}`)).body, { message: 'Source deleted successfully' });
  assert.deepEqual(await names(who), ['Home trojan']);
  const log = await panel.api('GET', '/api/v1/audit?limit=50');
  const actions = log.body.items.map(({ action }) => action).filter((action) => action.startsWith('source.'));
  assert.deepEqual(actions.slice(0, 7).sort(), ['source.add', 'source.change', 'source.delete', 'source.toggle', 'source.toggle', 'source.update', 'source.update']);
  assert.ok(!log.text.includes('very-secret'));
});

test('what breaks its rule is refused by name and changes nothing', async () => {
  const url = `${source.url}/list`;
  const id = await add(url, { name: 'Ann' });
  for (const [body, status, says] of [
    [{ name: '', url }, 422, /^name: /],
    [{ name: 'x'.repeat(61), url }, 422, /^name: /],
    [{ url }, 422, /^name: it is missing/],
    [{ name: 'B' }, 422, /^url: it is missing/],
    [{ name: 'B', url: 'ftp://example.com/' }, 422, /^url: .*https/],
    [{ name: 'B', url: 'http://127.0.0.1/' }, 422, /^url: 127\.0\.0\.1 is no address of the open Internet/],
    [{ name: 'B', url: `${panel.url}${BASE}/sub` }, 422, /^url: this is the panel itself/],
    [{ name: 'B', url, priority: -1 }, 422, /^priority: /],
    [{ name: 'B', url, priority: 10_001 }, 422, /^priority: /],
    [{ name: 'B', url, rules: { interval_minutes: 1 } }, 422, /^rules\.interval_minutes: /],
    [{ name: 'B', url, rules: { max: 1 } }, 422, /^rules\.max: /],
    [{ name: 'B', url, more: 1 }, 422, /^more: /],
    [{ name: 'ann', url }, 409, /taken/],
  ]) refused(await sources('POST', '', body), status, says);
  refused(await sources('PUT', `/${id}`, { url: 'http://10.0.0.1/' }), 422, /^url: /);
  refused(await update({ id: 999_999 }), 404, /source not found/);
  for (const [method, where] of [['DELETE', '/999999'], ['POST', '/x/toggle'], ['PUT', '/-1']]) {
    refused(await sources(method, where, method === 'PUT' ? {} : undefined), 404, /source not found/);
  }
  assert.equal((await sources('GET')).body.total, 1);
  for (const [method, where] of [['GET', '/sources'], ['POST', '/sources'], ['DELETE', '/sources/1'], ['POST', '/sources/1/toggle'], ['POST', '/update'], ['POST', '/test-url']]) {
    refused(await panel.request(method, BASE + where, { body: method === 'POST' ? '{}' : undefined }), 401, /credential/);
  }
  assert.equal((await panel.request('PATCH', `${BASE}/sources`)).headers.get('allow'), 'GET, HEAD, POST');
});

test('an address is tried without anything being stored', async () => {
  source.answer('/list', [...GOOD, 'ssr://abc', GOOD[0]].join('\n'));
  const { status, body } = await testUrl(`${source.url}/list`);
  assert.equal(status, 200);
  assert.deepEqual(body, { success: true, config_count: 2, sample_configs: GOOD, format: 'links', left_out: { duplicate: 1, unsupported: 1 } });
  const gone = (await testUrl(`${source.url}/nowhere`)).body;
  assert.deepEqual([gone.success, gone.config_count, gone.sample_configs, gone.error], [false, 0, [], 'it answered 404']);
  const inside = (await testUrl('http://192.168.1.1/')).body;
  assert.deepEqual([inside.success, inside.error], [false, '192.168.1.1 is no address of the open Internet']);
  assert.equal((await sources('GET')).body.total, 0);
});

test('a foreign server is told nothing of users, and gets the user agent that was set', async () => {
  const who = await user();
  source.answer('/list', GOOD.join('\n'));
  const id = await add(`${source.url}/list`, { rules: { user_agent: 'clash.meta/1.19' } });
  await fetchList(who);
  await updated(id);
  const [{ method, headers }] = source.asked;
  assert.equal(method, 'GET');
  assert.equal(headers['user-agent'], 'clash.meta/1.19');
  const told = JSON.stringify(source.asked);
  for (const secret of [who.token, who.name, authKey, panel.apiKey]) assert.ok(!told.includes(secret));
  assert.equal(headers.cookie, undefined);
  assert.equal(headers.authorization, undefined);
});

test('what has not changed is not sent again', async () => {
  source.answer('/list', (request, response) => {
    if (request.headers['if-none-match'] === '"v1"') return response.writeHead(304, { 'subscription-userinfo': 'upload=0; download=5; total=9' }).end();
    response.writeHead(200, { etag: '"v1"', 'subscription-userinfo': 'upload=0; download=1; total=9' }).end(GOOD.join('\n'));
  });
  const id = await add(`${source.url}/list`);
  assert.equal((await updated(id)).userinfo.download, 1);
  const again = await updated(id);
  assert.deepEqual([again.config_count, again.error, again.successes], [2, null, 2]);
  assert.equal(again.userinfo.download, 5, 'what it says of usage is new all the same');
  assert.equal(source.asked[1].headers['if-none-match'], '"v1"');
  await sources('PUT', `/${id}`, { rules: { exclude: ['Two'] } });
  assert.equal((await updated(id)).config_count, 1, 'with other rules it is fetched whole');
});

test('configurations of clients are read, and mihomo loads what becomes of them', async () => {
  const uuid = '11111111-2222-4333-8444-555555555555';
  source.answer('/clash', `port: 7890
proxies:
  - {name: Paris, type: vless, server: fr.example.com, port: 443, uuid: ${uuid}, network: ws, tls: true, servername: fr.example.com, ws-opts: {path: /w, headers: {Host: fr.example.com}}}
  - name: "Rome 1e5"
    type: ss
    server: it.example.com
    port: 8388
    cipher: aes-256-gcm
    password: 08
  - {name: Old, type: ssr, server: x.example.com, port: 1}
proxy-groups: [{name: G, type: select, proxies: [Paris]}]
rules: ["MATCH,G"]
`);
  source.answer('/sing-box', JSON.stringify({ outbounds: [{ type: 'selector', tag: 'S', outbounds: ['Bern'] }, { type: 'hysteria2', tag: 'Bern', server: 'ch.example.com', server_port: 443, password: 'p', tls: { enabled: true } }] }));
  source.answer('/xray', JSON.stringify([{ remarks: 'Oslo', outbounds: [{ protocol: 'vmess', settings: { vnext: [{ address: 'no.example.com', port: 80, users: [{ id: uuid }] }] } }, { protocol: 'freedom' }] }]));
  source.answer('/sip008', JSON.stringify({ version: 1, servers: [{ remarks: 'Riga', server: 'lv.example.com', server_port: 1, method: 'aes-256-gcm', password: 'p' }] }));
  const formats = [];
  for (const where of ['clash', 'sing-box', 'xray', 'sip008']) {
    const state = await updated(await add(`${source.url}/${where}`));
    assert.equal(state.error, null);
    formats.push([state.format, state.config_count, state.left_out]);
  }
  assert.deepEqual(formats, [['clash', 2, { unsupported: 1 }], ['sing-box', 1, {}], ['xray', 1, {}], ['sip008', 1, {}]]);
  const who = await user();
  const { proxies, log } = await loadWithMihomo(`${panel.url}${BASE}/sub?user_token=${who.token}`);
  assert.deepEqual(proxies.map(({ name, type }) => [name, type]).sort(), [
    ['Bern', 'Hysteria2'], ['Home trojan', 'Trojan'], ['Oslo', 'Vmess'], ['Paris', 'Vless'], ['Riga', 'Shadowsocks'], ['Rome 1e5', 'Shadowsocks'],
  ], log);
});

/** Every way in which a provider goes wrong, and what the state says then. */
const HOSTILE = {
  'a web page with status 200': [{ headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><html>trojan://a@b:1</html>' }, /web page/],
  'a status that is no success': [{ status: 503, body: GOOD[0] }, /it answered 503/],
  'a success without a list': [{ status: 204 }, /it answered 204/],
  'an empty answer': ['', /the answer was empty/],
  'text that is no list': ['Your subscription has expired.', /neither links/],
  'links of which none can be carried': ['ssr://abc\nvless://nobody@:1\nvless://nobody@a.example:99999', /no entry of the answer could be kept: 1 port_range, 1 server_missing, 1 unsupported/],
  'bytes that are no UTF-8': [Buffer.concat([Buffer.from(`${GOOD[0]}`), Buffer.from([0xff, 0xfe, 0x80])]), /not UTF-8/],
  'base64 of bytes that are no UTF-8': [Buffer.concat([Buffer.from(GOOD[0]), Buffer.from([0xff])]).toString('base64'), /not UTF-8/],
  'base64 in base64': [Buffer.from(Buffer.from(GOOD.join('\n')).toString('base64')).toString('base64'), /neither links/],
  'a length that is too large': [{ headers: { 'content-length': String(3 << 20) }, body: Buffer.alloc(3 << 20, '#') }, /larger than 2 MiB/],
  'a gzip of 200 MiB': [bomb(200), /larger than 2 MiB/],
  'a Brotli stream of 200 MiB': [bomb(200, 'br'), /larger than 2 MiB/],
  'an answer that breaks off': [(request, response) => { response.writeHead(200, { 'content-length': '1000' }); response.write(GOOD[0]); setTimeout(() => response.destroy(), 50); }, /broke off|could not be reached/],
  'a closed connection': [(request) => request.socket.destroy(), /could not be reached/],
  'a redirect to itself': [{ status: 302, headers: { location: '/hostile' } }, /run in a circle/],
  'redirects without end': [(request, response) => response.writeHead(302, { location: `/hostile?${source.asked.length}` }).end(), /more than 3 times/],
  'a redirect that leads nowhere': [{ status: 302 }, /it answered 302/],
};

for (const [what, [how, says]] of Object.entries(HOSTILE)) {
  test(`${what}: the last good copy stays, and the state says why`, async () => {
    const who = await user();
    source.answer('/hostile', GOOD.join('\n'));
    const id = await add(`${source.url}/hostile`);
    const good = await updated(id);
    source.answer('/hostile', how);
    const state = await updated(id);
    assert.match(state.error, says);
    assert.deepEqual([state.config_count, state.last_success, state.failures, state.successes], [2, good.last_success, 1, 1]);
    assert.deepEqual(await names(who), ['Home trojan', 'One', 'Two']);
    source.answer('/hostile', GOOD[1]);
    const healed = await updated(id);
    assert.deepEqual([healed.error, healed.failures, healed.config_count], [null, 0, 1]);
    assert.deepEqual(await names(who), ['Home trojan', 'Two']);
  });
}

/** Where a redirect must not lead, and what is said of it. */
const INSIDE = [
  'http://127.0.0.1/', 'http://127.1/', 'http://2130706433/', 'http://0x7f000001/', 'http://0x7f.0.0.1/', 'http://0177.0.0.1/',
  'http://127.0.0.1./', 'http://[::1]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[64:ff9b::7f00:1]/',
  'http://[2002:7f00:1::]/', 'http://[fe80::1]/', 'http://[fd00::1]/', 'http://10.0.0.1/', 'http://172.31.255.255/',
  'http://192.168.0.1/', 'http://169.254.169.254/latest/meta-data/', 'http://100.64.0.1/', 'http://0.0.0.0/', 'http://224.0.0.1/',
  'http://255.255.255.255/', 'http://198.18.0.1/', 'http://localhost/', 'http://localhost./', 'http://LOCALHOST/', 'http://panel.internal/',
  'http://router/', 'http://a@127.0.0.1/', 'http://example.com:80@127.0.0.1/', 'http://127.0.0.1\\@example.com/', '//127.0.0.1/',
  'http://%31%32%37.0.0.1/', 'http://example.com:22/', 'http://example.com:6379/', 'file:///etc/passwd', 'ftp://example.com/',
  'data:text/plain,trojan://a@b:1', 'javascript:alert(1)', 'http:127.0.0.1/', 'http:///127.0.0.1/', '\\\\127.0.0.1/',
];

test('no redirect leads to a private address, in whatever notation', async () => {
  source.answer('/hop', (request, response) => response.writeHead(302, { location: decodeURIComponent(request.url.split('?')[1]) }).end());
  // The same server by other notations: if one was taken, it would answer.
  const port = source.authority.split(':')[1];
  source.answer('/list', GOOD.join('\n'));
  const same = [`http://2130706433:${port}/list`, `http://127.1:${port}/list`, `http://[::ffff:127.0.0.1]:${port}/list`, `http://localhost:${port}/list`, `http://127.0.0.1.:${port}/list`];
  for (const location of [...INSIDE, ...same]) {
    const { body } = await testUrl(`${source.url}/hop?${encodeURIComponent(location)}`);
    assert.equal(body.success, false, location);
    assert.match(body.error, /^it redirects to an address that is refused: /, `${location}: ${body.error}`);
    const { body: direct } = await testUrl(location);
    assert.equal(direct.success, false, location);
    assert.doesNotMatch(direct.error, /reached/, `${location}: ${direct.error}`);
  }
  assert.ok(source.asked.every(({ url }) => url.startsWith('/hop')), 'nothing else was asked');
});

test('a redirect within what is allowed is followed, with the same checks', async () => {
  source.answer('/moved', { status: 301, headers: { location: 'list/../list' } });
  source.answer('/list', GOOD.join('\n'));
  assert.deepEqual((await testUrl(`${source.url}/moved`)).body.config_count, 2);
});

test('a name counts by what it resolves to', async () => {
  for (const [name, says] of [
    ['inside.example.com', /inside\.example\.com has the address 10\.0\.0\.7/],
    ['mixed.example.com', /has the address 127\.0\.0\.1/],
    ['six.example.com', /has the address ::1/],
    ['mapped.example.com', /has the address ::ffff:10\.0\.0\.1/],
    ['metadata.example.com', /has the address 169\.254\.169\.254/],
    ['broken.example.com', /did not say what broken\.example\.com means/],
    ['failing.example.com', /DNS status 2/],
    ['empty.example.com', /has no address/],
    ['unknown.example.com', /there is no host unknown\.example\.com/],
    ['public.example.com', /public\.example\.com:80 could not be reached/],
  ]) {
    const { body } = await testUrl(`http://${name}/list`);
    assert.match(body.error, says);
  }
  source.answer('/hop', { status: 307, headers: { location: 'https://metadata.example.com/latest/' } });
  assert.match((await testUrl(`${source.url}/hop`)).body.error, /metadata\.example\.com has the address/);
});

test('a resolver that fails lets nothing through', async () => {
  source.answer('/dns-query', { status: 500 });
  try {
    assert.match((await testUrl('http://public.example.com/')).body.error, /the resolver did not say/);
  } finally {
    serveNames(source, { 'public.example.com': ['93.184.215.14'] });
  }
});

test('an answer of a gigabyte is left after 2 MiB', async (t) => {
  const { how, sent, closed } = flood(1 << 30);
  source.answer('/flood', how);
  const { body } = await testUrl(`${source.url}/flood`);
  assert.match(body.error, /larger than 2 MiB/);
  await closed;
  t.diagnostic(`${sent() / (1 << 20)} MiB were sent`);
  assert.ok(sent() < 32 << 20, `${sent()} bytes were sent`);
});

test('an answer that drips is left at the deadline', { timeout: 60_000 }, async () => {
  source.answer('/drip', drip);
  source.answer('/silent', () => {});
  const began = Date.now();
  const answers = await Promise.all(['/drip', '/silent'].map((where) => testUrl(source.url + where)));
  for (const { body } of answers) assert.match(body.error, /not complete within 10 s/);
  assert.ok(Date.now() - began >= 9_000);
});

test('a hundred thousand entries are cut, with a reason', async () => {
  source.answer('/many', Array.from({ length: 100_000 }, (_, n) => `trojan://x@h${n.toString(36)}:1`).join('\n'));
  const id = await add(`${source.url}/many`, { rules: { max_nodes: 2_000 } });
  const state = await updated(id);
  assert.deepEqual([state.error, state.config_count, state.left_out], [null, 2_000, { over_limit: 98_000 }]);
  const who = await user();
  assert.equal((await names(who)).length, 2_001);
  const { cost } = await fetchList(who);
  assert.ok(cost.read <= 4 && cost.queries <= 2, JSON.stringify(cost));
});

test('the panel is no source of itself, by whatever way', async () => {
  const who = await user();
  source.answer('/around', { status: 302, headers: { location: `${panel.url}${BASE}/sub?user_token=${who.token}` } });
  assert.match((await testUrl(`${source.url}/around`)).body.error, /^it leads back to this panel/);
  // The job has no request that would name the panel's host: the panel knows its own mark, and refuses itself.
  const around = await add(`${source.url}/around`);
  assert.equal(await panel.cron('sources'), 'ok');
  assert.match((await one(around)).error, /^it leads back to this panel/);
  await sources('DELETE', `/${around}`);
  // A relay that passes on what it was sent, as a proxy before the panel does.
  source.answer('/relay', async (request, response) => {
    const { status, text } = await panel.request('GET', `${BASE}/sub?user_token=${who.token}`, { headers: { 'weir-source': request.headers['weir-source'] } });
    response.writeHead(status).end(text);
  });
  const id = await add(`${source.url}/relay`);
  assert.match((await updated(id)).error, /leads back to this panel/);
  const stranger = await panel.request('GET', `${BASE}/sub?user_token=${who.token}`, { headers: { 'weir-source': 'somebody else' } });
  assert.equal(stranger.status, 200);
});

test('the job fetches what is due, goes on where it was cut off, and publishes what is behind', async (t) => {
  const who = await user();
  const ids = [];
  for (const n of [1, 2, 3]) {
    source.answer(`/job${n}`, link(`job${n}.example.com`, `J${n}`));
    ids.push(await add(`${source.url}/job${n}`, { priority: n, rules: { interval_minutes: 5 + n } }));
  }
  assert.equal(await panel.cron('sources'), 'ok');
  assert.deepEqual(await names(who), ['Home trojan', 'J1', 'J2'], 'two sources a run');
  assert.equal(await panel.cron('sources'), 'ok');
  assert.deepEqual(await names(who), ['Home trojan', 'J1', 'J2', 'J3']);
  const { results: [job] } = await panel.db.prepare("SELECT next_at, queries, rows_read, rows_written FROM jobs WHERE name = 'sources'").all();
  t.diagnostic(`a run with one source due, of three: ${JSON.stringify(job)}`);
  // The begin of the run, the begin and end of the fetch, the version, and the list.
  assert.ok(job.queries <= 11 && job.rows_read <= 30 && job.rows_written <= 5, JSON.stringify(job));
  const asked = source.asked.length;
  assert.equal(await panel.cron('sources'), 'ok');
  assert.equal(source.asked.length, asked, 'nothing is due');
  // Cut off in the middle: it says so, is not the first of the next run, and others are fetched.
  await panel.db.prepare('UPDATE xpert_sources SET next_at = 0').run();
  source.answer('/job1', () => {});
  // What becomes of the call itself is nobody's business: its runtime is killed under it.
  panel.cron('sources').catch(() => {});
  await new Promise((resolve) => {
    const look = () => (source.asked.length > asked ? resolve() : setTimeout(look, 20));
    look();
  });
  await panel.kill();
  await panel.start();
  assert.match((await one(ids[0])).error, /cut off/);
  assert.equal(await panel.cron('sources'), 'ok');
  assert.deepEqual([(await one(ids[1])).error, (await one(ids[2])).successes], [null, 2]);
  assert.deepEqual(await names(who), ['Home trojan', 'J1', 'J2', 'J3']);
  // A change whose list was not published: the next run does it.
  await panel.db.prepare('UPDATE xpert_sources SET enabled = 0 WHERE id = ?1').bind(ids[1]).run();
  assert.equal(await panel.cron('sources'), 'ok');
  assert.deepEqual(await names(who), ['Home trojan', 'J1', 'J3']);
});

test('who may not pass gets one entry that says why, and nothing of the sources', async () => {
  source.answer('/list', GOOD.join('\n'));
  await updated(await add(`${source.url}/list`));
  const who = await user({ monthlyQuota: GB, month: GB });
  const all = await names(who);
  assert.equal(all.length, 1);
  assert.match(all[0], /^Traffic used up/);
});

test('without the variable nothing private is fetched', async () => {
  const strict = await startPanel();
  try {
    const { body } = await strict.api('POST', `${BASE}/test-url`, { url: `${source.url}/list` });
    assert.deepEqual([body.success, body.error], [false, '127.0.0.1 is no address of the open Internet']);
  } finally {
    await strict.stop();
  }
});
