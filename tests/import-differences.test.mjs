/** What differs between an old panel and this one, what collides and what cannot be done: told, and never more changed than was asked for. */
import assert from 'node:assert/strict';
import { chmod, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { FaultProxy, faults } from './support/fault-proxy.mjs';
import { Importing, SCOPES, SECRET } from './support/importing.mjs';
import { SUDO, userOf } from './support/marzban-server.mjs';
import { marzbanToken } from './support/marzban-token.mjs';
import { keyWith } from './support/refusals.mjs';
import { seedAgent } from './support/seed.mjs';
import { weirTool } from './support/weir-tool.mjs';

const USERS = 40;

let importing;
let panel;
let old;
let key;
/** When the old users were made. */
let began;
/** The first import, which creates operators. */
let firstRun;

before(async () => {
  importing = await Importing.start(USERS, 'nodes:read nodes:write');
  ({ panel, old, key, began } = importing);
  firstRun = await run('--secret', SECRET, '--apply');
  assert.equal(firstRun.code, 0, firstRun.err + firstRun.out);
});
after(() => importing?.stop());

const run = (...more) => importing.run(...more);

test('a user who exists with other values is told field by field, and stays unless he is to be overwritten', async () => {
  const [first, second] = old.users;
  const at = (user, rest = '') => `/api/v1/users/${encodeURIComponent(user.username)}${rest}`;
  await panel.api('PATCH', at(first), { monthly_quota: 7, note: 'mine' });
  await panel.api('DELETE', at(first, '/credentials'));
  await panel.api('POST', at(second, '/disable'));
  const told = await run('--apply');
  assert.equal(told.code, 2);
  assert.deepEqual([told.report.counts.differing, told.report.counts.overwritten], [2, 0]);
  assert.match(told.out, new RegExp(`${first.username}: monthly_quota: old ${first.data_limit ?? 0}, here 7`));
  const fields = (name) => told.report.differing.find((one) => one.name === name).fields.map(({ field }) => field);
  assert.deepEqual(fields(second.username), ['disabled']);
  assert.ok(fields(first.username).includes('credentials.vless_uuid') && fields(first.username).includes('note'));
  assert.equal((await panel.api('GET', at(first))).body.note, 'mine');

  const dry = await run('--overwrite');
  assert.match(dry.out, /would be overwritten/);
  assert.equal((await panel.api('GET', at(first))).body.note, 'mine');

  const written = await run('--apply', '--overwrite');
  assert.deepEqual([written.code, written.report.counts.overwritten, written.report.counts.failed], [0, 2, 0], written.out.slice(-2_000));
  assert.equal((await run('--apply')).report.counts.unchanged, USERS);
});

test('no report holds a credential, of the old panel or of this one', async () => {
  const [first] = old.users;
  const at = `/api/v1/users/${encodeURIComponent(first.username)}/credentials`;
  await panel.api('DELETE', at);
  const derived = Object.values((await panel.api('GET', at)).body).filter((value) => typeof value === 'string');
  const given = Object.values(first.proxies).flatMap(({ id, password }) => [id, password]).filter(Boolean);
  assert.ok(derived.length > 0 && given.length > 0);
  for (const wishes of [[], ['--overwrite'], ['--apply', '--overwrite']]) {
    const { report, out } = await run(...wishes);
    const told = report.differing.flatMap(({ fields }) => fields).filter(({ field }) => field.startsWith('credentials.'));
    assert.deepEqual([told.length > 0, told.filter(({ old: was, here: is }) => was !== '(secret)' || is !== '(secret)')], [true, []]);
    for (const secret of [...derived, ...given]) assert.ok(!`${JSON.stringify(report)}${out}`.includes(secret), `${wishes.join(' ')}: ${secret}`);
  }
  const { body } = await panel.api('GET', at);
  assert.deepEqual(given.filter((secret) => !Object.values(body).includes(secret)), [], 'what is hidden is written all the same');
});

test('what was used here since is told and never overwritten', async () => {
  const [, , , user] = old.users;
  await panel.db.prepare('UPDATE usage SET month = month + 5, lifetime = lifetime + 5 WHERE user = (SELECT id FROM users WHERE name = ?1)').bind(user.username).run();
  const { code, report } = await run('--apply', '--overwrite');
  assert.equal(code, 2);
  assert.deepEqual(report.differing.map(({ fields, overwritten }) => [fields.map(({ field }) => field), overwritten]), [[['monthly_used', 'total_used'], []]]);
  await panel.db.prepare('UPDATE usage SET month = month - 5, lifetime = lifetime - 5 WHERE user = (SELECT id FROM users WHERE name = ?1)').bind(user.username).run();
});

test('a credential that two users have, and a user whom the panel does not take, are told and stop nobody', async () => {
  const twin = { ...userOf(3_000, began), username: 'zz-twin', proxies: { vless: { ...old.users[0].proxies.vless, id: old.users.find(({ proxies }) => proxies.vless).proxies.vless.id, flow: '' }, trojan: { password: 'only his own', flow: '' } }, excluded_inbounds: {} };
  const wrong = { ...userOf(3_001, began), username: 'zz-wrong', proxies: { vless: { id: 'no uuid', flow: '' } }, excluded_inbounds: {} };
  const fine = { ...userOf(3_002, began), username: 'zz-fine' };
  old.users.push(twin, wrong, fine);
  const { code, report, out } = await run('--apply');
  old.users.splice(-3);
  assert.equal(code, 2);
  assert.deepEqual(report.created.map(({ name }) => name), ['zz-fine', 'zz-twin']);
  assert.deepEqual(report.lost.map(({ name, field }) => [name, field]), [['zz-twin', 'credentials.vless_uuid']]);
  assert.deepEqual(report.failed.map(({ name, field }) => [name, field]), [['zz-wrong', 'credentials.vless_uuid']]);
  assert.match(out, /zz-twin: credentials\.vless_uuid "\(secret\)": .* has the same/);
  const { body } = await panel.api('GET', '/api/v1/users/zz-twin/credentials');
  assert.deepEqual(body.by_hand, ['trojan_password']);
  assert.equal((await panel.api('GET', '/api/v1/users/zz-wrong')).status, 404);
});

test('links that were revoked there stay revoked here', async () => {
  const user = { ...userOf(4_000, began), username: 'zz-revoked' };
  const file = path.join(panel.folder, 'revoked.csv');
  await writeFile(file, `zz-Revoked,${began - 500}\n`);
  old.users.push(user);
  assert.equal((await run('--apply', '--revoked', file)).report.counts.created, 1);
  old.users.pop();
  const fetched = (at) => panel.request('GET', `/sub/${marzbanToken(SECRET, 'zz-revoked', at)}`);
  assert.deepEqual([(await fetched(began - 501)).status, (await fetched(began - 500)).status], [404, 200]);
});

test('what cannot be done at all is one sentence and code 1', async () => {
  const sentence = async (args, pattern, env = {}) => {
    const { code, err, out } = await weirTool(args, { WEIR_KEY: key, OLD_PASSWORD: SUDO.password, ...env });
    assert.deepEqual([code, out], [1, ''], err);
    assert.match(err, pattern);
    assert.doesNotMatch(err, /at .*\.mjs:\d+/);
  };
  const from = ['import', 'marzban', '--url', old.url, '--username', SUDO.username, '--to', panel.url];
  await sentence(from, /does not let root in: Incorrect username or password/, { OLD_PASSWORD: 'wrong' });
  await sentence(from, /a valid credential is needed/, { WEIR_KEY: 'weir_0123456789abcdef0123456789abcdef' });
  await sentence([...from, '--secret', 'short'], /--secret: 64 hexadecimal digits/);
  await sentence(from, /--secret: 64 hexadecimal digits/, { OLD_SECRET: 'short' });
  await sentence(['import', 'marzban', '--to', panel.url], /needs --url, --username/);
  await sentence(['import', 'pasarguard'], /usage:/);
  const { code, out } = await weirTool(['--help']);
  assert.deepEqual([code, /--overwrite +gives users/.test(out)], [0, true], 'the options are told');
  await sentence([...from, '--revoked', '/nowhere'], /--revoked/);
});

test('the secret of a Marzban comes from the environment too, where no list of processes shows it', async () => {
  const from = ['import', 'marzban', '--url', old.url, '--username', SUDO.username, '--to', panel.url, '--overwrite'];
  const done = async (secret) => {
    const { report, err } = await weirTool(from, { WEIR_KEY: key, OLD_PASSWORD: SUDO.password, OLD_SECRET: secret });
    assert.ok(report, err);
    return report.done;
  };
  const isSet = (line) => line === 'the secret with which the old links were signed: set';
  assert.deepEqual([(await done(SECRET)).some(isSet), (await done('')).some(isSet)], [true, false]);
});

test('a report is for nobody else, even where a file that all could read was there before', async () => {
  const file = path.join(panel.folder, 'report.json');
  await writeFile(file, 'of an earlier run'.padEnd(1_000_000));
  await chmod(file, 0o644);
  const from = ['import', 'marzban', '--url', old.url, '--username', SUDO.username, '--to', panel.url];
  const { report, err } = await weirTool(from, { WEIR_KEY: key, OLD_PASSWORD: SUDO.password }, file);
  assert.equal(report?.counts.found, old.users.length, err);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('an import that a panel ended in the middle is taken up by the next one', async () => {
  const more = Array.from({ length: 60 }, (_, index) => ({ ...userOf(5_000 + index, began), username: `late-${index}` }));
  old.users.push(...more);
  const cut = run('--apply', '--at-once', '2');
  for (let total = 0; total < USERS + 10; ) ({ total } = (await panel.api('GET', '/api/v1/users?limit=1')).body);
  await panel.restart({ force: true });
  const { code } = await cut;
  assert.ok([0, 2].includes(code), String(code));
  const { report, out } = await run('--apply');
  const wrong = report.differing.filter(({ name }) => name.startsWith('late-'));
  assert.deepEqual([wrong, report.failed], [[], []], out.slice(-2_000));
  const third = await run('--apply');
  assert.deepEqual([third.report.counts.differing, third.report.counts.created], [0, 0], third.out.slice(-2_000));
  old.users.splice(-more.length);
});

/** The passwords that a run shows, by operator and in the order of its lines. */
const shownIn = (out) => [...out.matchAll(/^  ([\w-]+): ([0-9a-f]{32}|not known, .*)$/gm)].map(([, name, password]) => [name, password]);

test('the passwords of new operators are shown once, and are in no report', () => {
  const shown = shownIn(firstRun.out);
  assert.deepEqual(shown.map(([name]) => name), ['seller-a', 'seller-b'], firstRun.out.slice(-3_000));
  for (const [, password] of shown) assert.ok(!JSON.stringify(firstRun.report).includes(password));
});

test('whatever ends an import early, the passwords of operators whom it has created are shown, once', async (t) => {
  const proxy = await FaultProxy.start({ target: panel.url });
  t.after(() => proxy.stop());
  const { admins } = old;
  old.users.push({ ...userOf(6_000, began), username: 'zz-ended' });
  let tool;
  const isUser = ({ method, path: where }) => method === 'POST' && where === '/api/v1/users';
  const signal = (name) => async (exchange) => {
    tool.child.kill(name);
    await exchange.wait(60_000);
  };
  const refused = { headers: { 'content-type': 'application/json' }, body: '{"error":{"code":"forbidden","message":"the key has ended"}}' };
  const ends = [
    ['refused', 1, faults.answer(403, refused), isUser],
    ['lost', 1, faults.loseReply(), ({ method, message }) => method === 'POST' && message?.name === 'lost-2'],
    ['interrupted', 'SIGINT', signal('SIGINT'), isUser],
    ['ended', 'SIGTERM', signal('SIGTERM'), isUser],
  ];
  for (const [name, end, fault, when] of ends) {
    old.admins = [...admins, ...[1, 2].map((number) => ({ username: `${name}-${number}`, is_sudo: false }))];
    proxy.inject(fault, { when });
    tool = importing.begin(proxy.url, '--apply');
    const told = await tool.ended;
    assert.equal(told.end, end, told.err + told.out.slice(-2_000));
    const given = proxy.exchanges.filter(({ message }) => message?.name?.startsWith(`${name}-`)).map(({ answer }) => [answer.name, answer.password]);
    assert.equal(given.length, 2);
    // Of one whose answer was lost it is said.
    if (name === 'lost') given[1][1] = 'not known, for the panel did not answer; if he is there, reset it at /settings/operators';
    assert.deepEqual(shownIn(told.out), given, told.out.slice(-2_000));
  }
  old.users.pop();
  old.admins = admins;
});

/** Reads (and writes nothing) three pages of users, and does something before the old panel answers each page. */
async function readWhile(t, deed) {
  const proxy = await FaultProxy.start({ target: old.url });
  const { users } = old;
  t.after(async () => {
    old.users = users;
    await proxy.stop();
  });
  old.users = Array.from({ length: 450 }, (_, index) => ({ ...userOf(7_000 + index, began), username: `page-${index}` })).reverse();
  let pages = 0;
  const fault = async (exchange) => {
    pages += 1;
    deed(pages);
    exchange.reply(await exchange.forward());
  };
  proxy.disturb(({ path: where }) => (where.startsWith('/api/users?') ? { name: 'meanwhile', fault } : null));
  return { ...(await run('--url', proxy.url)), pages };
}

test('one who is deleted while the old panel is read makes nobody else be missed, also if another one comes', async (t) => {
  for (const another of [[], [{ ...userOf(0, began), username: 'another', created_at: '2099-01-01T00:00:00' }]]) {
    const { report, err, pages } = await readWhile(t, (page) => {
      if (page !== 2) return;
      old.users.shift();
      old.users.push(...another);
    });
    assert.equal(pages, 6, err);
    assert.deepEqual(report.created.map(({ name }) => name), old.users.map(({ username }) => username).sort());
    assert.match(err, /users changed there while they were read \(\d+ were read, .*\): they are read once more/);
  }
});

test('one who is created while the old panel is read, or deleted before he is, is no reason to read it again', async (t) => {
  const { report, err, pages } = await readWhile(t, (page) => {
    if (page === 2) old.users.pop();
    if (page === 3) old.users.push({ ...userOf(0, began), username: 'another', created_at: '2099-01-01T00:00:00' });
  });
  assert.equal(pages, 3, err);
  assert.deepEqual(report.created.map(({ name }) => name), old.users.map(({ username }) => username).sort());
});

test('an old panel in which users are deleted again and again while it is read is not imported', async (t) => {
  const { code, out, err } = await readWhile(t, () => old.users.shift());
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /its users changed each time that they were read, at last so: 446 were read, and it told of 446 at the beginning and 444 at the end\. Leave it alone meanwhile/);
});

test('users are counted as they are', async () => {
  const { users, counted } = await panel.db.prepare("SELECT (SELECT count(*) FROM users WHERE deleted_at IS NULL) AS users, (SELECT value FROM counters WHERE name = 'users') AS counted").first();
  assert.equal(users, counted);
});

const here = async (where) => {
  const { status, body, text } = await panel.request('GET', where, { key });
  assert.equal(status, 200, text);
  return body;
};

test('templates are there for whoever makes users of them, once, and one that differs stays', async () => {
  const shown = await here('/api/user_template');
  assert.deepEqual(shown.map(({ id: _, ...template }) => template), old.templates.map(({ id: _, ...template }) => template));
  old.templates[1].data_limit = 7;
  const { report } = await run('--apply', '--overwrite');
  assert.ok(report.todo.includes(`the template ${old.templates[1].name} exists with other values: data_limit old 7, here ${shown[1].data_limit}`), report.todo.join('\n'));
  assert.deepEqual(await here('/api/user_template'), shown);
  old.templates[1].data_limit = shown[1].data_limit;
});

test('hosts of an inbound that a node has are put there, once; of others, and such as are not taken, it is said what to do', async () => {
  const node = await seedAgent(panel, { name: 'fra' });
  await node.sync({ status: { core: 'sing-box' }, inbounds: [{ tag: 'vless-in', protocol: 'vless', port: 443, tls: true }] });
  const [host] = old.hosts['vless-in'];
  old.hosts['vless-in'].push({ ...host, remark: 'own', address: '{SERVER_IP}', sni: null, mux_enable: false }, { ...host, remark: 'drawn', sni: 'a.example,b.example' });
  old.hosts['gone-in'] = [{ ...host, remark: 'elsewhere' }];

  const lacking = await weirTool(['import', 'marzban', '--url', old.url, '--username', SUDO.username, '--to', panel.url], { WEIR_KEY: await keyWith(panel, SCOPES), OLD_PASSWORD: SUDO.password });
  assert.match(lacking.out, /hosts: the key needs nodes:read and nodes:write/);
  const dry = await run();
  assert.ok(dry.report.done.includes('the hosts of the inbound vless-in (3): created'), dry.out.slice(-3_000));
  assert.deepEqual(await here('/api/hosts'), { 'vless-in': [] });

  const { report, out } = await run('--apply');
  const put = (await here('/api/hosts'))['vless-in'];
  assert.deepEqual(put.map(({ remark, address, sni }) => [remark, address, sni]), [[host.remark, host.address, host.sni], ['own', put[1].address, null]], out.slice(-3_000));
  assert.notEqual(put[1].address, '{SERVER_IP}');
  assert.ok(report.todo.some((line) => /host "drawn" .*refused: sni: /.test(line)), report.todo.join('\n'));
  assert.ok(report.todo.some((line) => /host "elsewhere" of the inbound gone-in/.test(line)));

  // What was refused differs for good, and is not put over what stands here unless that is wanted.
  old.hosts['vless-in'].pop();
  const again = await run('--apply');
  assert.ok(![...again.report.done, ...again.report.todo].some((line) => line.includes('vless-in')), again.out.slice(-3_000));
  old.hosts['vless-in'][0].port = 8443;
  assert.ok((await run('--apply')).report.todo.some((line) => line.startsWith('the inbound vless-in has other hosts here')));
  assert.deepEqual((await here('/api/hosts'))['vless-in'], put);
  await run('--apply', '--overwrite');
  assert.equal((await here('/api/hosts'))['vless-in'][0].port, 8443);
});
