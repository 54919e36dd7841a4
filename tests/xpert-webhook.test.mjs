/** Reports of clients about traffic through other people's servers, on the real Worker and D1. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedUsers, usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, BASE, reportOf, roomInMinute, send, setSettings, tokenOf } from './support/xpert.mjs';

const SECRET = 'a secret of 24 letters..';
const MOST = 2 ** 44;

let panel;
let authKey;

before(async () => {
  panel = await startPanel({ vars: { XPERT_LIMIT_FACTOR: '1000', XPERT_WEBHOOK_SECRET: SECRET } });
  authKey = await authKeyOf(panel);
});
after(() => panel?.stop());

async function user(usage) {
  const [one] = await seedUsers(panel, 1, usage);
  return { ...one, token: tokenOf(authKey, one) };
}

const rowsOf = async (one) =>
  (await panel.db.prepare('SELECT * FROM xpert_fresh WHERE user = ?1 ORDER BY server, port, protocol').bind(one.id).all()).results;
const sumOf = async (one) => (await rowsOf(one)).reduce((sum, row) => sum + row.up + row.down, 0);

const gateOf = async (one) => (await panel.db.prepare('SELECT gate FROM slots WHERE name = ?1').bind(one.slot).first()).gate;

function refused(answer, status, says) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.body), ['detail']);
  assert.match(answer.body.detail, says);
}

test('a report is stored per user, server, port, protocol and day', async () => {
  const one = await user();
  const { status, text, headers } = await send(panel, reportOf(one.token, { bytes_uploaded: 1_048_576, bytes_downloaded: 2_097_152 }));
  assert.equal(status, 200);
  assert.equal(text, '{"message":"Traffic recorded successfully","status":"success"}');
  assert.match(headers.get('content-type'), /^application\/json/);
  await send(panel, reportOf(one.token, { bytes_uploaded: 4, bytes_downloaded: 8 }));
  await send(panel, reportOf(one.token, { port: 8443 }));
  await send(panel, reportOf(one.token, { protocol: 'trojan' }));
  await send(panel, reportOf(one.token, { server: 'other.example' }));
  const rows = await rowsOf(one);
  assert.deepEqual(rows.map(({ server, port, protocol, up, down }) => [server, port, protocol, up, down]), [
    ['other.example', 443, 'vless', 1, 2],
    ['vpn.example.com', 443, 'trojan', 1, 2],
    ['vpn.example.com', 443, 'vless', 1_048_580, 2_097_160],
    ['vpn.example.com', 8443, 'vless', 1, 2],
  ]);
  assert.ok(rows.every(({ day, last_at: at }) => day === Math.floor(at / 86_400) && Math.abs(at - now()) < 60));
  assert.equal((await usageOf(panel, one.id)).month, 0, 'external bytes are kept apart');
});

test('fields that are not known are tolerated', async () => {
  const one = await user();
  assert.equal((await send(panel, reportOf(one.token, { ping_ms: 12 }))).status, 200);
});

test('a field that is missing, negative, fractional or absurd is named, and nothing is stored', async () => {
  const one = await user();
  for (const field of ['user_token', 'server', 'port', 'protocol', 'bytes_uploaded', 'bytes_downloaded']) {
    const body = reportOf(one.token);
    delete body[field];
    refused(await send(panel, body), 422, new RegExp(`^${field}: `));
    refused(await send(panel, reportOf(one.token, { [field]: null })), 422, new RegExp(`^${field}: `));
  }
  const absurd = [-1, 1.5, MOST + 1, 2 ** 53, 1e30, '5', true, []];
  for (const field of ['bytes_uploaded', 'bytes_downloaded']) {
    for (const value of absurd) refused(await send(panel, reportOf(one.token, { [field]: value })), 422, new RegExp(`^${field}: `));
  }
  for (const port of [0, -1, 65_536, 443.5, '443', 1e30]) refused(await send(panel, reportOf(one.token, { port })), 422, /^port: /);
  for (const server of ['', 'a b', 'a\nb', 'x'.repeat(254), 7]) refused(await send(panel, reportOf(one.token, { server })), 422, /^server: /);
  for (const protocol of ['', 'a b', '<b>', 'x'.repeat(33), 7]) refused(await send(panel, reportOf(one.token, { protocol })), 422, /^protocol: /);
  for (const token of ['', 'x'.repeat(257), 7]) refused(await send(panel, reportOf(token)), 422, /^user_token: /);
  // Numbers that JavaScript cannot write.
  for (const huge of ['99999999999999999999', '-0.5', '1e400']) {
    const text = JSON.stringify(reportOf(one.token)).replace('"bytes_uploaded":1', `"bytes_uploaded":${huge}`);
    assert.ok([400, 422].includes((await send(panel, text)).status), huge);
  }
  assert.deepEqual(await rowsOf(one), []);
  assert.equal((await send(panel, reportOf(one.token, { bytes_uploaded: MOST, bytes_downloaded: 0 }))).status, 200);
});

test('a body that is no JSON object, or too large, is refused', async () => {
  refused(await send(panel, '{'), 400, /JSON/);
  refused(await send(panel, '[]'), 422, /^body: /);
  refused(await send(panel, JSON.stringify(reportOf('x', { note: 'x'.repeat(9000) }))), 413, /8192 bytes/);
  refused(await panel.request('GET', `${BASE}/traffic-webhook`), 405, /POST/);
  refused(await panel.request('GET', `${BASE}/nothing`), 404, /not found/);
});

test('an unknown token is 404, and a forged one costs no query', async () => {
  const one = await user();
  const forged = one.token.slice(0, -1) + (one.token.endsWith('A') ? 'B' : 'A');
  const answer = await send(panel, reportOf(forged));
  refused(answer, 404, /not found/);
  assert.equal(answer.cost.queries, 0);
  for (const token of ['user123', 'global', 'server', 'database', '../etc', 'ü']) refused(await send(panel, reportOf(token)), 404, /not found/);
  refused(await send(panel, reportOf(tokenOf(authKey, one, 2))), 404, /not found/);
  await panel.db.prepare('UPDATE users SET deleted_at = unixepoch() WHERE id = ?1').bind(one.id).run();
  refused(await send(panel, reportOf(one.token)), 404, /not found/);
  assert.deepEqual(await rowsOf(one), []);
});

test('an alias stands for its user until he is deleted', async () => {
  const one = await user();
  await panel.db.prepare('INSERT INTO aliases (alias, user, created_at) VALUES (?1, ?2, 1)').bind('user123', one.id).run();
  assert.equal((await send(panel, reportOf('user123'))).status, 200);
  assert.equal(await sumOf(one), 3);
  await panel.db.prepare('UPDATE users SET deleted_at = unixepoch() WHERE id = ?1').bind(one.id).run();
  refused(await send(panel, reportOf('user123')), 404, /not found/);
});

test('a retry with the same Idempotency-Key counts once, also when both arrive at the same instant', async () => {
  const one = await user();
  const other = await user();
  const keyed = (of, key) => send(panel, reportOf(of.token), { 'idempotency-key': key });
  const answers = await Promise.all(Array.from({ length: 8 }, () => keyed(one, 'a')));
  for (const { status, body } of answers) assert.deepEqual([status, body.status], [200, 'success']);
  assert.equal(await sumOf(one), 3);
  await keyed(one, 'b');
  await keyed(one, 'a');
  assert.equal(await sumOf(one), 6);
  await keyed(other, 'a');
  assert.equal(await sumOf(other), 3, "another user's key is another key");
  for (let i = 0; i < 127; i += 1) await keyed(one, `later ${i}`);
  await keyed(one, 'b');
  assert.equal(await sumOf(one), 3 * 129, 'after 127 other reports it is still known');
  refused(await send(panel, reportOf(one.token), { 'idempotency-key': 'x'.repeat(256) }), 422, /^Idempotency-Key: /);
});

test('a signed report is trusted, a wrong signature is refused', async () => {
  const one = await user();
  const body = JSON.stringify(reportOf(one.token));
  const sign = (secret) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  assert.equal((await send(panel, body, { 'x-webhook-signature': sign(SECRET) })).status, 200);
  assert.equal((await rowsOf(one))[0].trusted, 3);
  assert.equal((await send(panel, body)).status, 200);
  refused(await send(panel, body, { 'x-webhook-signature': sign('another secret') }), 401, /credential/);
  refused(await send(panel, body, { 'x-webhook-signature': 'x' }), 401, /credential/);
  const [{ trusted, up, down }] = await rowsOf(one);
  assert.deepEqual([trusted, up + down], [3, 6]);
});

test('with tracking off a report is answered and not stored', async () => {
  const one = await user();
  await setSettings(panel, { tracking_enabled: false });
  const { status, text } = await send(panel, reportOf(one.token));
  await setSettings(panel, {});
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(text), { status: 'disabled', message: 'Traffic tracking is disabled' });
  assert.deepEqual(await rowsOf(one), []);
});

test('external bytes count towards the quota when the operator says so, and shut the gate', async () => {
  const one = await user({ monthlyQuota: 10 });
  await setSettings(panel, { quota_counting: 'all' });
  try {
    await send(panel, reportOf(one.token), { 'idempotency-key': '1' });
    await send(panel, reportOf(one.token), { 'idempotency-key': '1' });
    await send(panel, reportOf(one.token));
    const usage = await usageOf(panel, one.id);
    assert.deepEqual([usage.month, usage.lifetime], [6, 6]);
    assert.equal(await gateOf(one), 'open');
    await send(panel, reportOf(one.token, { bytes_downloaded: 3 }));
    assert.equal(await gateOf(one), 'month');
    assert.equal((await usageOf(panel, one.id)).month, 10);
    assert.equal((await rowsOf(one))[0].charged, 10);
  } finally {
    await setSettings(panel, {});
  }
});

test('a charge that takes the last of a bonus shuts the gate of whom a node has taken beyond his quota', async () => {
  const one = await user({ monthlyQuota: 10, month: 12 });
  await panel.db.prepare('UPDATE usage SET bonus_left = 3 WHERE user = ?1').bind(one.id).run();
  await setSettings(panel, { quota_counting: 'all' });
  try {
    await send(panel, reportOf(one.token, { bytes_uploaded: 5, bytes_downloaded: 0 }));
    assert.equal((await usageOf(panel, one.id)).bonus_left, 0);
    assert.equal(await gateOf(one), 'month');
  } finally {
    await setSettings(panel, {});
  }
});

test('what was cut off after a charge follows with the retry of its report, or with the next one', async () => {
  await setSettings(panel, { quota_counting: 'all' });
  try {
    for (const key of ['again', 'next']) {
      const one = await user({ monthlyQuota: 10 });
      await send(panel, reportOf(one.token), { 'idempotency-key': 'again' });
      // As the first of two batches leaves it: charged, and nobody has looked at the gate.
      await panel.db.prepare('UPDATE usage SET month = 10, lifetime = 10 WHERE user = ?1').bind(one.id).run();
      assert.equal(await gateOf(one), 'open');
      assert.equal((await send(panel, reportOf(one.token), { 'idempotency-key': key })).status, 200);
      assert.equal(await gateOf(one), 'month', key);
      assert.equal((await usageOf(panel, one.id)).month, key === 'again' ? 10 : 13, 'a retry counts nothing');
    }
  } finally {
    await setSettings(panel, {});
  }
});

test('external bytes that pass the threshold of a warning send it, once', async () => {
  await panel.db.prepare("INSERT INTO wanted (kind, channel) VALUES ('user.quota_warning', 999)").run();
  await setSettings(panel, { quota_counting: 'all' });
  try {
    const one = await user({ monthlyQuota: 100, month: 79 });
    const told = async () => (await panel.db.prepare("SELECT json_extract(data, '$.percent') AS percent FROM events WHERE kind = 'user.quota_warning' AND user = ?1").bind(one.id).all()).results;
    await send(panel, reportOf(one.token, { bytes_uploaded: 2, bytes_downloaded: 0 }), { 'idempotency-key': 'w' });
    assert.deepEqual(await told(), [{ percent: 80 }]);
    await panel.db.prepare('DELETE FROM events WHERE user = ?1').bind(one.id).run();
    for (const time of ['cut off', 'again']) {
      await send(panel, reportOf(one.token, { bytes_uploaded: 2, bytes_downloaded: 0 }), { 'idempotency-key': 'w' });
      assert.deepEqual(await told(), [{ percent: 80 }], time);
    }
    assert.equal(await gateOf(one), 'open');
  } finally {
    await setSettings(panel, {});
    await panel.db.prepare('DELETE FROM wanted WHERE channel = 999').run();
  }
});

test('a charged report is the first use of an account on hold, and one that is not charged is none', async () => {
  const one = await user();
  await panel.db.prepare('UPDATE usage SET hold = 86400 WHERE user = ?1').bind(one.id).run();
  const state = async () => (await panel.db.prepare('SELECT expires_at, hold, due_at FROM users JOIN usage ON usage.user = users.id WHERE id = ?1').bind(one.id).first());
  await send(panel, reportOf(one.token));
  assert.equal((await state()).hold, 86_400);
  await setSettings(panel, { quota_counting: 'all' });
  try {
    await send(panel, reportOf(one.token, { bytes_uploaded: 0, bytes_downloaded: 0 }));
    assert.equal((await state()).hold, 86_400, 'nothing was used');
    await send(panel, reportOf(one.token));
    const { expires_at: expires, hold, due_at: due } = await state();
    assert.ok(Math.abs(expires - now() - 86_400) < 60 && hold === 0 && due <= expires, JSON.stringify({ expires, hold, due }));
    const until = await panel.db.prepare('SELECT until FROM slots WHERE name = ?1').bind(one.slot).first();
    assert.equal(until.until, expires, 'the nodes shut him by themselves then');
    await send(panel, reportOf(one.token));
    assert.equal((await state()).expires_at, expires);
  } finally {
    await setSettings(panel, {});
  }
});

test('what exceeds the quota is taken from the bonus first', async () => {
  const one = await user({ monthlyQuota: 10 });
  await panel.db.prepare('UPDATE usage SET bonus_left = 5 WHERE user = ?1').bind(one.id).run();
  await setSettings(panel, { quota_counting: 'all' });
  await send(panel, reportOf(one.token, { bytes_uploaded: 12, bytes_downloaded: 0 }));
  await setSettings(panel, {});
  const { month, lifetime, bonus_left: left, bonus_spent: spent } = await usageOf(panel, one.id);
  assert.deepEqual([month, lifetime, left, spent], [10, 12, 3, 2]);
});

test('with trusted counting only signed reports are charged', async () => {
  const one = await user();
  const body = JSON.stringify(reportOf(one.token));
  await setSettings(panel, { quota_counting: 'trusted' });
  await send(panel, body);
  assert.equal((await usageOf(panel, one.id)).month, 0);
  await send(panel, body, { 'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('hex') });
  await setSettings(panel, {});
  assert.equal((await usageOf(panel, one.id)).month, 3);
});

test('a report after the end of a period is charged to the new one', async () => {
  const one = await user({ monthlyQuota: 10, month: 7, periodStart: now() - 40 * 86_400, periodEnd: now() - 10 });
  await setSettings(panel, { quota_counting: 'all' });
  for (const time of ['first', 'again']) {
    const { status, text } = await send(panel, reportOf(one.token), { 'idempotency-key': 'k' });
    assert.equal(status, 200, `${time}: ${text} ${panel.log()}`);
  }
  await setSettings(panel, {});
  const { month, lifetime, period_end: end } = await usageOf(panel, one.id);
  assert.deepEqual([month, lifetime], [3, 10]);
  assert.ok(end > now());
  assert.equal((await panel.db.prepare('SELECT bytes FROM periods WHERE user = ?1').bind(one.id).first()).bytes, 7);
});

test('a report costs what design promises', async (t) => {
  const one = await user({ monthlyQuota: 2 ** 40 });
  const cost = async (what, headers, { written, read, queries }) => {
    for (const time of ['first', 'later']) {
      const key = headers === undefined ? {} : { 'idempotency-key': `${what} ${time}` };
      const { cost: paid } = await send(panel, reportOf(one.token, { server: `${what}.example` }), key);
      t.diagnostic(`${what}, ${time}: ${paid.written} written, ${paid.read} read, ${paid.queries} queries`);
      assert.ok(paid.written <= written && paid.read <= read && paid.queries <= queries, `${what}: ${JSON.stringify(paid)}`);
    }
  };
  await cost('plain', undefined, { written: 1, read: 4, queries: 3 });
  await cost('keyed', {}, { written: 2, read: 4, queries: 3 });
  await setSettings(panel, { quota_counting: 'all' });
  await cost('charged', undefined, { written: 2, read: 4, queries: 3 });
  await cost('keyed-and-charged', {}, { written: 3, read: 4, queries: 3 });
  // Whoever is used up and shut is looked at each time: a row more.
  await panel.db.prepare("UPDATE usage SET month = monthly_quota WHERE user = ?1").bind(one.id).run();
  await send(panel, reportOf(one.token));
  await cost('used-up', undefined, { written: 2, read: 5, queries: 3 });
  await setSettings(panel, {});
  await panel.db.prepare('INSERT INTO aliases (alias, user, created_at) VALUES (?1, ?2, 1)').bind('old', one.id).run();
  const { cost: alias } = await send(panel, reportOf('old'));
  assert.ok(alias.written === 1 && alias.read <= 4 && alias.queries <= 3, JSON.stringify(alias));
  const { cost: again } = await send(panel, reportOf(one.token), { 'idempotency-key': 'keyed first' });
  assert.equal(again.written, 0, 'a retry writes nothing');
  assert.ok(again.queries <= 3, `and asks nothing more: ${again.queries} queries`);
});

test('10,000 reports by 100 tokens sum exactly', async () => {
  const users = (await seedUsers(panel, 100)).map((one) => ({ ...one, token: tokenOf(authKey, one) }));
  const sums = new Map(users.map(({ id }) => [id, 0]));
  let next = 0;
  const sender = async () => {
    while (next < 10_000) {
      const index = next;
      next += 1;
      const one = users[index % 100];
      const [up, down] = [index * 7 + 1, index * 13];
      sums.set(one.id, sums.get(one.id) + up + down);
      const report = reportOf(one.token, { server: `s${index % 11}.example`, bytes_uploaded: up, bytes_downloaded: down });
      const { status, text } = await send(panel, report, index % 10 === 0 ? { 'idempotency-key': `k${index}` } : {});
      assert.equal(status, 200, text);
    }
  };
  await Promise.all(Array.from({ length: 24 }, sender));
  const stored = async () => {
    const { results } = await panel.db.prepare(`SELECT user, sum(up + down) AS bytes, count(*) AS n FROM
      (SELECT * FROM xpert_fresh UNION ALL SELECT * FROM xpert_days) WHERE user >= ?1 GROUP BY user`).bind(users[0].id).all();
    return results;
  };
  const before = await stored();
  assert.deepEqual(new Map(before.map(({ user: id, bytes }) => [id, bytes])), sums);
  assert.equal(before.reduce((rows, { n }) => rows + n, 0), 1_100);
  // More than 1,000 rows wait: the job moves them, and no byte is lost or doubled.
  assert.equal(await panel.cron('reports'), 'ok');
  assert.equal((await panel.db.prepare('SELECT count(*) AS n FROM xpert_fresh').first()).n, 0);
  assert.deepEqual(await stored(), before);
});

test('the 61st report of a token within a minute, and the 601st of an address, are 429', async () => {
  const limited = await startPanel();
  try {
    const key = await authKeyOf(limited);
    const tokens = (await seedUsers(limited, 11)).map((one) => tokenOf(key, one));
    await roomInMinute(40);
    const statuses = [];
    for (let index = 0; index < 61; index += 1) {
      const answer = await send(limited, reportOf(tokens[0]));
      statuses.push(answer.status);
      if (answer.status === 429) {
        assert.equal(answer.headers.get('retry-after'), '60');
        assert.match(answer.body.detail, /too many/);
        assert.equal(answer.cost.queries, 0);
      }
    }
    assert.deepEqual([statuses.lastIndexOf(200), statuses.indexOf(429)], [59, 60]);
    const rest = [];
    for (let index = 61; index < 601; index += 1) rest.push((await send(limited, reportOf(tokens[1 + (index % 10)]))).status);
    assert.deepEqual([rest.lastIndexOf(200), rest.indexOf(429)], [538, 539]);
    assert.equal((await limited.db.prepare('SELECT sum(up) AS n FROM xpert_fresh').first()).n, 599);
  } finally {
    await limited.stop();
  }
});
