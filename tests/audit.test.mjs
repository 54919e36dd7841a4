/**
 * The audit log on the real Worker: who did what, one chain whoever acts at once, and nothing that is done to the rows by hand goes
 * unseen. Links are made again here by Node's own HMAC.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused, keyWith } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const TEXTS = ['actor_kind', 'actor', 'action', 'subject', 'before', 'after', 'origin', 'request'];
const NONE = '0'.repeat(64);

let panel;
let key;
before(async () => {
  panel = await startPanel();
  key = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8')).AUDIT_KEY;
});
after(() => panel?.stop());

const rows = async (of = panel) => (await of.db.prepare('SELECT * FROM audit ORDER BY number').all()).results;
const verify = async (query = '', of = panel) => {
  const answer = await of.api('GET', `/api/v1/audit/verify${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};

/** What binds a row, by an implementation that is not ours. @returns {string} hex */
function linkOf(secret, previous, row) {
  const number = (value) => { const bytes = Buffer.alloc(8); bytes.writeBigInt64BE(BigInt(value)); return bytes; };
  const text = (value) => (value === null ? Buffer.alloc(8, 255) : Buffer.concat([number(Buffer.byteLength(value)), Buffer.from(value)]));
  const message = [Buffer.from('weir/audit/row/1:'), Buffer.from(previous, 'hex'), number(row.number), number(row.at), ...TEXTS.map((name) => text(row[name]))];
  return createHmac('sha256', secret).update(Buffer.concat(message)).digest('hex');
}
function sealOf(secret, count, link) {
  const number = Buffer.alloc(8);
  number.writeBigInt64BE(BigInt(count));
  return createHmac('sha256', secret).update(Buffer.concat([Buffer.from('weir/audit/head/1:'), number, Buffer.from(link, 'hex')])).digest('hex');
}

/** The chain as Node sees it: every link, and the head. */
async function assertChain(of = panel) {
  let previous = NONE;
  const all = await rows(of);
  for (const [index, row] of all.entries()) {
    assert.equal(row.number, index + 1);
    assert.equal(row.link, linkOf(key, previous, row), `row ${row.number}`);
    previous = row.link;
  }
  const head = await of.db.prepare('SELECT count, link, seal FROM audit_head').first();
  assert.deepEqual(head, { count: all.length, link: previous, seal: sealOf(key, all.length, previous) });
  return all;
}

function signIn(fields, headers = {}) {
  const own = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded' };
  return panel.request('POST', '/login', { body: new URLSearchParams(fields).toString(), headers: { ...own, ...headers } });
}

test('a panel on which nobody has done anything says that its log is new', async () => {
  const { ok, head, checked, count } = await verify();
  assert.deepEqual({ ok, head, checked, count }, { ok: false, head: 'new', checked: 0, count: 0 });
});

