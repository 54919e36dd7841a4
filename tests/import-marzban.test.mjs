/**
 * Coming from Marzban with 2,000 users of all kinds: the tool reads a Marzban-shaped server, writes into the real Worker, and afterwards every field
 * of every user is compared with what the old panel said.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Importing, SECRET } from './support/importing.mjs';
import { marzbanToken } from './support/marzban-token.mjs';
import { dump } from './support/refusals.mjs';

const USERS = 2_000;

let importing;
let panel;
let old;
/** When the old users were made. */
let began;

before(async () => {
  importing = await Importing.start(USERS);
  ({ panel, old, began } = importing);
});
after(() => importing?.stop());

const run = (...more) => importing.run(...more);

/** Everything that an import could change, without what reading it leaves behind. */
async function state() {
  const { api_keys: _, cost_days: __, ...tables } = await dump(panel);
  return tables;
}

async function usersHere() {
  const users = [];
  for (let offset = 0; offset !== null; ) {
    const { items, next } = (await panel.api('GET', `/api/v1/users?limit=200&offset=${offset}`)).body;
    users.push(...items);
    offset = next;
  }
  return new Map(users.map((user) => [user.name, user]));
}

const secondOf = (text) => Math.floor(Date.parse(`${text}Z`) / 1_000);

/** What the panel must show of a user of the old one; written apart from the tool. */
function expected(user, operators) {
  const waits = user.status === 'on_hold';
  const length = { day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 }[user.data_limit_reset_strategy];
  const created = secondOf(user.created_at);
  return {
    name: user.username,
    status: user.status,
    note: user.note ?? '',
    created_at: created,
    monthly_quota: user.data_limit ?? 0,
    total_quota: 0,
    reset_strategy: user.data_limit_reset_strategy,
    monthly_used: user.used_traffic,
    total_used: user.lifetime_used_traffic,
    expires_at: waits ? null : user.expire,
    hold_seconds: waits ? user.on_hold_expire_duration : null,
    hold_until: waits && user.on_hold_timeout ? secondOf(user.on_hold_timeout) : null,
    delete_after_days: user.auto_delete_in_days > 0 ? user.auto_delete_in_days : null,
    next_plan: user.next_plan && {
      plan: null,
      monthly_quota: user.next_plan.data_limit ?? 0,
      ...(user.next_plan.expire && { expires_at: user.next_plan.expire }),
      add_remaining_traffic: user.next_plan.add_remaining_traffic,
      fire_on_either: user.next_plan.fire_on_either,
    },
    protocols: Object.fromEntries(
      Object.entries(user.proxies).map(([name, { flow, method }]) => {
        const excluded = user.excluded_inbounds[name];
        return [name, { ...(flow && { flow }), ...(method === 'aes-256-gcm' && { method }), ...(excluded.length > 0 && { excluded }) }];
      }),
    ),
    owner_id: operators.get(user.admin?.username) ?? null,
    period_start: length ? created + Math.floor((began - created) / length) * length : created,
  };
}

/** Whether the audit log is whole, row by row. @param {import('./support/panel.mjs').Panel} panel */
async function assertLogIsWhole(panel) {
  let last;
  for (let from = 1; from !== null; from = last.next) {
    last = (await panel.api('GET', `/api/v1/audit/verify?limit=1000&from=${from}`)).body;
    assert.equal(last.ok, true, JSON.stringify(last));
  }
  assert.equal(last.tail, 'ok');
}

test('a dry run tells everything and changes nothing', async () => {
  const before = await state();
  const { code, out, report, err } = await run('--secret', SECRET);
  assert.equal(code, 0, err + out);
  assert.deepEqual(report.counts, { found: USERS, created: USERS, unchanged: 0, differing: 0, overwritten: 0, lost: 0, failed: 0 });
  assert.match(out, /would be created \(2000\)/);
  assert.match(out, /nothing was changed: --apply writes/);
  assert.match(err, /read 2000 of 2000 users/);
  const [one] = report.created;
  assert.ok(one.fields.length > 8, 'field by field');
  for (const [what, pattern] of [['node', /node fra .*coefficient 1\.5/], ['host', /host "\{USERNAME\} fra" of the inbound vless-in/], ['template', /template trial lasts 3600 seconds/], ['sudo admin', /sudo admin root/]]) {
    assert.ok(report.todo.some((line) => pattern.test(line)), what);
  }
  for (const { proxies } of old.users.slice(0, 50)) {
    for (const { id, password } of Object.values(proxies)) assert.ok(!out.includes(id ?? password) && !JSON.stringify(report).includes(id ?? password), 'no credential is told');
  }
  assert.deepEqual(await state(), before);
});

