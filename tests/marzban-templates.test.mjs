/** Templates of users over Marzban's API. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertBreaks, assertDetail, callersOfEachRole, NOT_ALLOWED } from './support/marzban-bearer.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';

const AT = '/api/user_template';
const INBOUNDS = [
  { tag: 'VLESS TCP', protocol: 'vless', port: 443, tls: true },
  { tag: 'VLESS WS', protocol: 'vless', port: 8443, tls: true, transport: { type: 'ws', path: '/' } },
  { tag: 'Shadowsocks', protocol: 'shadowsocks', port: 1080, method: 'aes-128-gcm' },
  { tag: 'HY2', protocol: 'hysteria2', port: 8443, tls: true },
];
const BARE = { data_limit: null, expire_duration: null, username_prefix: null, username_suffix: null, inbounds: {} };

let panel;
let owner;
let admin;
let reseller;
let viewer;
const all = async () => (await owner('GET', AT)).body;
const made = async (fields) => {
  const { status, body, text } = await owner('POST', AT, fields);
  assert.equal(status, 200, text);
  return body;
};

before(async () => {
  panel = await startPanel();
  ({ owner, admin, reseller, viewer } = await callersOfEachRole(panel));
});
after(() => panel?.stop());

test('before any node has told its inbounds, a template keeps the tags that it is given', async () => {
  const early = await made({ name: 'early', inbounds: { vless: ['VLESS TCP', 'Later'], trojan: [] } });
  assert.deepEqual(early, { ...BARE, name: 'early', id: early.id });
  const agent = await seedAgent(panel, { name: 'Wien' });
  assert.equal((await agent.sync({ inbounds: INBOUNDS })).status, 200);
  assert.deepEqual((await owner('GET', `${AT}/${early.id}`)).body.inbounds, { vless: ['VLESS TCP'] });
  assert.equal((await owner('DELETE', `${AT}/${early.id}`)).status, 200);
});

test('a template is shown as it was said, with every key, and tags that nobody offers are left out', async () => {
  const said = { name: 'month', data_limit: 50 * 2 ** 30, expire_duration: 2_592_000, username_prefix: 'm_', username_suffix: '_x' };
  const month = await made({ ...said, inbounds: { vless: ['VLESS WS', 'gone'], shadowsocks: ['Shadowsocks'], trojan: ['HY2'] }, more: true });
  assert.deepEqual(month, { ...said, inbounds: { shadowsocks: ['Shadowsocks'], vless: ['VLESS WS'] }, id: month.id });
  assert.deepEqual((await reseller('GET', `${AT}/${month.id}`)).body, month);
  const { action, after: entered } = (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];
  assert.deepEqual([action, entered.name], ['template.create', 'month']);
});

test('zero stays zero, what is not said is null, and a float of bytes loses its fraction', async () => {
  assert.deepEqual(await made({ name: 'zero', data_limit: 0, expire_duration: 0 }).then(({ id: _, ...rest }) => rest), { ...BARE, name: 'zero', data_limit: 0, expire_duration: 0 });
  assert.equal((await made({ name: 'float', data_limit: 1_073_741_824.7 })).data_limit, 2 ** 30);
  assert.deepEqual(await made({ name: 'bare', inbounds: null }).then(({ id: _, ...rest }) => rest), { ...BARE, name: 'bare' });
});

test('a name is one template’s, and none is as good as a taken one', async () => {
  const before = await all();
  for (const body of [{ name: 'month' }, { name: null }, {}]) assertDetail(await owner('POST', AT, body), 409, 'Template by this name already exists');
  const zero = before.find(({ name }) => name === 'zero');
  assertDetail(await owner('PUT', `${AT}/${zero.id}`, { name: 'month' }), 409, 'Template by this name already exists');
  assert.deepEqual(await all(), before);
});

test('a rule that is broken is named with its field, and nothing is changed', async () => {
  const before = await all();
  const breaks = {
    name: ['', 'x'.repeat(65), 7],
    data_limit: [-1, '5', 2 ** 53],
    expire_duration: [-1, '5', 2 ** 53],
    username_prefix: ['', 'x'.repeat(21), 7],
    username_suffix: ['', 'x'.repeat(21), 7],
    inbounds: [[], 'vless', { vless: 'VLESS TCP' }, { vless: [7] }, { hysteria2: ['HY2'] }],
  };
  for (const [field, values] of Object.entries(breaks)) {
    for (const value of values) {
      assertBreaks(await owner('POST', AT, { name: 'bad', [field]: value }), field);
      assertBreaks(await owner('PUT', `${AT}/${before[0].id}`, { [field]: value }), field);
    }
  }
  assert.deepEqual(await all(), before);
});

test('a change leaves what it does not name, and inbounds that it names take the place of the others', async () => {
  const month = (await all()).find(({ name }) => name === 'month');
  const at = `${AT}/${month.id}`;
  assert.deepEqual((await owner('PUT', at, {})).body, month);
  assert.deepEqual((await owner('PUT', at, { name: null, data_limit: null, inbounds: {} })).body, month);
  const changed = (await owner('PUT', at, { name: 'monthly', data_limit: 0, inbounds: { vless: ['VLESS TCP'] } })).body;
  assert.deepEqual(changed, { ...month, name: 'monthly', data_limit: 0, inbounds: { vless: ['VLESS TCP'] } });
  assert.deepEqual((await owner('GET', at)).body, changed);
  assert.equal((await owner('PUT', at, { name: 'monthly' })).status, 200, 'its own name is not taken');
});

test('the list goes by creation and by page', async () => {
  const templates = await all();
  assert.deepEqual(templates.map(({ id }) => id), templates.map(({ id }) => id).sort((a, b) => a - b));
  assert.deepEqual((await viewer('GET', `${AT}?offset=1&limit=2`)).body, templates.slice(1, 3));
  for (const query of ['offset=x', 'limit=-1']) assertBreaks(await owner('GET', `${AT}?${query}`), query.split('=')[0]);
});

test('only sudo changes templates', async () => {
  const { id } = (await all())[0];
  for (const caller of [reseller, viewer]) {
    assertDetail(await caller('POST', AT, { name: 'no' }), 403, NOT_ALLOWED);
    assertDetail(await caller('PUT', `${AT}/${id}`, {}), 403, NOT_ALLOWED);
    assertDetail(await caller('DELETE', `${AT}/${id}`), 403, NOT_ALLOWED);
  }
  assert.equal((await admin('PUT', `${AT}/${id}`, {})).status, 200);
});

test('one that is deleted answers null, and is not found again', async () => {
  const { id } = await made({ name: 'gone' });
  const gone = await owner('DELETE', `${AT}/${id}`);
  assert.deepEqual([gone.status, gone.text], [200, 'null']);
  for (const [method, body] of [['GET'], ['PUT', {}], ['DELETE']]) {
    assertDetail(await owner(method, `${AT}/${id}`, body), 404, 'User Template not found');
    assertBreaks(await owner(method, `${AT}/x`, body), 'template_id');
  }
});
