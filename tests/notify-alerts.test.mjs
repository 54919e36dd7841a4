/** Alerts as they arise in the real panel, in people's words: by Telegram and mail, to operators and to users; and the daily report. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Endpoint } from './support/endpoint.mjs';
import { addChannel, later, waiting } from './support/notices.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const TOKEN = '123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';
const DAY = 86_400;

let panel;
let agent;
let seq = 0;
const endpoints = [];

before(async () => {
  panel = await startPanel({ vars: { NOTIFY_PRIVATE: '1', COST_SECONDS: '0' } });
  agent = await seedAgent(panel, { name: 'paris' });
  await agent.sync();
});
after(async () => {
  await panel?.stop();
  await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
});
afterEach(async () => {
  for (const { id } of (await panel.api('GET', '/api/v1/channels')).body.items) await panel.api('DELETE', `/api/v1/channels/${id}`);
});

async function endpoint(answer) {
  const one = await Endpoint.start(answer);
  endpoints.push(one);
  return one;
}

async function report(users) {
  seq += 1;
  const answer = await agent.sync({ report: agent.report({ seq, users: users.map(({ slot }, index) => [slot, 0, users[index].bytes]) }) });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

async function drain(channel) {
  for (let run = 0; run < 20 && (await waiting(panel, channel)) > 0; run += 1) await panel.trigger();
  assert.equal(await waiting(panel, channel), 0);
}

test('a report that takes a user over a threshold warns once; at the limit he is told that, and that he is open again', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'hook', webhook: { url: hook.url } });
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 1_000 });
  const kinds = () => hook.events.map(({ kind, data }) => [kind, data.percent ?? data.reason]);
  for (const bytes of [799, 1, 50, 50]) {
    await report([{ ...user, bytes }]);
    await drain(channel.id);
    if (bytes === 799) assert.deepEqual(kinds(), []);
  }
  assert.deepEqual(kinds(), [['user.quota_warning', 80]]);
  assert.deepEqual([hook.events[0].data.used, hook.events[0].data.quota], [800, 1_000]);
  await report([{ ...user, bytes: 100 }]);
  await report([{ ...user, bytes: 100 }]);
  assert.equal((await panel.api('POST', `/api/v1/users/${user.name}/reset`)).status, 200);
  await drain(channel.id);
  assert.deepEqual(kinds(), [['user.quota_warning', 80], ['user.limited', 'month'], ['user.enabled', 'month']]);
  assert.ok(hook.events.every(({ data }) => data.user === user.name && data.user_id === user.id));

  // The new period has thresholds of its own, and the operator sets which.
  assert.equal((await panel.api('PUT', '/api/v1/settings/alerts', { quota_percent: [50, 90] })).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // bytes before the reset's second belong to the period before
  for (const bytes of [480, 30, 400]) await report([{ ...user, bytes }]);
  await drain(channel.id);
  assert.deepEqual(kinds().slice(3), [['user.quota_warning', 50], ['user.quota_warning', 90]]);
  assert.equal((await panel.api('PUT', '/api/v1/settings/alerts', {})).status, 200);
});

test('a report over several thresholds at once warns of the highest; over the limit of none', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'hook', webhook: { url: hook.url } });
  await panel.api('PUT', '/api/v1/settings/alerts', { quota_percent: [50, 80] });
  const [one, two] = await seedUsers(panel, 2, { monthlyQuota: 1_000 });
  await report([{ ...one, bytes: 850 }, { ...two, bytes: 5_000 }]);
  await drain(channel.id);
  const told = hook.events.map(({ kind, data }) => [data.user, kind, data.percent]).sort();
  assert.deepEqual(told, [[one.name, 'user.quota_warning', 80], [two.name, 'user.limited', undefined]].sort());
  await panel.api('PUT', '/api/v1/settings/alerts', {});
});

test('Telegram gets what its API wants, in the language of the channel, and is left alone as long as it asks', async () => {
  let busy = true;
  const api = await endpoint(() =>
    busy
      ? { status: 429, body: { ok: false, error_code: 429, description: 'Too Many Requests: retry after 35', parameters: { retry_after: 350 } } }
      : { status: 200, body: { ok: true, result: { message_id: 1 } } },
  );
  const channel = await addChannel(panel, {
    name: 'bot', language: 'zh', time_zone: 'Asia/Shanghai', kinds: ['user.disabled', 'user.enabled'],
    telegram: { token: TOKEN, chat_id: '-1001234', api: api.url },
  });
  assert.deepEqual(channel.target, { chat_id: '-1001234', api: api.url });
  await panel.api('POST', '/api/v1/users', { name: 'telegram-ann' });
  for (const action of ['disable', 'enable']) await panel.api('POST', `/api/v1/users/telegram-ann/${action}`);
  await panel.trigger();
  const state = (await panel.api('GET', `/api/v1/channels/${channel.id}`)).body;
  assert.equal(state.error, 'it answered 429: Too Many Requests: retry after 35');
  assert.ok(state.next_at - now() > 300, 'longer than its own first wait');
  assert.ok(!JSON.stringify((await panel.api('GET', `/api/v1/deliveries?channel=${channel.id}`)).body).includes(TOKEN));
  busy = false;
  await later(panel, 350);
  await drain(channel.id);
  const [first, ...rest] = api.taken().filter(({ status }) => status === 200);
  assert.deepEqual([first.method, first.path, first.headers['content-type']], ['POST', `/bot${TOKEN}/sendMessage`, 'application/json']);
  assert.deepEqual(Object.keys(first.json).sort(), ['chat_id', 'link_preview_options', 'text']);
  assert.equal(first.json.chat_id, '-1001234');
  const text = [first, ...rest].map(({ json }) => json.text).join('\n');
  assert.match(text, /telegram-ann:已停用\n用户 telegram-ann 已无法连接。原因:由管理员停用。\n+telegram-ann:已恢复连接/);
});

test('mails that are refused, and mails to nobody, keep no other mail waiting', async () => {
  const api = await endpoint(({ json }) => (json.to.startsWith('wrong') ? { status: 422, body: 'no such mailbox' } : 202));
  const email = { from: 'weir@panel.example', url: `${api.url}/send`, body: { to: '{to}', text: '{text}', from: '{from}', subject: '{subject}' } };
  const channel = await addChannel(panel, { name: 'mails', kinds: ['user.disabled'], audience: 'user', email });
  const shut = async (name) => {
    assert.equal((await panel.api('POST', '/api/v1/users', { name, email: `${name}@users.example` })).status, 201);
    assert.equal((await panel.api('POST', `/api/v1/users/${name}/disable`)).status, 200);
  };
  const sent = () => api.taken().map(({ json }) => json.to.split('@')[0]);
  const numbered = (name, count) => Array.from({ length: count }, (_, index) => `${name}-${index + 10}`);
  const deliveries = async (state) => (await panel.api('GET', `/api/v1/deliveries?channel=${channel.id}&state=${state}&limit=50`)).body.items;

  // More of each than a run has messages.
  const [wrong, gone] = [numbered('wrong', 14), numbered('gone', 14)];
  for (const name of [...gone, ...wrong.slice(0, 8), 'first']) await shut(name);
  for (const name of gone) await panel.api('DELETE', `/api/v1/users/${name}`);
  assert.equal(await panel.cron('outbox'), 'ok');
  assert.deepEqual(sent(), [...wrong.slice(0, 8), 'first'], 'in one run, and to nobody who is gone');
  const dead = await deliveries('dead');
  assert.equal(dead.length, gone.length);
  for (const one of dead) assert.deepEqual([one.error, one.tries], ['the user has no address any more', 0]);

  for (const name of wrong.slice(8)) await shut(name);
  assert.equal(await panel.cron('outbox'), 'ok');
  assert.deepEqual(sent(), wrong.slice(8), 'whoever was refused waits');
  await later(panel, 300);
  await shut('second');
  assert.equal(await panel.cron('outbox'), 'ok');
  const tried = sent();
  assert.equal(tried[0], 'second', 'whoever was not refused goes first');
  assert.deepEqual(tried.slice(1), wrong.slice(0, 11), 'whoever was is tried again in the same run');
  assert.equal((await deliveries('waiting')).length, wrong.length);
  const { failures, error } = (await panel.api('GET', `/api/v1/channels/${channel.id}`)).body;
  assert.deepEqual([failures, error], [0, 'it answered 422: no such mailbox']);
});

test('Telegram gets as many events in a message as fit, the others in the next, and of one that is too long how much is missing', async () => {
  const api = await endpoint(() => ({ status: 200, body: { ok: true } }));
  const channel = await addChannel(panel, { name: 'bot', kinds: ['job.failed', 'report.daily'], telegram: { token: TOKEN, chat_id: '1', api: api.url } });
  const enter = (key, kind, data) => panel.db.prepare('INSERT INTO events (key, at, kind, data) VALUES (?1, 1, ?2, ?3)').bind(key, kind, JSON.stringify(data));
  const errors = Array.from({ length: 12 }, (_, index) => `error ${index} ${'x'.repeat(700)} end ${index}`);
  await panel.db.batch(errors.map((error, index) => enter(`long:${index}`, 'job.failed', { job: `job-${index}`, failures: 3, error })));
  assert.equal(await panel.cron('outbox'), 'ok');
  await drain(channel.id);
  const texts = api.taken().map(({ json }) => json.text);
  assert.ok(texts.length >= 3 && texts.every(({ length }) => length <= 4_096), JSON.stringify(texts.map(({ length }) => length)));
  assert.deepEqual(texts.join('\n').match(/error \d+ x+ end \d+/g), errors, 'all of each, once, in order');

  const nodes = Array.from({ length: 200 }, (_, index) => ({ name: `node-${index}-${'n'.repeat(40)}`, bytes: 1_000 - index }));
  await enter('long:report', 'report.daily', { day: '2026-11-14', nodes, limits_reached: 7, audit_head: '12:ab34' }).run();
  assert.equal(await panel.cron('outbox'), 'ok');
  await drain(channel.id);
  const [{ json: { text } }, ...others] = api.taken();
  assert.ok(others.length === 0 && text.length <= 4_096, String(text.length));
  assert.match(text, /\nLimits reached: 7\n.*\nAudit log: 12:ab34\nNodes:\n {2}node-0-/);
  const told = text.match(/^ {2}node-/gm).length;
  assert.ok(text.endsWith(`B\n… lines left out: ${200 - told}. The panel has more.`), text.slice(-200));
});

test('mail goes through any HTTP API: operators get everything in one, users each their own and nothing else', async () => {
  const api = await endpoint(({ json }) => (json.to === 'wrong@users.example' ? { status: 422, body: 'no such mailbox' } : { status: 202, body: '{}' }));
  const email = (to) => ({
    from: 'weir@panel.example', ...to, url: `${api.url}/send`, headers: { Authorization: 'Bearer top-secret-key' },
    body: { from: '{from}', to: '{to}', subject: '{subject}', content: [{ type: 'text/plain', value: '{text}' }] },
  });
  const kinds = ['user.disabled', 'user.enabled', 'user.deleted'];
  const operators = await addChannel(panel, { name: 'operators', kinds, email: email({ to: 'me@panel.example' }) });
  const users = await addChannel(panel, { name: 'users', kinds, audience: 'user', language: 'ru', email: email({}) });
  assert.deepEqual(users.target.headers, ['Authorization']);
  for (const [name, address] of [['mail-ann', 'ann@users.example'], ['mail-bob', undefined], ['mail-cleo', 'wrong@users.example']]) {
    await panel.api('POST', '/api/v1/users', { name, email: address });
    await panel.api('POST', `/api/v1/users/${name}/disable`);
  }
  await panel.api('DELETE', '/api/v1/users/mail-bob');
  await drain(operators.id);
  await panel.trigger();
  const sent = api.taken();
  assert.ok(sent.every(({ path, headers }) => path === '/send' && headers.authorization === 'Bearer top-secret-key'));
  const [toOperator] = sent.filter(({ json }) => json.to === 'me@panel.example');
  assert.equal(toOperator.json.subject, 'mail-ann: access closed (+3)');
  assert.deepEqual(toOperator.json.content[0].value.split('\n\n'), [
    'mail-ann: access closed\nmail-ann cannot connect any more, because a person closed it.',
    'mail-bob: access closed\nmail-bob cannot connect any more, because a person closed it.',
    'mail-cleo: access closed\nmail-cleo cannot connect any more, because a person closed it.',
    'mail-bob: user deleted\nThe user mail-bob was deleted.',
  ]);
  const toUsers = sent.filter(({ json }) => json.to.endsWith('@users.example'));
  assert.deepEqual(toUsers.map(({ json, status }) => [json.to, status]), [['ann@users.example', 202], ['wrong@users.example', 422]]);
  assert.deepEqual([toUsers[0].json.subject, toUsers[0].json.content[0].value], ['mail-ann: доступ закрыт', 'Ваш доступ закрыт: доступ закрыл администратор.']);
  assert.equal((await panel.api('GET', `/api/v1/channels/${users.id}`)).body.failures, 0, 'a wrong mailbox is no failing API');
  const trial = await panel.api('POST', `/api/v1/channels/${users.id}/test`, { to: 'me@users.example' });
  assert.deepEqual([trial.body.delivered, api.taken()[0].json.to], [true, 'me@users.example']);
  assert.equal((await panel.api('POST', `/api/v1/channels/${users.id}/test`, {})).body.error.field, 'to');
});

test("the platform's own mail is named when it is not bound", async () => {
  const channel = await addChannel(panel, { name: 'platform', email: { from: 'weir@panel.example', to: 'me@panel.example' } });
  const { body } = await panel.api('POST', `/api/v1/channels/${channel.id}/test`, {});
  assert.deepEqual([body.delivered, body.status], [false, null]);
  assert.match(body.error, /the binding EMAIL is not there/);
});

test("the platform's own mail takes what it is given", async () => {
  const bound = await startPanel({ mail: true });
  try {
    const channel = await addChannel(bound, { name: 'platform', email: { from: 'weir@panel.example', to: 'me@panel.example' } });
    const { body } = await bound.api('POST', `/api/v1/channels/${channel.id}/test`, {});
    assert.deepEqual([body.delivered, body.error], [true, null], bound.log());
  } finally {
    await bound.stop();
  }
});

test('the alerts job tells of accounts, nodes and jobs, each once', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'hook', kinds: ['user.expiring', 'node.silent', 'node.back', 'job.failed'], webhook: { url: hook.url } });
  await panel.api('POST', '/api/v1/users', { name: 'soon', expires_at: now() + 2 * DAY });
  await panel.api('POST', '/api/v1/users', { name: 'late', expires_at: now() + 20 * DAY });
  await panel.db.batch([
    panel.db.prepare("UPDATE jobs SET cursor = NULL WHERE name = 'alerts'"),
    panel.db.prepare("UPDATE jobs SET failures = 3, error = 'busy', next_at = ?1 WHERE name = 'reports'").bind(now() + DAY),
    panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 660'),
  ]);
  assert.equal(await panel.cron('alerts'), 'ok');
  assert.equal(await panel.cron('alerts'), 'ok');
  await agent.sync();
  assert.equal(await panel.cron('alerts'), 'ok');
  assert.equal(await panel.cron('alerts'), 'ok');
  assert.equal(await panel.cron('outbox'), 'ok');
  await drain(channel.id);
  assert.deepEqual(
    hook.events.map(({ kind, data }) => `${kind} ${data.user ?? data.node ?? data.job}`).sort(),
    ['job.failed reports', 'node.back paris', 'node.silent paris', 'user.expiring soon'],
  );
});

test('the daily report tells the day before, once, at its hour', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'hook', kinds: ['report.daily'], webhook: { url: hook.url } });
  const mail = await endpoint(() => ({ status: 200, body: { ok: true } }));
  const bot = await addChannel(panel, { name: 'bot', kinds: ['report.daily'], telegram: { token: TOKEN, chat_id: '1', api: mail.url } });
  await panel.api('PUT', '/api/v1/settings/alerts', { report_hour: 0 });
  // The first run notes where the nodes' counts stand, and tells nothing.
  await panel.db.prepare("UPDATE jobs SET cursor = NULL WHERE name = 'report'").run();
  assert.equal(await panel.cron('report'), 'ok');
  const cursor = (await panel.db.prepare("SELECT cursor FROM jobs WHERE name = 'report'").first()).cursor;
  const today = new Date().toISOString().slice(0, 10);
  assert.equal(cursor, today);
  const [user] = await seedUsers(panel, 1);
  await report([{ ...user, bytes: 5_000 }]);
  const midnight = Math.floor(now() / DAY) * DAY;
  await panel.db.batch([
    panel.db.prepare('INSERT INTO history (user, hour, node, up, down) VALUES (?1, ?2, ?3, 1000, 234)').bind(user.id, midnight - 3_600, agent.node),
    panel.db.prepare("UPDATE jobs SET cursor = '2026-01-01' WHERE name = 'report'"),
    panel.db.prepare('INSERT INTO cost_days (day, requests, queries, rows_read, rows_written) VALUES (?1, 7, 8, 9, 10)').bind(midnight / DAY - 1),
  ]);
  assert.equal(await panel.cron('report'), 'ok');
  assert.equal(await panel.cron('report'), 'ok');
  assert.equal(await panel.cron('outbox'), 'ok');
  await drain(channel.id);
  await drain(bot.id);
  assert.equal(hook.events.length, 1);
  const { data } = hook.events[0];
  assert.equal(data.day, new Date((midnight - 1) * 1000).toISOString().slice(0, 10));
  assert.deepEqual([data.users_active, data.bytes, data.nodes, data.top_users], [1, 5_000, [{ name: 'paris', bytes: 5_000 }], [{ name: user.name, bytes: 1_234 }]]);
  assert.deepEqual(data.cost, { requests: 7, queries: 8, rows_read: 9, rows_written: 10 });
  assert.ok(data.users >= data.users_open && data.users_open > 0);
  assert.equal(data.jobs_failed.includes('reports') || data.jobs_failed.length === 0, true);
  const text = mail.received[0].json.text;
  assert.match(text, /^Daily report\nDay: \d{4}-\d\d-\d\d\n/);
  assert.match(text, /\nTraffic: 4\.88 KB\n/);
  assert.match(text, /\nTop users:\n {2}user-\d+: 1\.21 KB\nNodes:\n {2}paris: 4\.88 KB$/);
  const { next_at: next } = await panel.db.prepare("SELECT next_at FROM jobs WHERE name = 'report'").first();
  assert.ok(next === 0 || next === midnight + DAY, 'the next one tomorrow');
  await panel.api('PUT', '/api/v1/settings/alerts', {});
});

test('what requests and jobs cost adds up by day, after the answers', async () => {
  const day = Math.floor(now() / DAY);
  const spent = async () => (await panel.db.prepare('SELECT * FROM cost_days WHERE day = ?1').bind(day).first()) ?? { requests: 0, queries: 0, rows_read: 0 };
  const start = await spent();
  let queries = 0;
  for (let count = 0; count < 5; count += 1) queries += (await panel.api('GET', '/api/v1/users')).cost.queries;
  // The last one is told after its answer.
  const deadline = Date.now() + 20_000;
  let end = await spent();
  while (end.requests < start.requests + 5 && Date.now() < deadline) end = await spent();
  assert.ok(end.requests >= start.requests + 5 && end.requests <= start.requests + 7, `${start.requests} -> ${end.requests}`);
  assert.ok(end.queries >= start.queries + queries, `${start.queries} + ${queries} -> ${end.queries}`);
  assert.ok(end.rows_written > 0);
});