test('every action of an admin is told with who, what, before, after and from where, and nothing secret', async () => {
  const told = [];
  /** Do something, and expect these rows of it. */
  const does = async (status, [method, where, body], ...expected) => {
    const answer = await panel.request(method, where, {
      key: panel.apiKey, body: body === undefined ? undefined : JSON.stringify(body), headers: { 'cf-connecting-ip': '203.0.113.9' },
    });
    assert.equal(answer.status, status, answer.text);
    for (const row of expected) told.push({ request: answer.headers.get('x-request-id'), ...row });
    return answer.body;
  };
  const user = 'users/ann';
  await does(201, ['POST', '/api/v1/users', { name: 'ann', monthly_quota: 5, note: 'x' }],
    { action: 'user.create', subject: user, before: null, after: { monthly_quota: 5, name: 'ann', note: 'x' } });
  await does(200, ['PATCH', '/api/v1/users/ann', { monthly_quota: 9, expires_at: null }],
    { action: 'user.change', subject: user, before: { expires_at: null, monthly_quota: 5 }, after: { expires_at: null, monthly_quota: 9 } });
  await does(200, ['PATCH', '/api/v1/users/ann', { note: 'y' }], { action: 'user.change', subject: user, before: { note: 'x' }, after: { note: 'y' } });
  await does(200, ['POST', '/api/v1/users/ann/disable'], { action: 'user.disable', subject: user, before: { disabled_at: null } });
  await does(200, ['POST', '/api/v1/users/ann/enable'], { action: 'user.enable', subject: user, after: { disabled_at: null } });
  await does(200, ['POST', '/api/v1/users/ann/reset'], { action: 'user.reset', subject: user });
  await does(200, ['POST', '/api/v1/users/ann/revoke'], { action: 'user.revoke', subject: user, before: { generation: 1 }, after: { generation: 2 } });
  await does(201, ['POST', '/api/v1/users/ann/packages', { order: 'o1', bytes: 7 }],
    { action: 'package.buy', subject: user, before: null, after: { bytes: 7, expires_at: null, note: '', order: 'o1', price: '' } });
  await does(200, ['POST', '/api/v1/users/ann/packages', { order: 'o1', bytes: 7 }]);
  await does(200, ['POST', '/api/v1/users/ann/packages/o1/refund'], { action: 'package.refund', subject: user, before: { bytes: 7, order: 'o1' }, after: null });
  await does(200, ['POST', '/api/v1/users/ann/packages/o1/refund']);
  await does(204, ['DELETE', '/api/v1/users/ann'], { action: 'user.delete', subject: user, after: null });

  const { password } = await does(200, ['POST', '/api/add_user', { username: 'bob' }], { action: 'user.create', subject: 'users/bob' });
  await does(200, ['PUT', '/api/user/bob', { monthly_quota: 1, status: 'disabled', password }],
    { action: 'user.change', subject: 'users/bob', before: { monthly_quota: 100 * 2 ** 30 }, after: { monthly_quota: 2 ** 30 } },
    { action: 'user.disable', subject: 'users/bob' });
  await does(200, ['POST', '/api/reset_traffic/bob'], { action: 'user.reset', subject: 'users/bob' });
  await does(200, ['DELETE', '/api/user/bob'], { action: 'user.delete', subject: 'users/bob' });

  const facts = { address: 'n.example', coefficient: 1000, country: null, name: 'node' };
  const node = await does(201, ['POST', '/api/v1/nodes', { name: 'node', address: 'n.example' }], { action: 'node.create', subject: 'nodes/node', before: null, after: facts });
  const rotated = await does(200, ['POST', `/api/v1/nodes/${node.id}/rotate-key`], { action: 'node.rotate_key', subject: 'nodes/node', after: null });
  await does(204, ['DELETE', `/api/v1/nodes/${node.id}`], { action: 'node.delete', subject: 'nodes/node', before: { ...facts, enrolled: false, id: node.id } });

  await does(202, ['POST', '/api/v1/jobs/pool/run'], { action: 'job.run', subject: 'jobs/pool' });
  await does(200, ['PUT', '/api/v1/settings/retention', { hours_days: 3 }],
    { action: 'settings.change', subject: 'settings/retention', before: { days_days: 400, hours_days: 7 }, after: { days_days: 400, hours_days: 3 } });
  await does(200, ['PUT', '/api/xpert/settings', { title: 'T' }], { action: 'settings.change', subject: 'settings/xpert', before: {}, after: { title: 'T' } });
  await does(200, ['POST', '/api/xpert/traffic-stats/cleanup?days=3'], { action: 'traffic.cleanup', subject: 'traffic-stats', before: null, after: { days_kept: 3 } });

  const link = (name) => `trojan://hunter2@${name}.example:443#${name}`;
  const direct = { protocol: 'trojan', server: 'one.example', port: 443, name: 'one' };
  const { id } = await does(200, ['POST', '/api/xpert/direct-configs', { raw: link('one') }], { action: 'direct_config.add', subject: 'direct-configs', before: null });
  assert.deepEqual({ ...JSON.parse((await rows()).at(-1).after), raw: 0 }, { ...direct, raw: 0 });
  await does(200, ['POST', '/api/xpert/direct-configs/batch', { configs: [link('one'), link('two'), link('three')] }],
    { action: 'direct_config.add', subject: 'direct-configs' });
  await does(200, ['POST', '/api/xpert/direct-configs/batch', { configs: [link('one')] }]);
  await does(409, ['POST', '/api/xpert/direct-configs', { raw: link('one') }]);
  const config = `direct-configs/${id}`;
  await does(200, ['PUT', `/api/xpert/${config}`, { remarks: 'r' }], { action: 'direct_config.change', subject: config, before: { remarks: '' }, after: { remarks: 'r' } });
  await does(200, ['PUT', `/api/xpert/${config}`, { raw: link('four') }], { action: 'direct_config.change', subject: config });
  await does(200, ['PUT', `/api/xpert/${config}/toggle`], { action: 'direct_config.toggle', subject: config, before: { is_active: true }, after: { is_active: false } });
  await does(200, ['PUT', `/api/xpert/${config}/permanent`], { action: 'direct_config.toggle', subject: config, before: { is_permanent: false }, after: { is_permanent: true } });
  await does(200, ['POST', '/api/xpert/direct-configs/reorder', { ids: [id + 1] }], { action: 'direct_config.reorder', subject: 'direct-configs', after: { ids: [id + 1, id, id + 2] } });
  await does(200, ['DELETE', `/api/xpert/${config}`], { action: 'direct_config.delete', subject: config, after: null });

  const all = await assertChain();
  assert.equal(all.length, told.length);
  for (const [index, expected] of told.entries()) {
    const row = { ...all[index], before: JSON.parse(all[index].before), after: JSON.parse(all[index].after) };
    for (const [name, value] of Object.entries(expected)) {
      // Of what is created only what was asked for is expected here.
      const of = row.action === 'user.create' && name === 'after' ? Object.fromEntries(Object.keys(value).map((one) => [one, row.after[one]])) : row[name];
      assert.deepEqual(of, value, `${name} of row ${row.number}, ${row.action}`);
    }
    assert.deepEqual([row.actor_kind, row.actor, row.origin], ['api_key', 'local', '203.0.113.9']);
    assert.ok(Math.abs(row.at - now()) < 300);
  }
  const text = JSON.stringify(all);
  for (const secret of ['hunter2', node.token, rotated.token, password, panel.apiKey]) assert.ok(!text.includes(secret), 'a secret stands in the log');
  const raws = all.filter(({ action, after: to }) => action === 'direct_config.change' && to.includes('raw'));
  assert.match(raws[0].after, /"raw":"secret:[0-9a-f]{16}"/);
  assert.notEqual(JSON.parse(raws[0].before).raw, JSON.parse(raws[0].after).raw);
  const { ok, tail, head, checked } = await verify();
  assert.deepEqual({ ok, tail, head, checked }, { ok: true, tail: 'ok', head: 'ok', checked: all.length });
});

