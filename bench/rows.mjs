/** What each operation costs in D1's currency, beside its budget, and on the wire. D1's own counters, on the real Worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { askAt } from '../tests/support/marzban-bearer.mjs';
import { now } from '../tests/support/wire.mjs';
import { authKeyOf, reportOf, send, tokenOf } from '../tests/support/xpert.mjs';
import { jobCosts, panelWithUsers, settledAgent, signIn, subscriptionPath } from './panels.mjs';
import { verdict } from './report.mjs';

const USERS = 10_000;
const SWEPT = 1000;
const MONTH = 30 * 86_400;
const LOG_LIMIT_MS = 10_000;
const LINES = 20;
const ROUNDS = 3;

/** @param {{say: (line: string) => void}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say }) {
  say(`a panel with ${USERS} users`);
  const jobs = [];
  const onLog = (_, line) => jobs.push(...jobCosts(line));
  const { panel, users } = await panelWithUsers(USERS, { onLog, vars: { COST_SECONDS: '1' } });
  const rows = [];
  const enter = (what, { cost, text }, budget, sent) => rows.push(priced(what, cost, budget, { sent, got: text }));
  try {
    const agent = await settledAgent(panel);
    const sync = async (what, fields, budget) => {
      const message = JSON.stringify(agent.message(fields));
      const answer = await agent.send(message);
      if (answer.status !== 200) throw new Error(`${what}: ${answer.status} ${answer.text}`);
      enter(what, answer, budget, message);
    };
    say('syncs');
    await sync('sync, nothing to say', {}, { written: 0, read: 3, queries: 5 });
    await panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 61 WHERE epoch = ?1').bind(agent.epoch).run();
    await sync('sync, the first in a minute', {}, { written: 1, read: 4, queries: 5 });
    let seq = 0;
    for (const n of [1, 100, 1000]) {
      for (const which of ['first of the hour', 'later']) {
        seq += 1;
        const report = agent.report({ seq, users: users.slice(0, n).map(({ slot }) => [slot, 1, 2]) });
        const budget = { written: 2 * n + 3, read: 8 * n + 12, queries: 10 };
        await sync(`sync with a report of ${plural(n, 'user')}, ${which}`, { report }, budget);
      }
    }
    for (const n of [1, 256]) {
      const asks = users.slice(0, n).map(({ slot }) => [slot, 0, 0]);
      // A body over 4 KiB has its key looked up before it is parsed.
      const large = n > 100 ? 1 : 0;
      await sync(`sync with ${plural(n, 'ask')}`, { asks }, { written: n, read: 3 + 4 * n + large, queries: 5 });
    }
    say('the doorbell');
    enter('doorbell: an agent connects', { cost: await bellCost(panel, agent) }, { written: 0, read: 3, queries: 1 });
    say('subscription and pages');
    const subscription = await subscriptionPath(panel, users[0].name);
    // Who fetched what with which client is entered once an hour.
    const fetched = () => panel.request('GET', subscription);
    enter('subscription fetch, first of the hour', await fetched(), { written: 1, read: 4, queries: 2 });
    enter('subscription fetch, later', await fetched(), { written: 0, read: 4, queries: 2 });
    const session = { headers: { cookie: await signIn(panel) } };
    const page = await panel.request('GET', '/users', session);
    enter(`users page, 50 of ${USERS.toLocaleString('en')}`, page, { written: 0, read: 150, queries: 4 });
    enter('page of one user', await panel.request('GET', `/users/${users[0].name}`, session), {});
    say('webhooks, sign-ins, lists');
    const report = reportOf(tokenOf(await authKeyOf(panel), users[0]));
    const told = (headers) => send(panel, report, headers);
    enter('webhook of a client, first of the hour', await told(), { written: 1, read: 4, queries: 3 }, JSON.stringify(report));
    enter('webhook with an Idempotency-Key', await told({ 'idempotency-key': 'a' }), { written: 2, read: 4, queries: 3 }, JSON.stringify(report));
    enter('the same again', await told({ 'idempotency-key': 'a' }), { written: 2, read: 4, queries: 3 }, JSON.stringify(report));
    const { username, password } = panel.operator;
    const token = await askAt(panel, { username, password });
    enter('Marzban: token', token, {});
    const bearer = { key: token.body.access_token };
    enter(`Marzban: list of 50 of ${USERS.toLocaleString('en')}`, await panel.request('GET', '/api/users?limit=50', bearer), {});
    enter('Marzban: one user', await panel.request('GET', `/api/user/${users[0].name}`, bearer), {});
    enter(`API: list of 50 of ${USERS.toLocaleString('en')}`, await panel.api('GET', '/api/v1/users?limit=50'), {});
    enter('API: one user', await panel.api('GET', `/api/v1/users/${users[0].name}`), {});
    say(`a sweep over ${SWEPT} ended periods`);
    // The first one fills the pool of vacant slots.
    await panel.cron('pool');
    await sweep(panel, jobs);
    enter('sweep, nobody due', { cost: await sweep(panel, jobs) }, { queries: 49 });
    await endPeriods(panel, users.slice(0, SWEPT));
    const m = SWEPT;
    const swept = await sweep(panel, jobs);
    const left = await waiting(panel);
    if (left > 0) throw new Error(`the sweep left ${plural(left, 'period')} as they were`);
    enter(`sweep, ${plural(m, 'period')} to reset`, { cost: swept }, { written: 5 * m, read: 5 * m + 10, queries: 49 });
  } finally {
    await panel.stop();
  }
  return {
    title: 'Rows of D1 an operation',
    tables: [{ head: ['operation', 'written', 'at most', 'read', 'at most', 'queries', 'at most', 'bytes up', 'gzip', 'bytes down', ''], rows }],
    notes: [
      'A ring is one request to the Durable Object, however many nodes it wakes, and its hibernating lines cost nothing: the object stores no row.',
      `${USERS.toLocaleString('en')} users, one node of five inbounds; rows of json_each count as read. Bytes are those of the bodies, which an agent packs from 4 KiB on.`,
    ],
  };
}

function plural(n, what) {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
}

/**
 * @param {{written?: number, read?: number, queries?: number}} budget what it lacks is not promised
 * @param {{sent?: string, got?: string}} bodies
 */
