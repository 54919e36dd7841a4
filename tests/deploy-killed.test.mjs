/** `make deploy` killed at every step: the next run finishes what it began, and nothing is made twice or lost. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startCloudflare } from './support/cloudflare.mjs';
import { Machine, rows, signIn } from './support/machine.mjs';
import { seedUsers } from './support/seed.mjs';

/** Each is a chain of some fifteen runs. */
const LONG = { skip: process.env.WEIR_LONG !== '1' && 'a long one: WEIR_LONG=1' };
/** At each of them at least one run must have been killed, or the chain has not tested what it says. */
const STEPS = [
  /POST \/d1\/database /,
  /query -- /,
  /INSERT INTO meta/,
  /assets\/upload/,
  /PUT \/workers\/scripts\/[a-z-]+ /,
  /POST .*subdomain/,
  /PUT .*schedules/,
];

/** What changes something at Cloudflare; a query that only reads does not. */
const changes = ({ method, sql }) => method !== 'GET' && (sql === undefined || !/^\s*SELECT/.test(sql));
const signature = ({ method, where, sql = '' }) => `${method} ${where.replace(/[0-9a-f-]{36}/, 'ID')} ${sql.slice(0, 40)}`;
const begins = ({ sql = '' }) => /^INSERT INTO meta/.test(sql);

describe('make deploy that is killed', LONG, () => {
  let cloudflare;
  let machine;

  before(async () => {
    cloudflare = await startCloudflare();
    machine = await Machine.make(cloudflare);
  });

  after(async () => {
    await cloudflare?.stop();
    await machine?.remove();
  });

  /** Runs that are killed, each at a call at which none was killed before, until one reaches its end. */
  async function assertFinished(name, moment, options) {
    const killed = new Set();
    let ended;
    do {
      const isNew = (call, when) => when === moment && changes(call) && !killed.has(signature(call)) && Boolean(killed.add(signature(call)));
      ended = await machine.killedAt({ NAME: name }, isNew, options);
    } while (ended.isKilled);
    const { code, said, told } = ended.run;
    assert.equal(code, 0, said);
    for (const step of STEPS) assert.ok([...killed].some((one) => step.test(one)), `not killed at ${step}: ${[...killed].join('\n')}`);
    const login = await machine.kept(name, 'login.json');
    for (const word of [login.password, login.api_key]) assert.ok(told.includes(word), 'the login was never shown');
    assert.deepEqual(await machine.files(name), ['deployment.json', 'login.json', 'secrets.json', 'wrangler.json']);
    assert.equal([...cloudflare.databases.values()].filter((database) => database.name === name).length, 1);
    const panel = await cloudflare.panel(name);
    assert.equal((await signIn(panel, login)).status, 303);
    assert.equal((await panel.request('GET', '/api/v1/users', { key: login.api_key })).status, 200);
    assert.equal((await rows(panel, 'SELECT id FROM operators')).length, 1);
    assert.equal((await rows(panel, 'SELECT hash FROM api_keys')).length, 1);
    await machine.assertSecretsKept(name);
  }

  test('before each thing that it does is finished by the next run', () => assertFinished('weir-before', 'before'));

  test('after each thing that it does is finished by the next run', () => assertFinished('weir-after', 'after'));

  test('while its wrangler goes on is finished by the next run', () => assertFinished('weir-orphan', 'before', { leaveWrangler: true }));

  test('while it rotates a secret has done nothing yet, or is finished by a run that was not asked to rotate', async () => {
    const name = 'weir-rotated';
    await machine.deployed({ NAME: name });
    await seedUsers(await cloudflare.panel(name), 1);
    const old = await machine.kept(name, 'secrets.json');
    await machine.killedAt({ NAME: name, ROTATE: 'SLOT_KEY' }, (call, when) => when === 'before' && begins(call));
    await machine.deployed({ NAME: name });
    assert.equal(cloudflare.secret(name, 'SLOT_KEY'), old.SLOT_KEY);
    await machine.killedAt({ NAME: name, ROTATE: 'SLOT_KEY' }, (call, when) => when === 'after' && begins(call));
    assert.equal(cloudflare.secret(name, 'SLOT_KEY'), old.SLOT_KEY);
    await machine.deployed({ NAME: name });
    assert.notEqual(cloudflare.secret(name, 'SLOT_KEY'), old.SLOT_KEY);
    assert.equal(cloudflare.secret(name, 'AUTH_KEY'), old.AUTH_KEY);
    await machine.assertSecretsKept(name);
  });
});