test('what is refused leaves no row', async () => {
  const before_ = await rows();
  for (const [status, method, where, body] of [
    [422, 'POST', '/api/v1/users', { name: 'x' }], [404, 'DELETE', '/api/v1/users/nobody'], [404, 'POST', '/api/v1/users/nobody/reset'],
    [404, 'POST', '/api/v1/jobs/nothing/run'], [422, 'PUT', '/api/v1/settings/retention', { hours_days: 1 }], [404, 'DELETE', '/api/v1/nodes/999'],
    [404, 'PUT', '/api/xpert/direct-configs/999/toggle'], [422, 'POST', '/api/xpert/direct-configs/reorder', {}],
  ]) {
    const answer = await panel.api(method, where, body);
    assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
  }
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'carol' })).status, 201);
  assertRefused(await panel.api('POST', '/api/v1/users', { name: 'CAROL' }), 409, 'taken');
  assert.equal((await rows()).length, before_.length + 1);
});

test('signing in, out, and being locked out are told', async () => {
  const { length } = await rows();
  const { username: name, password } = panel.operator;
  const headers = (address) => ({ 'cf-connecting-ip': address });
  const signedIn = await signIn({ name, password }, headers('203.0.113.1'));
  assert.equal(signedIn.status, 303);
  const cookie = signedIn.headers.get('set-cookie').split(';')[0];
  assert.equal((await panel.request('POST', '/api/v1/users/carol/disable', { headers: { cookie, origin: panel.url, ...headers('203.0.113.1') } })).status, 200);
  assert.equal((await panel.request('POST', '/logout', { headers: { cookie, origin: panel.url } })).status, 303);
  for (let attempt = 0; attempt < 12; attempt += 1) await signIn({ name: 'mallory\u0007', password: 'x' }, headers(`203.0.113.${attempt + 2}`));
  const told = (await rows()).slice(length).map(({ actor_kind: kind, actor, action, subject, origin }) => [kind, actor, action, subject, origin]);
  assert.deepEqual(told, [
    ['operator', name, 'session.open', `operators/${name}`, '203.0.113.1'],
    ['operator', name, 'user.disable', 'users/carol', '203.0.113.1'],
    ['operator', name, 'session.end', `operators/${name}`, told[2][4]],
    ['stranger', 'mallory', 'session.lock', 'operators/mallory', '203.0.113.11'],
  ]);
  assert.ok(!JSON.stringify(await rows()).includes(cookie.split('=')[1]));
});