function priced(what, cost, budget, { sent, got }) {
  const kinds = ['written', 'read', 'queries'];
  const number = (value) => value?.toLocaleString('en') ?? '-';
  const cells = kinds.flatMap((kind) => [cost[kind], budget[kind]].map(number));
  const missed = kinds.some((kind) => kind in budget && verdict(cost[kind], budget[kind]));
  const bytes = [sent && Buffer.byteLength(sent), sent && gzipSync(sent).length, got && Buffer.byteLength(got)].map(number);
  return [what, ...cells, ...bytes, missed ? 'missed' : ''];
}

/** The least of some rounds: the Worker may store its own account in the middle of one, which is a query and a row that are no line's. */
async function bellCost(panel, agent) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await linesCost(panel, agent));
  const least = (kind) => Math.min(...rounds.map((cost) => cost[kind]));
  return { written: least('written'), read: least('read'), queries: least('queries') };
}

/** An upgrade's answer has no room for its price: it is what the Worker says of all its requests, less what it says without. */
async function linesCost(panel, { key }) {
  const before = await spent(panel);
  const lines = [];
  for (let index = 0; index < LINES; index += 1) {
    const line = new WebSocket(`${panel.url.replace('http', 'ws')}/agent/v1/bell`, { headers: { authorization: `Bearer ${key}` } });
    await new Promise((resolve, reject) => {
      line.addEventListener('open', resolve);
      line.addEventListener('error', () => reject(new Error('the doorbell refused')));
    });
    lines.push(line);
  }
  const after = await spent(panel);
  for (const line of lines) line.close();
  const idle = await spent(panel);
  const per = (kind) => (after[kind] - before[kind] - (idle[kind] - after[kind])) / LINES;
  return { written: per('rows_written'), read: per('rows_read'), queries: per('queries') };
}

/** What the Worker has spent until now by its own count, told after a request that is made for that. */
async function spent(panel) {
  const told = () => panel.db.prepare('SELECT coalesce(sum(requests), 0) AS requests, sum(queries) AS queries, sum(rows_read) AS rows_read, sum(rows_written) AS rows_written FROM cost_days').first();
  // At most once a second.
  await sleep(1100);
  const { requests } = await told();
  await panel.request('GET', '/robots-that-are-none');
  const deadline = performance.now() + LOG_LIMIT_MS;
  for (;;) {
    const now = await told();
    if (now.requests > requests) return now;
    if (performance.now() > deadline) throw new Error('the Worker does not tell what it spent');
    await sleep(20);
  }
}

/** Make the last month of these users end ten seconds ago. */
async function endPeriods(panel, users) {
  const ids = JSON.stringify(users.map(({ id }) => id));
  const end = now() - 10;
  await panel.db.batch([
    panel.db
      .prepare('UPDATE usage SET period_start = ?2, period_end = ?3, month = 1000 WHERE user IN (SELECT value FROM json_each(?1))')
      .bind(ids, end - MONTH, end),
    panel.db.prepare('UPDATE users SET due_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))').bind(ids, end),
  ]);
}

/** A job has no answer to put its price into, so it logs it. */
async function sweep(panel, jobs) {
  const before = jobs.length;
  const outcome = await panel.cron('sweep');
  if (outcome !== 'ok') throw new Error(`the job ended with ${outcome}\n${panel.log()}`);
  const deadline = performance.now() + LOG_LIMIT_MS;
  const own = () => jobs.slice(before).find(({ job }) => job === 'sweep');
  while (!own() && performance.now() < deadline) await sleep(20);
  if (!own()) throw new Error(`the sweep did not log its price:\n${panel.log()}`);
  return own();
}

/** How many of the periods that were ended still wait. */
async function waiting(panel) {
  return panel.db.prepare('SELECT count(*) FROM usage WHERE period_end IS NOT NULL AND period_end <= ?1').bind(now()).first('count(*)');
}
