/** Jobs on the real Worker: what is due runs, what fails is told and repeated, what was cut off is found, and one can be run now. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const NAMES = ['packages', 'plans', 'pool', 'reports', 'retention', 'rollup', 'sweep'];

let panel;

before(async () => {
  panel = await startPanel();
});
after(() => panel?.stop());

async function jobs() {
  const answer = await panel.api('GET', '/api/v1/jobs');
  assert.equal(answer.status, 200, answer.text);
  return new Map(answer.body.items.map((job) => [job.name, job]));
}
const put = (sql) => panel.db.prepare(sql).run();

test('the first minute runs every job, and says how each went', async () => {
  assert.deepEqual([...(await jobs()).keys()].filter((name) => NAMES.includes(name)), NAMES);
  // A run begins no further job after half of the platform's queries: the rest follows a minute later.
  for (let minute = 0; minute < 4; minute += 1) assert.equal(await panel.trigger(), 'ok');
  for (const [name, job] of await jobs()) {
    assert.ok(Math.abs(job.started_at - now()) <= 60 && job.ended_at >= job.started_at, `${name}: ${JSON.stringify(job)}`);
    assert.deepEqual([job.failures, job.error], [0, null], name);
    assert.ok(job.next_at > now(), `${name} is due at once again`);
  }
});

test('a minute in which nothing is due writes nothing', async () => {
  const before = await jobs();
  assert.equal(await panel.trigger(), 'ok');
  assert.deepEqual(await jobs(), before);
});

test('a job can be run now; one that does not exist cannot', async () => {
  await put("UPDATE jobs SET started_at = 1, ended_at = 1 WHERE name = 'pool'");
  assert.equal((await panel.api('POST', '/api/v1/jobs/pool/run')).status, 202);
  assert.equal(await panel.trigger(), 'ok');
  assert.ok((await jobs()).get('pool').ended_at > 1);
  assertRefused(await panel.api('POST', '/api/v1/jobs/nothing/run'), 404, 'not_found');
});

test('a job that fails is told with its sentence, repeated sooner and then more rarely, and is well again after a good run', async () => {
  await put('ALTER TABLE sessions RENAME TO sessions_away');
  const waits = [];
  for (let run = 0; run < 3; run += 1) {
    await put("UPDATE jobs SET next_at = 0 WHERE name = 'sweep'");
    await panel.trigger();
    const { failures, error, next_at: next, ended_at: ended } = (await jobs()).get('sweep');
    assert.equal(failures, run + 1);
    assert.match(error, /^internal error.*\(log id [0-9a-f]{16}\)$/);
    assert.ok(!error.includes('sessions'), 'internal text stays in the log');
    waits.push(Math.round((next - ended) / 60));
  }
  assert.deepEqual(waits, [1, 2, 4]);
  await put('ALTER TABLE sessions_away RENAME TO sessions');
  assert.equal(await panel.cron('sweep'), 'ok');
  assert.deepEqual([(await jobs()).get('sweep').failures, (await jobs()).get('sweep').error], [0, null]);
});

test('a run that was cut off counts as a failure until the next one ends', async () => {
  // As the row stands after a run was begun, and nothing more was heard of it.
  await put(`UPDATE jobs SET started_at = ${now()}, next_at = ${now() + 60}, failures = 1, error = NULL WHERE name = 'pool'`);
  assert.equal((await jobs()).get('pool').failures, 1);
  assert.equal(await panel.trigger(), 'ok');
  assert.equal((await jobs()).get('pool').failures, 1, 'it is not due yet');
  await put("UPDATE jobs SET next_at = 0 WHERE name = 'pool'");
  assert.equal(await panel.trigger(), 'ok');
  assert.equal((await jobs()).get('pool').failures, 0);
});

test('a clock that was set back puts no job off', async () => {
  await put(`UPDATE jobs SET next_at = ${now() + 400 * 86_400}, ended_at = 1 WHERE name = 'pool'`);
  assert.equal(await panel.trigger(), 'ok');
  assert.ok((await jobs()).get('pool').ended_at > 1);
});

test('settings are read with their defaults, replaced whole, and checked by field', async () => {
  const where = '/api/v1/settings/retention';
  const defaults = { hours_days: 7, days_days: 400 };
  assert.deepEqual((await panel.api('GET', where)).body, defaults);
  assert.deepEqual((await panel.api('PUT', where, { hours_days: 3 })).body, { ...defaults, hours_days: 3 });
  assert.deepEqual((await panel.api('GET', where)).body, { ...defaults, hours_days: 3 });
  for (const [body, field] of [[{ hours_days: 1 }, 'hours_days'], [{ days_days: 3651 }, 'days_days'], [{ weeks: 1 }, 'weeks'], [{ hours_days: '7' }, 'hours_days']]) {
    const answer = await panel.api('PUT', where, body);
    assertRefused(answer, 422, 'invalid', field);
  }
  assert.deepEqual((await panel.api('PUT', where, {})).body, defaults);
  assertRefused(await panel.api('GET', '/api/v1/settings/nothing'), 404, 'not_found');
});