test('twenty admins at once make one chain', async () => {
  const { length } = await rows();
  const { username: name, password } = panel.operator;
  const acts = Array.from({ length: 20 }, (_, index) => {
    if (index % 5 === 4) return panel.api('PATCH', '/api/v1/users/carol', { note: `note ${index}` });
    if (index % 7 === 6) return signIn({ name, password }, { 'cf-connecting-ip': `198.51.100.${index}` });
    return panel.api('POST', '/api/v1/users', { name: `user-${index}` });
  });
  const statuses = (await Promise.all(acts)).map(({ status }) => status);
  assert.ok(statuses.every((status) => [200, 201, 303].includes(status)), statuses.join());
  const all = await assertChain();
  assert.equal(all.length, length + 20);
  // Nobody's "before" is older than what the row before him made of it.
  const notes = all.filter(({ action, subject }) => action === 'user.change' && subject === 'users/carol').map(({ before: was, after: is }) => [JSON.parse(was).note, JSON.parse(is).note]);
  assert.equal(notes.length, 4);
  for (const [index, [was]] of notes.entries()) assert.equal(was, index === 0 ? '' : notes[index - 1][1]);
  assert.equal((await verify()).ok, true);
});

test('the log is read newest first, by who, what, to what and when, a window at a time', async () => {
  const list = async (query) => (await panel.api('GET', `/api/v1/audit?${query}`)).body;
  const all = await rows();
  const { items, next } = await list('limit=5');
  assert.deepEqual(items.map(({ number }) => number), all.slice(-5).reverse().map(({ number }) => number));
  assert.equal(next, items[4].number);
  assert.deepEqual((await list(`before=${next}&limit=2`)).items.map(({ number }) => number), [next - 1, next - 2]);
  const first = (await list('subject=users/ann&action=user.change')).items;
  assert.deepEqual(first.map(({ after: to }) => to), [{ note: 'y' }, { expires_at: null, monthly_quota: 9 }]);
  assert.deepEqual((await list('actor=mallory')).items.map(({ action }) => action), ['session.lock']);
  assert.deepEqual((await list(`from=${now() + 1000}`)), { items: [], next: null });
  assert.deepEqual((await list(`to=${now() - 1000}`)).items, []);
  const seen = [];
  for (let before_ = ''; before_ !== null;) {
    const page = await list(`limit=7${before_ && `&before=${before_}`}`);
    seen.push(...page.items.map(({ number }) => number));
    before_ = page.next;
  }
  assert.deepEqual(seen, all.map(({ number }) => number).reverse());
  for (const [query, field] of [['limit=0', 'limit'], ['limit=201', 'limit'], ['before=x', 'before'], ['from=-1', 'from'], ['to=1.5', 'to']]) {
    assertRefused(await panel.api('GET', `/api/v1/audit?${query}`), 422, 'invalid', field);
  }
});

test('only a key with the scope reads the log', async () => {
  for (const where of ['/api/v1/audit', '/api/v1/audit/verify']) {
    assertRefused(await panel.request('GET', where), 401, 'unauthorized');
    const scopes = 'users:read users:write nodes:read nodes:write stats:read settings:read settings:write';
    assertRefused(await panel.request('GET', where, { key: await keyWith(panel, scopes) }), 403, 'forbidden');
    assert.equal((await panel.request('GET', where, { key: await keyWith(panel, 'audit:read') })).status, 200);
    assertRefused(await panel.api('POST', where, {}), 405, 'method_not_allowed');
  }
});

