/** The logs of Marzban's API: WebSockets that tell what happens to nodes, as it comes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertDetail, callersOfEachRole } from './support/marzban-bearer.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const RUNNING = { core: 'sing-box', core_version: '1.14.4', incarnation: 1_700_000_000_000 };

let panel;
let owner;
let callers;
let wien;
let bern;

/** Opens a log; `next` gives its next line, `closed` how it was closed. */
function listen(where, { token, headers, ...query } = {}) {
  const url = new URL(where, panel.url.replace('http', 'ws'));
  for (const [name, value] of Object.entries({ token, ...query })) if (value !== undefined) url.searchParams.set(name, value);
  const socket = new WebSocket(url, { headers });
  const [lines, waiting] = [[], []];
  socket.addEventListener('message', ({ data }) => (waiting.length > 0 ? waiting.shift()(data) : lines.push(data)));
  const closed = new Promise((resolve) => socket.addEventListener('close', ({ code, reason }) => resolve([code, reason])));
  const opened = new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error(`no WebSocket at ${where}`)));
  });
  const next = async () => (lines.length > 0 ? lines.shift() : new Promise((resolve) => waiting.push(resolve)));
  return { opened, closed, next, close: () => socket.close() };
}
const happens = (node, kind, detail) => panel.db.prepare('INSERT INTO node_events (node, at, kind, detail) VALUES (?1, ?2, ?3, ?4)').bind(node, now(), kind, detail).run();
const shown = (line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d /, '');
/** Whether it was opened, and how it was closed. */
async function refused(where, options) {
  const log = listen(where, options);
  await log.opened;
  return log.closed;
}

before(async () => {
  panel = await startPanel();
  callers = await callersOfEachRole(panel);
  ({ owner } = callers);
  wien = await seedAgent(panel, { name: 'Wien' });
  bern = await seedAgent(panel, { name: 'Bern' });
  assert.equal((await wien.sync({ status: RUNNING })).status, 200);
  await happens(wien.node, 'fork', 'first');
  await happens(bern.node, 'gap', 'second\nof two lines');
});
after(() => panel?.stop());

test('whoever listens is told what happened, how the nodes stand, and then what comes', { timeout: 120_000 }, async () => {
  const log = listen('/api/core/logs', { token: owner.token, interval: 1 });
  const lines = [await log.next(), await log.next(), await log.next(), await log.next()];
  assert.match(lines[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d \[Wien\] fork: first$/);
  assert.deepEqual(lines.slice(1, 2).map(shown), ['[Bern] gap: second of two lines']);
  assert.deepEqual(lines.slice(2).map(shown).map((line) => line.slice(0, 17)).sort(), ['[Bern] connecting', '[Wien] connected:']);
  await happens(bern.node, 'restored', '');
  assert.equal(shown(await log.next()), '[Bern] restored');
  await panel.db.prepare('UPDATE epochs SET seen_at = 1 WHERE node = ?1').bind(wien.node).run();
  assert.equal(shown(await log.next()), '[Wien] error: Last heard of at 1970-01-01T00:00:01 UTC');
  log.close();
  await log.closed;
});

test('the log of one node is that of this node alone, and opens with a bearer as well', async () => {
  const log = listen(`/api/node/${bern.node}/logs`, { headers: { authorization: `Bearer ${callers.admin.token}` } });
  assert.deepEqual([await log.next(), await log.next(), await log.next()].map(shown).map((line) => line.slice(0, 17)), ['[Bern] gap: secon', '[Bern] restored', '[Bern] connecting']);
  log.close();
  await log.closed;
});

test('nobody listens without a token that lasts, and it is said with a code', async () => {
  for (const where of ['/api/core/logs', `/api/node/${bern.node}/logs`]) {
    assert.deepEqual(await refused(where), [4401, 'Unauthorized']);
    assert.deepEqual(await refused(where, { token: 'a.b.c' }), [4401, 'Unauthorized']);
    assert.deepEqual(await refused(where, { token: callers.reseller.token }), [4403, "You're not allowed"]);
  }
});

test('a session’s cookie is no token: a page of another site could open a log with it', async () => {
  const { signInOwner } = await import('./support/operators.mjs');
  const { cookie } = await signInOwner(panel);
  assert.deepEqual(await refused('/api/core/logs', { headers: { cookie, origin: panel.url } }), [4401, 'Unauthorized']);
});

test('a node that is not there, and an interval that may not be, have codes of their own', async () => {
  const { token } = owner;
  for (const id of ['999', 'x']) assert.deepEqual(await refused(`/api/node/${id}/logs`, { token }), [4404, 'Node not found']);
  for (const interval of ['0', '11', '-1', 'x']) {
    for (const where of ['/api/core/logs', `/api/node/${bern.node}/logs`]) {
      assert.deepEqual(await refused(where, { token, interval }), [4400, 'Interval must be more than 0 and at most 10 seconds']);
    }
  }
});

test('who does not ask for a WebSocket finds nothing there', async () => {
  for (const where of ['/api/core/logs', `/api/node/${bern.node}/logs`]) assertDetail(await owner('GET', where), 404, 'Not Found');
});
