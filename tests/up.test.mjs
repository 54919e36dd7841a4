/** `make up` as a person meets it: the program is started, asked, interrupted, killed and started again. Its build is another matter. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ROOT } from './support/panel.mjs';
import { freePort } from './support/ports.mjs';

/** A start takes some ten seconds, everything else less. */
const HANG_LIMIT_MS = 120_000;
const NAMES = ['alice', 'bob', 'carol'];

let home;
let port;
/** The run that the tests ask. @type {Up} */
let up;
/** What the first run's panel said of each user before it was stopped. */
let kept;

before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'weir-up-'));
  port = await freePort();
});

after(async () => {
  for (const pid of await processesOf(home)) process.kill(pid, 'SIGKILL');
  await rm(home, { recursive: true, force: true });
});

/** One run of the program. */
class Up {
  constructor(env) {
    // In a group of its own, as a shell gives it to what runs in the terminal: Ctrl-C is a signal to the whole group.
    this.child = spawn(process.execPath, ['dev/up.mjs'], {
      cwd: ROOT,
      env: { ...process.env, PORT: String(port), WEIR_HOME: home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.said = '';
    this.told = '';
    this.child.stderr.on('data', (data) => (this.said += data));
    this.child.stdout.on('data', (data) => (this.told += data));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
  }

  async ready() {
    await until('ready', () => {
      assert.equal(this.child.exitCode, null, this.said);
      return this.told.includes('login.json');
    });
    this.login = JSON.parse(await readFile(path.join(home, 'login.json'), 'utf8'));
  }

  interrupt() {
    process.kill(-this.child.pid, 'SIGINT');
  }

  /** @returns {Promise<object>} the body of an answer of the panel's own API */
  async ask(where) {
    const answer = await fetch(this.login.url + where, { headers: { authorization: `Bearer ${this.login.api_key}` } });
    assert.equal(answer.status, 200, where);
    return answer.json();
  }

  /** @returns {Promise<Record<string, object>>} the users by name */
  async users() {
    const { items } = await this.ask('/api/v1/users');
    return Object.fromEntries(items.map((user) => [user.name, user]));
  }
}

async function until(what, look) {
  const deadline = performance.now() + HANG_LIMIT_MS;
  while (!(await look())) {
    if (performance.now() > deadline) assert.fail(`${what}: not within ${HANG_LIMIT_MS / 1000} s\n${up?.said}`);
    await sleep(100);
  }
}

/** What a run started has inherited the folder's name, whoever its parent is by now. */
async function processesOf(folder) {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = [];
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`WEIR_HOME=${folder}`)) found.push(pid);
  }
  return found;
}

/** @returns {Promise<number>} the process id that a run has noted for one of its processes */
async function pidOf(name) {
  const { processes } = JSON.parse(await readFile(path.join(home, 'up/processes.json'), 'utf8'));
  return processes.find((one) => one.name === name)?.pid;
}

const agentStatus = async () => JSON.parse(await readFile(path.join(home, 'up/node/state/status.json'), 'utf8'));

/** Run with a mistake in the environment, and tell what it says. */
async function refused(env) {
  const run = new Up(env);
  const { code } = await run.ended;
  assert.equal(code, 1);
  assert.equal(run.told, '');
  return run.said;
}

/** Wait until every user has used more than now. */
async function moved() {
  const from = await up.users();
  await until('the numbers move', async () => {
    const users = await up.users();
    return NAMES.every((name) => users[name].total_used > from[name].total_used);
  });
}

test('it tells a login that works, and keeps it for its owner alone', async () => {
  up = new Up();
  await up.ready();
  const { url, username, password, api_key: key } = up.login;
  assert.equal((await stat(path.join(home, 'login.json'))).mode & 0o777, 0o600);
  assert.equal(url, `http://127.0.0.1:${port}`);
  for (const value of [url, username, password, key]) assert.ok(up.told.includes(` ${value}\n`), up.told);
  const body = new URLSearchParams({ name: username, password });
  const entered = await fetch(`${url}/login`, { method: 'POST', body, headers: { origin: url }, redirect: 'manual' });
  assert.equal(entered.status, 303);
  const [cookie] = entered.headers.get('set-cookie').split(';');
  const page = await (await fetch(`${url}/users`, { headers: { cookie } })).text();
  for (const name of NAMES) assert.ok(page.includes(`>${name}<`), name);
});

test('it shows three users with different quotas, of whom one has nearly used his up', async () => {
  const share = ({ monthly_used: used, monthly_quota: quota }) => used / quota;
  let users;
  // What they begin with flows as fast as the machine lets it.
  await until('carol has nearly used hers up', async () => {
    users = await up.users();
    return share(users.carol ?? {}) > 0.9;
  });
  assert.deepEqual(Object.keys(users).sort(), NAMES);
  assert.equal(new Set(NAMES.map((name) => users[name].monthly_quota)).size, 3);
  const nearly = NAMES.filter((name) => share(users[name]) > 0.9 && users[name].status === 'active');
  assert.deepEqual(nearly, ['carol']);
  assert.ok(users.alice.total_used > 0 && share(users.alice) < 0.5 && share(users.bob) < 0.5);
});

test('it offers every protocol of the demo in the subscription', async () => {
  const { alice } = await up.users();
  const links = await (await fetch(`${alice.subscription_url}/links`)).text();
  const schemes = links.trim().split('\n').map((link) => link.split('://')[0]);
  assert.deepEqual(schemes, ['trojan', 'vless', 'vmess', 'ss', 'hysteria2']);
});