test('a long log is verified over several calls', async () => {
  const { length } = await rows();
  const pieces = [];
  let from = 1;
  while (from !== null) {
    const piece = await verify(`?from=${from}&limit=9`);
    assert.equal(piece.ok, true, JSON.stringify(piece));
    pieces.push(piece);
    from = piece.next;
  }
  assert.equal(pieces.reduce((sum, { checked }) => sum + checked, 0), length);
  assert.deepEqual([pieces[0].tail, pieces.at(-1).tail], ['unknown', 'ok']);
  assert.equal(pieces[0].since, (await rows())[0].at);
  for (const [query, field] of [['from=x', 'from'], [`from=${length + 2}`, 'from'], ['limit=1001', 'limit'], ['head=7', 'head'], ['head=7:xyz', 'head']]) {
    assertRefused(await panel.api('GET', `/api/v1/audit/verify?${query}`), 422, 'invalid', field);
  }
});

test('an action costs one row read and two written more, and verifying costs the rows that it looks at', async (t) => {
  const { cost } = await panel.api('PUT', '/api/v1/settings/retention', {});
  // The key, the head, the settings before; the settings, the row, the head.
  t.diagnostic(`a setting: ${JSON.stringify(cost)}`);
  assert.ok(cost.written <= 3 && cost.read <= 5 && cost.queries <= 6, JSON.stringify(cost));
  const checked = await panel.api('GET', '/api/v1/audit/verify?limit=20&head=1:' + (await rows())[0].link);
  t.diagnostic(`20 rows verified: ${JSON.stringify(checked.cost)}`);
  assert.ok(checked.cost.written === 0 && checked.cost.read <= 20 + 13 && checked.cost.queries <= 4, JSON.stringify(checked.cost));
  const page = await panel.api('GET', '/api/v1/audit?limit=20');
  t.diagnostic(`a page of 20: ${JSON.stringify(page.cost)}`);
  assert.ok(page.cost.written === 0 && page.cost.read <= 20 + 6 && page.cost.queries <= 3, JSON.stringify(page.cost));
});

