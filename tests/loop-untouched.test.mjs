/** Untouched: whatever an operator does to some users, the connections of the others go on, and the core is not reloaded. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startLoop, until } from './support/loop.mjs';
import { USER_PROTOCOLS } from './support/singbox-config.mjs';

const EACH = 20;
const numbered = (kind, count = EACH) => Array.from({ length: count }, (_, index) => `${kind}-${String(index + 1).padStart(2, '0')}`);
/** Ten users with a connection over each of the five protocols: fifty that nothing may break. */
const OTHERS = numbered('other', 10);
const [CREATED, DISABLED, ENABLED, LIMITED, RESET, DELETED] = ['create', 'disable', 'enable', 'limit', 'reset', 'delete'].map((kind) => numbered(kind));
/** Those whom an action shuts out while they are connected. */
const SHUT = [...DISABLED, ...LIMITED, ...DELETED];
const QUOTA = 10_000;
const PROTOCOL = 'trojan';

let loop;
let others;
let shut;
let incarnation;

const at = (name) => `/api/v1/users/${name}`;

before(async () => {
  const users = [...OTHERS, ...SHUT, ...ENABLED].map((name) => ({ name }));
  loop = await startLoop({ users: [...users, ...RESET.map((name) => ({ name, monthly_quota: QUOTA }))] });
  const { lab } = loop;
  for (const name of ENABLED) await loop.api('POST', `${at(name)}/disable`);
  // Over their quota in one go, so that the reset has something to undo.
  await lab.many(RESET.map((user) => () => lab.tcp({ user, protocol: PROTOCOL, down: QUOTA })), 10);
  others = OTHERS.flatMap((user) => USER_PROTOCOLS.map((protocol) => lab.idle({ user, protocol })));
  shut = SHUT.map((user) => lab.idle({ user, protocol: PROTOCOL }));
  await Promise.all([...others, ...shut].map(({ ready }) => ready));
  await until('those with a used up quota are limited', async () => {
    const { total } = await loop.api('GET', '/api/v1/users?status=limited');
    return total === RESET.length;
  });
  incarnation = await loop.incarnation();
});

after(() => loop?.stop());

/** @returns {Promise<string[]>} who of these passes now */
async function passing(lab, names) {
  const entries = await lab.many(names.map((user) => () => lab.tcp({ user, protocol: PROTOCOL, up: 100, down: 100 })), 10);
  return entries.filter(({ outcome }) => outcome === 'complete').map(({ user }) => user);
}

test('20 each of create, disable, enable, limit, reset and delete take effect', { timeout: 180_000 }, async () => {
  const { lab } = loop;
  assert.equal(others.length, 50);
  assert.deepEqual([...others, ...shut].filter(({ broken }) => broken), []);
  assert.deepEqual(await passing(lab, [...ENABLED, ...RESET]), []);
  for (let index = 0; index < EACH; index += 1) {
    await loop.api('POST', '/api/v1/users', { name: CREATED[index] });
    await loop.api('POST', `${at(DISABLED[index])}/disable`);
    await loop.api('POST', `${at(ENABLED[index])}/enable`);
    await loop.api('PATCH', at(LIMITED[index]), { monthly_quota: 1 });
    await loop.api('POST', `${at(RESET[index])}/reset`);
    await loop.api('DELETE', at(DELETED[index]));
  }
  await until('those who may not pass are cut', () => shut.every(({ broken }) => broken));
  const created = await loop.labOf(CREATED);
  const lackingOf = async (of, names) => names.length - (await passing(of, names)).length;
  await until('those who may pass do', async () => (await lackingOf(created, CREATED)) + (await lackingOf(lab, [...ENABLED, ...RESET])) === 0);
  assert.deepEqual(await passing(lab, SHUT), []);
});

test('none of the 50 connections of others has broken, and all still answer', async () => {
  const open = () => OTHERS.flatMap((user) => loop.lab.account.entries({ user, outcome: 'open' }));
  assert.equal(open().length, 50);
  const before = new Map(open().map((entry) => [entry, entry.clientReceived]));
  await until('every one has answered again', () => open().every((entry) => entry.clientReceived > before.get(entry)));
  assert.deepEqual(others.map(({ broken }) => broken).filter(Boolean), []);
});

test('the core has neither been reloaded nor restarted', async () => {
  assert.deepEqual(await loop.incarnation(), incarnation);
});

test('the 50 connections end in order, and every byte of their users is counted once', { timeout: 120_000 }, async () => {
  await Promise.all(others.map((connection) => connection.stop()));
  const { books } = await loop.settled();
  assert.deepEqual([books.unknown, books.foreign], [0, 0]);
  // The last chunk of a connection that was cut may be counted after the core has told its end, and be forgotten with it (docs/reliability.md).
  const ofCut = [...SHUT, ...RESET].map((user) => loop.lab.account.sum({ user })).reduce((sum, { up, down }) => sum + up.high + down.high, 0);
  assert.ok(books.unattributed <= ofCut, `${books.unattributed} bytes are unattributed, of ${ofCut} of those who were cut`);
  const history = await loop.history();
  for (const user of OTHERS) {
    const { connections, complete, up, down } = loop.lab.account.sum({ user });
    assert.equal(complete, connections);
    assert.deepEqual(history.get(user), { up: up.low, down: down.low }, user);
  }
});