test('2,000 users of all kinds come over, every field of every one', async (t) => {
  const started = Date.now();
  const { code, report, err, out } = await run('--secret', SECRET, '--apply');
  t.diagnostic(`imported in ${Date.now() - started} ms`);
  assert.equal(code, 0, err + out.slice(-4_000));
  assert.deepEqual(report.counts, { found: USERS, created: USERS, unchanged: 0, differing: 0, overwritten: 0, lost: 0, failed: 0 });
  assert.match(err, /\d+ of 2000 users/);

  const { results: operators } = await panel.db.prepare('SELECT id, name, role FROM operators').all();
  const numbers = new Map(operators.map(({ id, name }) => [name, id]));
  assert.deepEqual(operators.filter(({ role }) => role === 'reseller').map(({ name }) => name).sort(), ['seller-a', 'seller-b']);
  const here = await usersHere();
  assert.equal(here.size, USERS);
  const kinds = new Set();
  for (const user of old.users) {
    const shown = here.get(user.username);
    const wanted = expected(user, numbers);
    assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((field) => [field, shown?.[field]])), wanted, user.username);
    kinds.add(shown.status);
  }
  assert.deepEqual([...kinds].sort(), ['active', 'disabled', 'expired', 'limited', 'on_hold']);
});

test('every credential is the one that the client has', async () => {
  const check = async (user) => {
    const { body } = await panel.api('GET', `/api/v1/users/${encodeURIComponent(user.username)}/credentials`);
    const { vless, vmess, trojan, shadowsocks } = user.proxies;
    const wanted = { ...(vless && { vless_uuid: vless.id }), ...(vmess && { vmess_uuid: vmess.id }), ...(trojan && { trojan_password: trojan.password }), ...(shadowsocks && { shadowsocks_password: shadowsocks.password }) };
    assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((field) => [field, body[field]])), wanted, user.username);
    assert.deepEqual([...body.by_hand].sort(), Object.keys(wanted).sort(), user.username);
  };
  for (let at = 0; at < USERS; at += 20) await Promise.all(old.users.slice(at, at + 20).map(check));
});

test('links that the old panel handed out work, and the ledgers of the panel add up', async () => {
  for (const user of old.users.slice(0, 40)) {
    const made = secondOf(user.created_at);
    assert.equal((await panel.request('GET', `/sub/${marzbanToken(SECRET, user.username, made + 1)}/links`)).status, 200, user.username);
    assert.equal((await panel.request('GET', `/sub/${marzbanToken(SECRET, user.username, made - 1)}/links`)).status, 404);
  }
  const { body: why } = await panel.api('GET', `/api/v1/users/${old.users[1].username}/explain`);
  assert.equal(why.brought, old.users[1].used_traffic);
  assert.deepEqual([why.check.remainder, why.charged.late, why.check.because], [0, 0, []]);
  await assertLogIsWhole(panel);
});

test('templates that can be plans are plans', async () => {
  const { status, body } = await panel.api('GET', '/api/v1/plans/month-50');
  assert.deepEqual([status, body.monthly_quota, body.duration_days, body.reset_strategy], [200, 50 * 1024 ** 3, 30, 'no_reset']);
});

test('a second run changes nothing and says so', async (t) => {
  const before = await state();
  const started = Date.now();
  const { code, out, report, err } = await run('--apply');
  t.diagnostic(`compared in ${Date.now() - started} ms`);
  assert.equal(code, 0, err + out.slice(-2_000));
  assert.deepEqual(report.counts, { found: USERS, created: 0, unchanged: USERS, differing: 0, overwritten: 0, lost: 0, failed: 0 });
  assert.match(out, /nothing had to be changed/);
  assert.deepEqual(await state(), before);
});