describe('what is done to the log by hand', () => {
  let kept;
  let count;

  before(async () => {
    const { count: rowsNow, link } = await verify();
    count = rowsNow;
    kept = { rows: await rows(), head: await panel.db.prepare('SELECT * FROM audit_head').first(), text: `${rowsNow}:${link}` };
  });

  async function restore() {
    const columns = Object.keys(kept.rows[0]);
    const insert = panel.db.prepare(`INSERT INTO audit (${columns}) VALUES (${columns.map((_, index) => `?${index + 1}`)})`);
    const { count: rowsNow, link, seal } = kept.head;
    await panel.db.batch([
      panel.db.prepare('DELETE FROM audit'),
      ...kept.rows.map((row) => insert.bind(...columns.map((name) => row[name]))),
      panel.db.prepare('INSERT OR REPLACE INTO audit_head VALUES (1, ?1, ?2, ?3)').bind(rowsNow, link, seal),
    ]);
  }

  /** Tamper, look at what verify says, and put everything back. */
  async function tampered(...statements) {
    for (const sql of statements) await panel.db.prepare(sql).run();
    const found = await verify('?limit=1000');
    const outside = await verify(`?limit=1000&head=${kept.text}`);
    await restore();
    assert.equal((await verify(`?limit=1000&head=${kept.text}`)).ok, true, 'the log is whole again');
    assert.equal(outside.ok, false, statements.join('; '));
    return { ...found, outside: outside.kept };
  }

  for (const edit of ["at = at + 1", "actor_kind = 'job'", "actor = 'x'", "action = 'x'", "subject = 'x'", "before = '{}'", "after = '{\"x\":1}'", "origin = '192.0.2.1'", "request = 'x'", "link = 'x'"]) {
    test(`editing it (${edit.split(' ')[0]}) is found`, async () => {
      const { ok, first_broken: broken } = await tampered(`UPDATE audit SET ${edit} WHERE number = 8`);
      assert.deepEqual([ok, broken], [false, { number: 8, kind: 'edited' }]);
    });
  }

  test('deleting in the middle, swapping, adding and pushing in between are found', async () => {
    const columns = 'at, actor_kind, actor, action, subject, before, after, origin, request, link';
    for (const [broken, ...statements] of [
      [{ number: 9, kind: 'missing' }, 'DELETE FROM audit WHERE number = 9'],
      [{ number: 3, kind: 'edited' }, 'UPDATE audit SET number = -1 WHERE number = 3', 'UPDATE audit SET number = 3 WHERE number = 6', 'UPDATE audit SET number = 6 WHERE number = -1'],
      [{ number: count + 1, kind: 'beyond' }, `INSERT INTO audit SELECT ${count + 1}, ${columns} FROM audit WHERE number = 4`],
      [{ number: 9, kind: 'rewritten' }, 'UPDATE audit SET number = -number - 1 WHERE number >= 9', 'UPDATE audit SET number = -number WHERE number < 0', `INSERT INTO audit SELECT 9, ${columns} FROM audit WHERE number = 4`],
    ]) {
      const { ok, first_broken: found } = await tampered(...statements);
      assert.deepEqual([ok, found], [false, broken], statements[0]);
    }
  });

  test('cutting the tail is found, also when the head is set back without the key', async () => {
    const cut = `DELETE FROM audit WHERE number > ${count - 5}`;
    const plain = await tampered(cut);
    assert.deepEqual([plain.ok, plain.tail, plain.first_broken], [false, 'cut', { number: count - 4, kind: 'cut' }]);
    const moved = await tampered(cut, `UPDATE audit_head SET count = ${count - 5}, link = (SELECT link FROM audit WHERE number = ${count - 5})`);
    assert.deepEqual([moved.ok, moved.head, moved.outside], [false, 'forged', 'missing']);
  });

  test('deleting everything is found, with the head or without', async () => {
    const { ok, tail, first_broken: broken } = await tampered('DELETE FROM audit');
    assert.deepEqual([ok, tail, broken], [false, 'cut', { number: 1, kind: 'cut' }]);
    assert.equal((await tampered('DELETE FROM audit_head')).head, 'missing');
    const wiped = await tampered('DELETE FROM audit', "UPDATE audit_head SET count = 0, link = '', seal = ''");
    assert.deepEqual([wiped.ok, wiped.head, wiped.outside], [false, 'new', 'missing']);
  });

  /** The log from a row on, written anew. */
  function rewritten(secret, from = 1) {
    let previous = from === 1 ? NONE : kept.rows[from - 2].link;
    const statements = kept.rows.slice(from - 1).map((row) => {
      const forged = { ...row, actor: 'somebody else' };
      previous = linkOf(secret, previous, forged);
      return `UPDATE audit SET actor = 'somebody else', link = '${previous}' WHERE number = ${row.number}`;
    });
    return [...statements, `UPDATE audit_head SET link = '${previous}', seal = '${sealOf(secret, count, previous)}'`];
  }

  test('writing it anew with another key is found', async () => {
    for (const from of [1, 12]) {
      const { ok, head, first_broken: broken } = await tampered(...rewritten('another key', from));
      assert.deepEqual([ok, head, broken], [false, 'forged', { number: from, kind: 'rewritten' }]);
    }
  });

  test('who has the key can write it anew, and is found by a head that was kept outside', async () => {
    for (const statements of [rewritten(key), [`DELETE FROM audit WHERE number > ${count - 5}`, `UPDATE audit_head SET count = ${count - 5}, link = '${kept.rows[count - 6].link}', seal = '${sealOf(key, count - 5, kept.rows[count - 6].link)}'`]]) {
      const { ok, outside } = await tampered(...statements);
      assert.equal(ok, true);
      assert.match(outside, /^(differs|missing)$/);
    }
  });

  test('a log that goes on after its head was forged says so for good', async () => {
    const cut = count - 5;
    await panel.db.prepare(`DELETE FROM audit WHERE number > ${cut}`).run();
    await panel.db.prepare(`UPDATE audit_head SET count = ${cut}, link = (SELECT link FROM audit WHERE number = ${cut}), seal = 'x'`).run();
    // The panel is not stopped by it.
    assert.equal((await panel.api('POST', '/api/v1/users/carol/enable')).status, 200);
    assert.equal((await panel.api('POST', '/api/v1/users/carol/disable')).status, 200);
    const all = await rows();
    assert.deepEqual(all.slice(cut).map(({ action }) => action), ['audit.unsealed', 'user.enable', 'user.disable']);
    assert.equal(JSON.parse(all[cut].before).count, cut);
    const { ok, head, tail, first_broken: broken } = await verify('?limit=1000');
    assert.deepEqual([ok, head, tail, broken], [false, 'ok', 'ok', { number: cut + 1, kind: 'unsealed' }]);
    await restore();
  });

  test('rows that the head knows nothing of, and a head that is gone, do not stop the panel', async () => {
    for (const sql of [
      `INSERT INTO audit SELECT ${count + 1}, at, actor_kind, actor, action, subject, before, after, origin, request, link FROM audit WHERE number = 4`,
      'DELETE FROM audit_head',
    ]) {
      await panel.db.prepare(sql).run();
      assert.equal((await panel.api('POST', '/api/v1/users/carol/enable')).status, 200, sql);
      assert.ok((await rows()).some(({ action }) => action === 'audit.unsealed'));
      assert.equal((await verify('?limit=1000')).ok, false);
      await restore();
    }
  });
});

