/** An operator's own rules for which client gets what: through the API, tried out, and in force on real fetches. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedTrojan, seedUsers } from './support/seed.mjs';
import { authKeyOf, tokenOf } from './support/xpert.mjs';

const RULES = '/api/v1/client-rules';
const OWN = [
  {
    name: 'Our own app',
    when: [{ starts: ['OurApp/'] }, { header: 'x-platform', equals: ['tv'] }],
    format: 'sing-box',
    headers: { Routing: 'happ://routing/off', 'profile-update-interval': '1' },
  },
  { name: 'Verge', when: [{ contains: ['clash-verge'] }], format: 'links' },
];

let panel;
let token;

before(async () => {
  panel = await startPanel();
  await seedTrojan(panel, 'Wien');
  const [user] = await seedUsers(panel, 1);
  token = tokenOf(await authKeyOf(panel), user);
});
after(() => panel?.stop());

const fetchAs = (agent, headers = {}, where = '') => panel.request('GET', `/sub/${token}${where}`, { headers: { 'user-agent': agent, ...headers } });
const attempt = (body) => panel.api('POST', `${RULES}/try`, body);
const put = (rules) => panel.api('PUT', RULES, { rules });

test('the shipped rules are in force and can be read', async () => {
  const { status, body } = await panel.api('GET', RULES);
  assert.equal(status, 200);
  assert.equal(body.shipped, true);
  assert.ok(body.rules.length > 10);
  assert.ok(body.rules.every(({ name, when, format }) => name !== '' && when.length > 0 && format !== ''));
});

test('own rules replace them, and a fetch gets their format and headers', async () => {
  const { status, body, text } = await put(OWN);
  assert.equal(status, 200, text);
  assert.equal(body.shipped, false);
  assert.deepEqual(body.rules[0].headers, { 'profile-update-interval': '1', routing: 'happ://routing/off' });
  const tv = await fetchAs('ourapp/2.0', { 'x-platform': 'TV' });
  assert.equal(tv.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.equal(tv.headers.get('routing'), 'happ://routing/off');
  assert.equal(tv.headers.get('profile-update-interval'), '1');
  const phone = await fetchAs('ourapp/2.0');
  assert.equal(phone.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(phone.headers.get('routing'), null);
  assert.match((await fetchAs('clash-verge/v2.4.0')).text, /^trojan:/);
});

test('rules of an operator cost a fetch no row and no query', async () => {
  for (const written of [1, 0]) {
    const { cost } = await fetchAs('Verge-Budget/1');
    assert.ok(cost.read <= 4 && cost.queries <= 2 && cost.written === written, JSON.stringify(cost));
  }
});

test('a format in the link wins over every rule, and the client keeps its headers', async () => {
  const { text, headers } = await fetchAs('ourapp/2.0', { 'x-platform': 'tv' }, '/links');
  assert.match(text, /^trojan:/);
  assert.equal(headers.get('routing'), 'happ://routing/off');
});

test('a client can be tried out against the rules in force and against others', async () => {
  const found = await attempt({ user_agent: 'OurApp/9', headers: { 'X-Platform': 'tv' } });
  assert.deepEqual(found.body, {
    rule: { index: 0, name: 'Our own app' },
    format: 'sing-box',
    content_type: 'application/json; charset=utf-8',
    headers: { 'profile-update-interval': '1', routing: 'happ://routing/off' },
  });
  const none = await attempt({ user_agent: 'OurApp/9' });
  assert.deepEqual([none.body.rule, none.body.format, none.body.headers], [null, 'base64', {}]);
  const other = await attempt({ user_agent: 'OurApp/9', rules: [{ when: [], format: 'clash' }] });
  assert.deepEqual([other.body.rule, other.body.format], [{ index: 0, name: '' }, 'clash']);
  assert.equal((await panel.api('GET', RULES)).body.rules.length, OWN.length, 'trying changes nothing');
});

test('a wrong rule is refused by its place and changes nothing', async () => {
  for (const [rules, field] of [
    [[{ when: [], format: 'pigeon' }], 'rules[0].format'],
    [[OWN[0], { when: [{ starts: [''] }], format: 'clash' }], 'rules[1].when[0].starts[0]'],
    [[{ when: [{}], format: 'clash' }], 'rules[0].when[0]'],
    [[{ when: [{ header: 'user agent', starts: ['x'] }], format: 'clash' }], 'rules[0].when[0].header'],
    [[{ when: [], format: 'clash', headers: { 'set-cookie': 'a=b' } }], 'rules[0].headers'],
    [[{ when: [], format: 'clash', headers: { announce: 'a\r\nb' } }], 'rules[0].headers'],
    [[{ when: [], format: 'clash', name: 'x'.repeat(65) }], 'rules[0].name'],
    [[{ format: 'clash' }], 'rules[0].when'],
    [Array(101).fill({ when: [], format: 'clash' }), 'rules'],
  ]) {
    const { status, body } = await put(rules);
    assert.deepEqual([status, body.error.field], [422, field], JSON.stringify(body));
    assert.notEqual(body.error.message, '');
  }
  assert.equal((await panel.api('PUT', RULES, {})).body.error.field, 'rules');
  assert.equal((await attempt({})).body.error.field, 'user_agent');
  assert.deepEqual((await panel.api('GET', RULES)).body.rules.map(({ name }) => name), OWN.map(({ name }) => name));
});

test('rules that cannot be read any more leave the shipped ones in force and can be replaced', async () => {
  await panel.db.prepare("UPDATE settings SET value = '{' WHERE area = 'clients'").run();
  assert.equal((await fetchAs('clash-verge/v2.4.0')).headers.get('content-type'), 'text/yaml; charset=utf-8');
  assert.match(panel.log(), /client rules cannot be read/);
  assert.equal((await put(OWN)).status, 200);
});

test('deleting them brings the shipped ones back, and the log tells of all of it', async () => {
  const { status, body } = await panel.api('DELETE', RULES);
  assert.deepEqual([status, body.shipped], [200, true]);
  assert.equal((await panel.api('DELETE', RULES)).body.shipped, true, 'once more changes nothing');
  assert.equal((await fetchAs('clash-verge/v2.4.0')).headers.get('content-type'), 'text/yaml; charset=utf-8');
  const { body: log } = await panel.api('GET', '/api/v1/audit?limit=10');
  const about = log.items.filter(({ subject }) => subject === 'settings/clients');
  assert.deepEqual(about.map(({ action }) => action), ['settings.change', 'settings.change', 'settings.change']);
  assert.equal(about[0].after.rules, 'shipped');
  assert.equal(about.at(-1).before.rules, 'shipped');
});

test('without the scope nobody reads or changes them', async () => {
  for (const [method, where] of [['GET', RULES], ['PUT', RULES], ['DELETE', RULES], ['POST', `${RULES}/try`]]) {
    const { status } = await panel.request(method, where, { body: method === 'GET' ? undefined : '{}' });
    assert.equal(status, 401, `${method} ${where}`);
  }
});