test('its numbers move, and the users have together what the node has counted', async () => {
  await moved();
  const sum = (users) => NAMES.reduce((total, name) => total + users[name].total_used, 0);
  const low = sum(await up.users());
  const { items: [node] } = await up.ask('/api/v1/nodes');
  const high = sum(await up.users());
  assert.deepEqual([node.foreign, node.unknown], [0, 0]);
  assert.ok(low <= node.up + node.down && node.up + node.down <= high, `${low} ${node.up + node.down} ${high}`);
});

test('an agent and a core that are killed are started again, and counting goes on', async () => {
  for (const name of ['agent', 'sing-box']) {
    const pid = await pidOf(name);
    process.kill(pid, 'SIGKILL');
    await until(`another ${name}`, async () => ![pid, undefined].includes(await pidOf(name)));
    await moved();
  }
});

test('a mistake is told in one line', async () => {
  const other = await freePort();
  const elsewhere = path.join(home, 'elsewhere');
  const line = (text) => new RegExp(`^up: error: ${text}\n$`);
  assert.match(await refused({ WEIR_HOME: elsewhere, PORT: 'many' }), line("PORT is 'many': it must be a number from 1 to 65535"));
  assert.match(await refused({ WEIR_HOME: elsewhere, DEMO: 'no' }), line("DEMO is 'no': it must be 0 or 1"));
  assert.match(await refused({ WEIR_HOME: elsewhere, SING_BOX_BIN: '/nowhere' }), line('SING_BOX_BIN: /nowhere is missing: run make setup'));
  assert.match(await refused({ WEIR_HOME: elsewhere, WEIR_AGENT_BIN: '/nowhere' }), line('/nowhere is missing: run make build-agent'));
  const errors = (said) => said.split('\n').filter((text) => text.includes('error'));
  const twice = errors(await refused({ PORT: String(other) }));
  assert.equal(twice.length, 1);
  assert.match(twice[0], /another make up runs on .* as process \d+: stop that one first$/);
  const holder = createServer().listen(other, '127.0.0.1');
  const taken = await refused({ WEIR_HOME: elsewhere, PORT: String(other) });
  holder.close();
  assert.match(errors(taken).join(), new RegExp(`error: port ${other} is taken: stop what listens there, or choose another: make up PORT=9000$`));
  assert.doesNotMatch(taken, /^\s+at /m);
});

test('Ctrl-C stops whatever it started, and the agent has reported everything', async () => {
  assert.ok((await processesOf(home)).length >= 6, 'two of its own, workerd, agent, core, client');
  kept = await up.users();
  up.interrupt();
  assert.deepEqual(await up.ended, { code: 0, signal: null }, up.said);
  assert.deepEqual(await processesOf(home), []);
  assert.match(up.said, /stopping the traffic, the agent, sing-box, .*panel\n.* stopped\n$/);
  const status = await agentStatus();
  assert.equal(status.waiting, 0);
  kept.epoch = status.epoch;
});

test('a second start goes on with the same users, totals and ledger', async () => {
  up = new Up();
  await up.ready();
  const users = await up.users();
  assert.deepEqual(Object.keys(users).sort(), NAMES);
  for (const name of NAMES) {
    const [was, is] = [kept[name], users[name]];
    assert.deepEqual([is.id, is.created_at, is.subscription_url], [was.id, was.created_at, was.subscription_url]);
    assert.ok(is.total_used >= was.total_used, name);
  }
  assert.equal((await up.ask('/api/v1/nodes')).total, 1);
  assert.equal((await agentStatus()).epoch, kept.epoch);
  await moved();
});

test('when the process in front is killed, the rest stops in order', async () => {
  up.child.kill('SIGKILL');
  await up.ended;
  await until('nothing runs any more', async () => (await processesOf(home)).length === 0);
  assert.equal((await agentStatus()).waiting, 0);
});

test('what a killed run has left behind is ended by the next one; without a demo it is a panel alone', async () => {
  const elsewhere = path.join(home, 'alone');
  const env = { WEIR_HOME: elsewhere, DEMO: '0' };
  const whenReady = (run) => until('ready', () => run.told.includes('login.json'));
  try {
    const first = new Up(env);
    await whenReady(first);
    const left = (await processesOf(elsewhere)).length;
    assert.equal(left, 3, 'two of its own and workerd');
    // Its own first, so that nobody is left who could clean up.
    const { owner, processes: [panel] } = JSON.parse(await readFile(path.join(elsewhere, 'up/processes.json'), 'utf8'));
    first.child.kill('SIGSTOP');
    process.kill(owner.pid, 'SIGKILL');
    first.child.kill('SIGKILL');
    await first.ended;
    assert.deepEqual(await processesOf(elsewhere), [panel.pid]);

    const second = new Up(env);
    await whenReady(second);
    assert.match(second.said, /ended what an earlier run left behind: panel\n/);
    second.login = JSON.parse(await readFile(path.join(elsewhere, 'login.json'), 'utf8'));
    assert.equal((await second.ask('/api/v1/users')).total, 0);
    assert.equal((await second.ask('/api/v1/nodes')).total, 0);
    second.child.kill('SIGTERM');
    assert.deepEqual(await second.ended, { code: 0, signal: null });
    assert.deepEqual(await processesOf(elsewhere), []);
  } finally {
    for (const pid of await processesOf(elsewhere)) process.kill(pid, 'SIGKILL');
  }
});