test('an action that loses every try is told to come again, and nothing of it is done', async () => {
  const { length } = await rows();
  await panel.db.prepare("CREATE TRIGGER late BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'NOT NULL constraint failed: audit_head.link'); END").run();
  const answer = await panel.api('POST', '/api/v1/users', { name: 'late' });
  await panel.db.prepare('DROP TRIGGER late').run();
  assertRefused(answer, 503, 'unavailable');
  assert.equal((await panel.api('GET', '/api/v1/users/late')).status, 404);
  assert.equal((await rows()).length, length);
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'late' })).status, 201);
});

test('admins who meet in the database, as those of two isolates do, make one chain, and whoever is refused has done nothing', async (t) => {
  const faulty = await startPanel({ faults: true, vars: { WEIR_MUTANT: 'turn' } });
  try {
    assert.equal(await faulty.cron(), 'ok');
    const names = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    const answers = await Promise.all(names.map((name) => faulty.api('POST', '/api/v1/users', { name })));
    const done = names.filter((_, index) => answers[index].status === 201);
    t.diagnostic(`${done.length} of 20 at once are done, the others are told to come again`);
    assert.ok(answers.every(({ status }) => status === 201 || status === 503), answers.map(({ status }) => status).join());
    const { results } = await faulty.db.prepare('SELECT name FROM users').all();
    assert.deepEqual(results.map(({ name }) => name).sort(), [...done].sort());
    const told = await rows(faulty);
    assert.deepEqual(told.map(({ subject }) => subject).sort(), done.map((name) => `users/${name}`).sort());
    assert.deepEqual(told.map(({ number }) => number), done.map((_, index) => index + 1));
    const { ok, checked } = await verify('', faulty);
    assert.deepEqual([ok, checked], [true, done.length]);
    assert.ok(done.length >= 3, 'of those who meet at least one is done with every try');
  } finally {
    await faulty.stop();
  }
});

test('an action is done and told, or neither, wherever the panel died', async () => {
  const faulty = await startPanel({ faults: true });
  try {
    assert.equal(await faulty.cron(), 'ok');
    const state = async () => {
      const users = (await faulty.db.prepare('SELECT name, disabled_at FROM users WHERE deleted_at IS NULL ORDER BY name').all()).results;
      return { users, told: (await rows(faulty)).map(({ action, subject }) => `${action} ${subject}`) };
    };
    const key_ = faulty.apiKey;
    for (const [method, where, body, action, subject] of [
      ['POST', '/api/v1/users', { name: 'ann' }, 'user.create', 'users/ann'],
      ['POST', '/api/v1/users/ann/disable', undefined, 'user.disable', 'users/ann'],
      ['DELETE', '/api/v1/users/ann', undefined, 'user.delete', 'users/ann'],
    ]) {
      let died = 0;
      for (let trips = 0; ; trips += 1) {
        const was = await state();
        const answer = await faulty.request(method, where, { key: key_, body: body && JSON.stringify(body), headers: { 'weir-fault-crash': String(trips) } });
        const is = await state();
        if (is.told.length === was.told.length) {
          assert.deepEqual(is, was, `${action} died after ${trips} round trips`);
          assert.equal(answer.status, 500);
          died += 1;
          continue;
        }
        assert.notDeepEqual(is.users, was.users);
        assert.deepEqual(is.told, [...was.told, `${action} ${subject}`]);
        break;
      }
      assert.ok(died >= 3, `${action}: only ${died} places to die at`);
    }
    assert.equal((await verify('', faulty)).ok, true);
  } finally {
    await faulty.stop();
  }
});
