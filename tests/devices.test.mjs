/** Devices told apart by `x-hwid`: who gets the list, what the answers say, and what an operator sees and does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedTrojan, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, tokenOf } from './support/xpert.mjs';

const PHONE = 'A1B2C3D4-E5F6-7890-ABCD-EF0123456789';
const TABLET = 'B1B2C3D4-E5F6-7890-ABCD-EF0123456789';
const LAPTOP = 'C1B2C3D4-E5F6-7890-ABCD-EF0123456789';

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
  return { ...one, where: `/sub/${tokenOf(authKey, one)}`, api: `/api/v1/users/${one.name}` };
}
const settings = async (fields) => {
  const { status, text } = await panel.api('PUT', '/api/v1/settings/devices', fields);
  assert.equal(status, 200, text);
};
const about = { 'user-agent': 'Happ/3.1.0', 'x-device-os': 'Android', 'x-ver-os': '14', 'x-device-model': 'Pixel 8' };
const get = (one, hwid, method = 'GET', headers = about) =>
  panel.request(method, `${one.where}/links`, { headers: hwid === undefined ? headers : { ...headers, 'x-hwid': hwid } });
const nameOf = ({ text }) => decodeURIComponent(text.trim().split('#')[1]);
const signs = ({ headers }) => [...headers].filter(([name]) => name.startsWith('x-hwid')).map(([name, value]) => `${name}: ${value}`).sort();
const devicesOf = async (one) => (await panel.api('GET', `${one.api}/devices`)).body;
const audit = async (subject) => (await panel.api('GET', '/api/v1/audit?limit=50')).body.items.filter((item) => item.subject.startsWith(subject));

test('unless they are told apart, an id changes nothing and costs nothing', async () => {
  const one = await user();
  await get(one);
  for (const id of [PHONE, TABLET, LAPTOP]) {
    const answer = await get(one, id);
    assert.deepEqual(signs(answer), []);
    assert.ok(answer.cost.read <= 4 && answer.cost.queries === 1 && answer.cost.written === 0, JSON.stringify(answer.cost));
  }
  assert.deepEqual(await devicesOf(one), { enabled: false, limit: 0, total: 0, items: [], next: null });
});

test('a device beyond the limit gets the entry that says why, and those that were there first go on', async () => {
  await settings({ enabled: true, limit: 2 });
  const one = await user();
  for (const id of [PHONE, TABLET, PHONE]) {
    const answer = await get(one, id);
    assert.equal(nameOf(answer), 'Wien trojan');
    assert.deepEqual(signs(answer), ['x-hwid-active: true']);
  }
  const third = await get(one, LAPTOP);
  assert.equal(third.status, 200);
  assert.equal(nameOf(third), 'Too many devices, 2 at most');
  assert.equal(Buffer.from(third.headers.get('announce').slice(7), 'base64').toString(), 'Too many devices, 2 at most');
  assert.deepEqual(signs(third), ['x-hwid-active: true', 'x-hwid-limit: true', 'x-hwid-max-devices-reached: true']);
  assert.equal(nameOf(await get(one, PHONE)), 'Wien trojan');
  const { total, items, limit } = await devicesOf(one);
  assert.deepEqual([total, limit], [2, 2]);
  const { id, first_seen_at: first, last_seen_at: last, ...rest } = items[0];
  assert.deepEqual(rest, { name: '', os: 'Android', os_version: '14', model: 'Pixel 8', client: 'happ' });
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.ok(first <= last && Math.abs(last - now()) < 60);
});

test('the id itself is nowhere in the database, and another user’s hash of it is another one', async () => {
  const [ann, ben] = [await user(), await user()];
  await get(ann, PHONE);
  await get(ben, PHONE);
  const { results } = await panel.db.prepare('SELECT * FROM devices WHERE user IN (?1, ?2)').bind(ann.id, ben.id).all();
  assert.equal(results.length, 2);
  assert.notEqual(results[0].id, results[1].id);
  assert.ok(!JSON.stringify(results).includes(PHONE));
});

test('a new device writes one row, a known one none until an hour has passed', async () => {
  const one = await user();
  await get(one);
  const price = async (what, { read, written, queries }, id = PHONE) => {
    const { cost } = await get(one, id);
    assert.ok(cost.read <= read && cost.written === written && cost.queries <= queries, `${what}: ${JSON.stringify(cost)}`);
  };
  await price('new', { read: 5, written: 1, queries: 2 });
  await price('known', { read: 5, written: 0, queries: 1 });
  await panel.db.prepare('UPDATE devices SET last_at = last_at - 3601 WHERE user = ?1').bind(one.id).run();
  await price('an hour later', { read: 6, written: 1, queries: 2 });
  await price('known again', { read: 5, written: 0, queries: 1 });
  await price('second', { read: 7, written: 1, queries: 2 }, TABLET);
  await price('one too many', { read: 6, written: 0, queries: 1 }, LAPTOP);
  const { cost } = await get(one);
  assert.ok(cost.read <= 4 && cost.queries === 1, `without an id: ${JSON.stringify(cost)}`);
});

test('HEAD, the page and a user who may not pass enter no device', async () => {
  const [one, disabled] = [await user(), await user()];
  await panel.db.prepare('UPDATE users SET disabled_at = 1 WHERE id = ?1').bind(disabled.id).run();
  await get(one, PHONE, 'HEAD');
  await panel.request('GET', `${one.where}/page`, { headers: { 'x-hwid': PHONE } });
  assert.equal(nameOf(await get(disabled, PHONE)), 'Account disabled');
  assert.deepEqual([(await devicesOf(one)).total, (await devicesOf(disabled)).total], [0, 0]);
});

test('at the same instant the last place is taken once', async () => {
  const one = await user();
  const ids = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(16));
  const answers = await Promise.all(ids.map((id) => get(one, id)));
  assert.equal(answers.filter((answer) => nameOf(answer) === 'Wien trojan').length, 2);
  assert.equal((await devicesOf(one)).total, 2);
});

test('a new device that asks several times at the same instant is one device, and gets its list each time', async () => {
  const one = await user();
  await panel.api('PATCH', one.api, { hwid_limit: 1 });
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(one, PHONE)));
  assert.deepEqual(answers.map(nameOf), Array(8).fill('Wien trojan'));
  assert.equal((await devicesOf(one)).total, 1);
});

test('a client without an id, or with none that is one, is served unless the operator wants otherwise', async () => {
  const one = await user();
  for (const id of [undefined, '', 'short', 'with spaces in it', 'x'.repeat(65), '<script>alert(1)</script>']) {
    const answer = await get(one, id);
    assert.equal(nameOf(answer), 'Wien trojan', id);
    assert.deepEqual(signs(answer), ['x-hwid-active: true']);
  }
  await settings({ enabled: true, limit: 2, without_id: 'refuse' });
  const refused = await get(one);
  assert.equal(nameOf(refused), 'This app does not say which device it is on');
  assert.deepEqual(signs(refused), ['x-hwid-active: true', 'x-hwid-limit: true', 'x-hwid-not-supported: true']);
  assert.equal(nameOf(await get(one, PHONE)), 'Wien trojan');
  await panel.api('PATCH', one.api, { hwid_limit: 0 });
  assert.equal(nameOf(await get(one)), 'Wien trojan', 'whoever has no limit needs no id');
  await settings({ enabled: true, limit: 2 });
});

test('a user’s own limit outranks the setting', async () => {
  const one = await user();
  const { body } = await panel.api('PATCH', one.api, { hwid_limit: 1 });
  assert.equal(body.hwid_limit, 1);
  assert.equal(nameOf(await get(one, PHONE)), 'Wien trojan');
  assert.equal(nameOf(await get(one, TABLET)), 'Too many devices, 1 at most');
  await panel.api('PATCH', one.api, { hwid_limit: 0 });
  for (const id of [TABLET, LAPTOP]) assert.equal(nameOf(await get(one, id)), 'Wien trojan');
  await panel.api('PATCH', one.api, { hwid_limit: null });
  assert.equal((await devicesOf(one)).limit, 2);
  assert.equal(nameOf(await get(one, LAPTOP)), 'Wien trojan', 'a lowered limit shuts out nobody who is known');
  const { status, body: refusal } = await panel.api('PATCH', one.api, { hwid_limit: 101 });
  assert.deepEqual([status, refusal.error.field], [422, 'hwid_limit']);
});

test('the lists of the Xpert API count the same devices', async () => {
  const one = await user();
  const list = (hwid) => panel.request('GET', `/api/xpert/sub?user_token=${one.where.slice(5)}`, { headers: { ...about, 'x-hwid': hwid } });
  const first = (answer) => decodeURIComponent(answer.text.trim().split('\n')[0].split('#')[1]);
  await get(one, PHONE);
  const tablet = await list(TABLET);
  assert.equal(first(tablet), 'Wien trojan');
  assert.deepEqual(signs(tablet), ['x-hwid-active: true']);
  assert.ok(tablet.cost.read <= 8 && tablet.cost.queries <= 3, JSON.stringify(tablet.cost));
  const laptop = await list(LAPTOP);
  assert.equal(first(laptop), 'Too many devices, 2 at most');
  assert.deepEqual(signs(laptop), ['x-hwid-active: true', 'x-hwid-limit: true', 'x-hwid-max-devices-reached: true']);
  assert.equal(nameOf(await get(one, LAPTOP)), 'Too many devices, 2 at most');
  assert.equal((await devicesOf(one)).total, 2);
});

test('an operator names devices and forgets one or all, and the log tells of it', async () => {
  const one = await user();
  await get(one, PHONE);
  await get(one, TABLET);
  const [phone] = (await devicesOf(one)).items;
  const renamed = await panel.api('PATCH', `${one.api}/devices/${phone.id}`, { name: 'Ann’s phone' });
  assert.deepEqual([renamed.status, renamed.body.name, renamed.body.id], [200, 'Ann’s phone', phone.id]);
  assert.equal((await panel.api('DELETE', `${one.api}/devices/${phone.id}`)).status, 204);
  assert.equal((await panel.api('DELETE', `${one.api}/devices/${phone.id}`)).status, 404);
  assert.equal(nameOf(await get(one, LAPTOP)), 'Wien trojan', 'its place is free');
  assert.equal((await panel.api('DELETE', `${one.api}/devices`)).status, 204);
  assert.equal((await panel.api('DELETE', `${one.api}/devices`)).status, 204, 'once more changes nothing');
  assert.equal((await devicesOf(one)).total, 0);
  const entries = await audit(`users/${one.name}/devices`);
  assert.deepEqual(entries.map(({ action }) => action), ['device.delete', 'device.delete', 'device.change']);
  assert.deepEqual([entries[2].before.name, entries[2].after.name], ['', 'Ann’s phone']);
});

test('bad input is named and changes nothing', async () => {
  const one = await user();
  await get(one, PHONE);
  const [phone] = (await devicesOf(one)).items;
  const where = `${one.api}/devices/${phone.id}`;
  for (const [method, path, body, status, field] of [
    ['PATCH', where, { name: 'x'.repeat(65) }, 422, 'name'],
    ['PATCH', where, { name: 'a\nb' }, 422, 'name'],
    ['PATCH', where, {}, 422, 'name'],
    ['PATCH', where, { name: 'a', os: 'b' }, 422, 'os'],
    ['PATCH', `${one.api}/devices/nobody`, { name: 'a' }, 404, undefined],
    ['GET', '/api/v1/users/nobody-here/devices', undefined, 404, undefined],
    ['POST', `${one.api}/devices`, {}, 405, undefined],
    ['PUT', '/api/v1/settings/devices', { limit: 101 }, 422, 'limit'],
    ['PUT', '/api/v1/settings/devices', { without_id: 'perhaps' }, 422, 'without_id'],
    ['PUT', '/api/v1/settings/devices', { enabled: 'yes' }, 422, 'enabled'],
  ]) {
    const answer = await panel.api(method, path, body);
    assert.deepEqual([answer.status, answer.body.error.field], [status, field], `${method} ${path}: ${answer.text}`);
  }
  assert.equal((await panel.request('GET', `${one.api}/devices`)).status, 401);
  assert.deepEqual((await devicesOf(one)).items, [phone]);
  assert.deepEqual((await panel.api('GET', '/api/v1/settings/devices')).body, { enabled: true, limit: 2, without_id: 'serve' });
});

test('with a deleted user go his devices', async () => {
  const one = await user();
  await get(one, PHONE);
  assert.equal((await panel.api('DELETE', one.api)).status, 204);
  assert.equal((await panel.db.prepare('SELECT count(*) AS count FROM devices WHERE user = ?1').bind(one.id).first()).count, 0);
});
