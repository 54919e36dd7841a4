/** Webhooks against real endpoints: signed, in order, each event once, whatever the endpoints do; and channels in the API. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Endpoint } from './support/endpoint.mjs';
import { addChannel, later, NEVER, quietly, waiting } from './support/notices.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { freePort } from './support/ports.mjs';
import { assertRefused, dump, keyWith } from './support/refusals.mjs';

const run = promisify(execFile);
const GATES = ['user.disabled', 'user.enabled'];

let panel;
const endpoints = [];

before(async () => {
  panel = await startPanel({ vars: { NOTIFY_PRIVATE: '1' } });
});
after(async () => {
  await panel?.stop();
  await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
});

afterEach(removeChannels);

async function endpoint(answer) {
  const one = await Endpoint.start(answer);
  endpoints.push(one);
  return one;
}

async function users(names) {
  for (const name of names) {
    const { status, text } = await panel.api('POST', '/api/v1/users', { name });
    assert.equal(status, 201, text);
  }
}

/** A person shuts a user out and lets him in again: two events. */
async function toggle(name) {
  for (const action of ['disable', 'enable']) assert.equal((await panel.api('POST', `/api/v1/users/${name}/${action}`)).status, 200);
}

async function removeChannels() {
  for (const { id } of (await panel.api('GET', '/api/v1/channels')).body.items) await panel.api('DELETE', `/api/v1/channels/${id}`);
}

/** Let the outbox run until nothing waits for a channel, at most this often. */
async function drain(channel, runs = 30) {
  for (let count = 0; count < runs; count += 1) {
    if ((await waiting(panel, channel)) === 0) return;
    assert.equal(await panel.trigger(), 'ok');
  }
  assert.equal(await waiting(panel, channel), 0, 'still waiting');
}

test('a channel is entered, shown without its secrets, changed and deleted', async () => {
  const created = await panel.api('POST', '/api/v1/channels', { name: 'shop', webhook: { url: 'https://shop.example/hook' }, time_zone: 'Asia/Tehran' });
  assert.equal(created.status, 201, created.text);
  const { secret, ...channel } = created.body;
  assert.match(secret, /^whsec_[0-9a-f]{48}$/);
  assert.equal(created.headers.get('location'), `/api/v1/channels/${channel.id}`);
  const { created_at: at, ...rest } = channel;
  assert.ok(at > 0);
  assert.deepEqual(rest, {
    id: channel.id, name: 'shop', type: 'webhook', enabled: true, audience: 'operator', kinds: null, severity: 'info', language: 'en',
    time_zone: 'Asia/Tehran', quiet: null, target: { url: 'https://shop.example/hook', form: 'weir' }, failures: 0, next_at: null, tried_at: null,
    delivered_at: null, status: null, error: null,
  });
  const where = `/api/v1/channels/${channel.id}`;
  assert.deepEqual((await panel.api('GET', where)).body, channel);
  const change = { name: 'store', quiet: { from: '22:00', to: '07:30' }, kinds: ['node.silent'], webhook: { url: 'https://shop.example/other' } };
  const changed = await panel.api('PATCH', where, change);
  assert.deepEqual(changed.body, { ...channel, ...{ name: 'store', quiet: change.quiet, kinds: change.kinds }, target: { ...change.webhook, form: 'weir' } });
  assert.deepEqual((await panel.api('PATCH', where, { quiet: null, kinds: null })).body, { ...channel, name: 'store', target: { ...change.webhook, form: 'weir' } });
  assert.deepEqual((await panel.api('GET', '/api/v1/channels')).body.items.map(({ id }) => id), [channel.id]);
  const stored = JSON.stringify(await dump(panel));
  for (const hidden of [secret, 'shop.example']) assert.ok(!stored.includes(hidden), `${hidden} is stored readable`);
  assert.equal((await panel.api('DELETE', where)).status, 204);
  for (const method of ['GET', 'PATCH', 'DELETE']) assertRefused(await panel.api(method, where, method === 'PATCH' ? {} : undefined), 404, 'not_found');
});

test('nobody has a stored secret, token or header sent to another host, or a secret sent as it is', async () => {
  const [mine, theirs] = [await endpoint(), await endpoint()];
  const template = { to: '{to}', subject: '{subject}', text: '{text}' };
  const mail = (url, headers) => ({ from: 'a@b.example', to: 'c@d.example', url, headers, body: template });
  const hook = await addChannel(panel, { name: 'hook', webhook: { url: mine.url } });
  const bot = await addChannel(panel, { name: 'bot', telegram: { token: '123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw', chat_id: '1', api: mine.url } });
  const letter = await addChannel(panel, { name: 'letter', email: mail(mine.url, { Authorization: 'Bearer very-secret' }) });
  for (const [{ id }, change, field] of [
    [hook, { webhook: { url: theirs.url } }, 'webhook.secret'],
    [hook, { webhook: { form: 'marzban' } }, 'webhook.secret'],
    [bot, { telegram: { api: theirs.url } }, 'telegram.token'],
    [letter, { email: mail(theirs.url) }, 'email.headers'],
  ]) {
    assertRefused(await panel.api('PATCH', `/api/v1/channels/${id}`, change), 422, 'invalid', field);
    assert.equal((await panel.api('POST', `/api/v1/channels/${id}/test`, {})).body.delivered, true, 'it is as it was');
  }
  assert.deepEqual([mine.received.length, theirs.received.length], [4, 0]);
  for (const [{ id }, change] of [
    [hook, { webhook: { url: theirs.url, form: 'marzban', secret: 'another-secret-of-mine' } }],
    [bot, { telegram: { api: theirs.url, token: '123456:AnotherTokenAnotherTokenAnother' } }],
    [letter, { email: mail(theirs.url, { Authorization: 'Bearer other' }) }],
  ]) {
    const { status, text } = await panel.api('PATCH', `/api/v1/channels/${id}`, change);
    assert.equal(status, 200, text);
    await panel.api('POST', `/api/v1/channels/${id}/test`, {});
  }
  const sent = JSON.stringify(theirs.received.map(({ path: where, headers, json }) => [where, headers, json]));
  assert.equal(theirs.received.length, 3);
  for (const stored of [hook.secret, 'AAHdqTcv', 'very-secret']) assert.ok(!sent.includes(stored), `${stored} went to another host`);
});

test('what is wrong with a channel is told by field, and nothing is stored', async () => {
  const url = 'https://shop.example/hook';
  const before = await dump(panel);
  for (const [body, field] of [
    [{ webhook: { url } }, 'name'],
    [{ name: ' x', webhook: { url } }, 'name'],
    [{ name: 'x' }, 'webhook'],
    [{ name: 'x', webhook: { url }, email: { from: 'a@b.example', to: 'c@d.example' } }, 'webhook'],
    [{ name: 'x', webhook: {} }, 'webhook.url'],
    [{ name: 'x', webhook: { url: 'ftp://shop.example' } }, 'webhook.url'],
    [{ name: 'x', webhook: { url: 'https://user@shop.example' } }, 'webhook.url'],
    [{ name: 'x', webhook: { url, secret: 'short' } }, 'webhook.secret'],
    [{ name: 'x', webhook: { url, colour: 1 } }, 'webhook.colour'],
    [{ name: 'x', webhook: { url }, audience: 'user' }, 'audience'],
    [{ name: 'x', webhook: { url }, kinds: ['user.vanished'] }, 'kinds[0]'],
    [{ name: 'x', webhook: { url }, severity: 'grave' }, 'severity'],
    [{ name: 'x', webhook: { url }, language: 'de' }, 'language'],
    [{ name: 'x', webhook: { url }, time_zone: 'Mars/Olympus' }, 'time_zone'],
    [{ name: 'x', webhook: { url }, quiet: { from: '25:00', to: '07:00' } }, 'quiet.from'],
    [{ name: 'x', telegram: { token: 'x', chat_id: '1' } }, 'telegram.token'],
    [{ name: 'x', email: { from: 'a@b.example' } }, 'email.to'],
    [{ name: 'x', email: { from: 'nobody', to: 'c@d.example' } }, 'email.from'],
    [{ name: 'x', email: { from: 'a@b.example', to: 'c@d.example', url, body: { to: '{to}' } } }, 'email.body'],
  ]) {
    assertRefused(await panel.api('POST', '/api/v1/channels', body), 422, 'invalid', field);
  }
  for (const [query, field] of [['state=lost', 'state'], ['channel=x', 'channel'], ['before=x', 'before'], ['limit=0', 'limit']]) {
    assertRefused(await panel.api('GET', `/api/v1/deliveries?${query}`), 422, 'invalid', field);
  }
  assertRefused(await panel.api('GET', '/api/v1/events?kind=user.vanished'), 422, 'invalid', 'kind');
  assertRefused(await panel.api('POST', '/api/v1/deliveries/1-1/replay'), 404, 'not_found');
  assert.deepEqual(await dump(panel), before);
  await addChannel(panel, { name: 'One', webhook: { url } });
  assertRefused(await panel.api('POST', '/api/v1/channels', { name: 'one', webhook: { url } }), 409, 'taken');
});

test('reading and writing channels each need their own scope', async () => {
  const reader = await keyWith(panel, 'channels:read');
  const { id } = await addChannel(panel, { name: 'chat', webhook: { url: 'https://a.example/services/T0/XXXX' } });
  const target = async (key, where = `/${id}`) => (await panel.request('GET', `/api/v1/channels${where}`, { key })).body;
  assert.equal((await target(reader)).target.url, 'https://a.example/…', 'of an address whoever only reads sees the host');
  assert.equal((await target(reader, '')).items[0].target.url, 'https://a.example/…');
  assert.equal((await target(await keyWith(panel, 'channels:read channels:write'))).target.url, 'https://a.example/services/T0/XXXX');
  const body = JSON.stringify({ name: 'x', webhook: { url: 'https://a.example' } });
  assertRefused(await panel.request('POST', '/api/v1/channels', { key: reader, body }), 403, 'forbidden');
  const other = await keyWith(panel, 'users:read users:write');
  for (const where of ['channels', 'deliveries', 'events']) {
    assertRefused(await panel.request('GET', `/api/v1/${where}`, { key: other }), 403, 'forbidden');
  }
});

test('without CREDENTIAL_KEY no channel is taken, and without NOTIFY_PRIVATE none in a private network', async () => {
  for (const [vars, status] of [[{ CREDENTIAL_KEY: '', NOTIFY_PRIVATE: '1' }, 503], [{}, 422]]) {
    const odd = await startPanel({ vars });
    try {
      const answer = await odd.api('POST', '/api/v1/channels', { name: 'x', webhook: { url: 'http://127.0.0.1:9/x' } });
      assertRefused(answer, status, status === 503 ? 'unconfigured' : 'invalid', status === 503 ? undefined : 'webhook.url');
      assert.equal((await dump(odd)).channels.length, 0);
    } finally {
      await odd.stop();
    }
  }
});

test('a message is signed so that Node and Python can check it, as the guide says', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'signed', kinds: GATES, webhook: { url: `${hook.url}/in?a=1` } });
  await users(['sign-ann']);
  await toggle('sign-ann');
  await drain(channel.id);
  const [message] = hook.taken();
  assert.deepEqual([message.method, message.path, message.headers['content-type']], ['POST', '/in?a=1', 'application/json']);
  assert.deepEqual(message.json.map(({ kind }) => kind), GATES);
  for (const event of message.json) {
    assert.deepEqual(Object.keys(event), ['id', 'kind', 'at', 'data']);
    assert.match(event.id, /^[0-9a-f]{32}$/);
    assert.equal(event.data.user, 'sign-ann');
  }
  assert.equal(message.headers['weir-event-id'], message.json.map(({ id }) => id).join(','));

  const guide = await readFile(path.join(ROOT, 'docs/notifications.md'), 'utf8');
  const code = (language) => new RegExp('```' + language + '\\n(.*?)```', 's').exec(guide)[1];
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-notices-'));
  try {
    await writeFile(path.join(folder, 'check.mjs'), code('js'));
    const { isFromWeir } = await import(path.join(folder, 'check.mjs'));
    const forged = { ...message.headers, 'weir-timestamp': String(Number(message.headers['weir-timestamp']) + 1) };
    assert.equal(isFromWeir(channel.secret, message.headers, message.text), true);
    assert.equal(isFromWeir(channel.secret, message.headers, `${message.text} `), false);
    assert.equal(isFromWeir(`${channel.secret}0`, message.headers, message.text), false);
    assert.equal(isFromWeir(channel.secret, forged, message.text), false, 'the time is signed too');
    assert.equal(isFromWeir(channel.secret, message.headers, message.text, Date.now() / 1000 + 400), false, 'an old message');

    await writeFile(path.join(folder, 'check.py'), `${code('python')}\nimport json, sys\ncases = json.load(sys.stdin)\nprint(json.dumps([is_from_weir(s, h, b.encode()) for s, h, b in cases]))\n`);
    const cases = [[channel.secret, message.headers, message.text], [channel.secret, message.headers, `${message.text} `], [channel.secret, forged, message.text]];
    const child = run('python3', [path.join(folder, 'check.py')]);
    child.child.stdin.end(JSON.stringify(cases));
    assert.deepEqual(JSON.parse((await child).stdout), [true, false, false]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe('an endpoint that fails for an hour', () => {
  const names = Array.from({ length: 12 }, (_, index) => `hour-${String(index).padStart(2, '0')}`);

  test('gets everything once it is back, in order for each user, each event once; others lose nothing and wait for nobody', async (t) => {
    await users(names);
    const moods = ['cut', 500, 503, { status: 302, headers: { location: 'https://elsewhere.example' } }, 401];
    let failing = true;
    let tries = 0;
    const [bad, good] = [await endpoint(() => (failing ? moods[(tries += 1) % moods.length] : 200)), await endpoint()];
    const broken = await addChannel(panel, { name: 'broken', kinds: GATES, webhook: { url: bad.url } });
    const healthy = await addChannel(panel, { name: 'healthy', kinds: GATES, webhook: { url: good.url } });
    const dead = await addChannel(panel, { name: 'dead', kinds: GATES, webhook: { url: `http://127.0.0.1:${await freePort()}/` } });
    await quietly(panel);

    // Sixty minutes, with something to tell in every second one.
    const happened = [];
    for (let minute = 0; minute < 60; minute += 1) {
      if (minute % 2 === 0) {
        const name = names[(minute / 2) % names.length];
        await toggle(name);
        happened.push([name, 'user.disabled'], [name, 'user.enabled']);
      }
      await later(panel, 60);
      assert.equal(await panel.trigger(), 'ok');
      assert.equal(await waiting(panel, healthy.id), 0, `minute ${minute}: the healthy endpoint waits`);
    }
    assert.equal(bad.events.length, 0);
    assert.equal(await waiting(panel, broken.id), happened.length);
    const attempts = bad.received.length;
    t.diagnostic(`${happened.length} events, ${attempts} tries of an endpoint that failed for an hour`);
    assert.ok(attempts >= 5 && attempts <= 8, `${attempts} tries in an hour`);
    assert.deepEqual(bad.received.map(({ json }) => json.length).slice(1), Array(attempts - 1).fill(1), 'a failing endpoint is tried with one event');
    const shown = (await panel.api('GET', `/api/v1/channels/${broken.id}`)).body;
    assert.ok(shown.failures === attempts && shown.error.length > 0 && shown.next_at > 0, JSON.stringify(shown));

    failing = false;
    await later(panel, 3_600);
    await drain(broken.id, 3);
    const inOrder = ({ events }) => events.map(({ kind, data }) => [data.user, kind]);
    for (const one of [bad, good]) {
      const ids = one.events.map(({ id }) => id);
      assert.equal(new Set(ids).size, happened.length, 'each event');
      assert.equal(ids.length, happened.length, 'once');
      for (const name of names) {
        assert.deepEqual(inOrder(one).filter(([user]) => user === name), happened.filter(([user]) => user === name));
      }
    }
    assert.deepEqual(new Set(bad.events.map(({ id }) => id)), new Set(good.events.map(({ id }) => id)), 'the same ids everywhere');
    const well = (await panel.api('GET', `/api/v1/channels/${broken.id}`)).body;
    assert.deepEqual([well.failures, well.next_at, well.error, well.status], [0, null, null, 200]);

    // Three days later the dead one is given up, and can be replayed when it lives again.
    await later(panel, 3 * 86_400);
    assert.equal(await panel.trigger(), 'ok');
    assert.equal(await waiting(panel, dead.id), 0);
    const { items, next } = (await panel.api('GET', `/api/v1/deliveries?channel=${dead.id}&state=dead&limit=50`)).body;
    assert.ok(items.length === 50 && items.every((item) => item.state === 'dead' && item.error.length > 0 && item.channel === dead.id));
    const rest = (await panel.api('GET', `/api/v1/deliveries?channel=${dead.id}&state=dead&limit=50&before=${next}`)).body;
    assert.equal(items.length + rest.items.length, happened.length);
    const risen = await endpoint();
    assert.equal((await panel.api('PATCH', `/api/v1/channels/${dead.id}`, { webhook: { url: risen.url, secret: dead.secret } })).status, 200);
    const [last] = rest.items.slice(-1);
    assert.equal((await panel.api('POST', `/api/v1/deliveries/${last.id}/replay`)).status, 202);
    assertRefused(await panel.api('POST', `/api/v1/deliveries/${last.id}/replay`), 409, 'waiting');
    await drain(dead.id);
    assert.deepEqual(risen.events.map(({ id }) => id), [last.event_id]);
    assert.deepEqual((await panel.api('POST', `/api/v1/channels/${dead.id}/replay`)).body, { replayed: happened.length - 1 });
    await drain(dead.id);
    assert.equal(new Set(risen.events.map(({ id }) => id)).size, happened.length);
    const delivered = (await panel.api('GET', `/api/v1/deliveries?channel=${dead.id}&state=delivered`)).body.items[0];
    assert.equal((await panel.api('POST', `/api/v1/deliveries/${delivered.id}/replay`)).status, 202, 'what was delivered, too');
    await drain(dead.id);
    assert.equal(risen.events.at(-1).id, delivered.event_id);
  });
});

test('an endpoint that hangs is given up after ten seconds, and nobody waits for it', async () => {
  const [hanging, good] = [await endpoint(() => 'hang'), await endpoint()];
  const stuck = await addChannel(panel, { name: 'hanging', kinds: GATES, webhook: { url: hanging.url } });
  const healthy = await addChannel(panel, { name: 'healthy', kinds: GATES, webhook: { url: good.url } });
  await users(['hang-ann']);
  await toggle('hang-ann');
  const run = panel.trigger();
  while (good.events.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  const state = (await panel.api('GET', `/api/v1/channels/${stuck.id}`)).body;
  assert.equal(state.tried_at, null, 'the healthy one was served while the other hung');
  assert.equal(await run, 'ok');
  assert.equal(await waiting(panel, healthy.id), 0);
  const { failures, error, status } = (await panel.api('GET', `/api/v1/channels/${stuck.id}`)).body;
  assert.deepEqual([failures, error, status], [1, 'no answer within 10 s', null]);
});

test('an event that an endpoint refuses holds back its own user alone, and is given up in the end', async () => {
  const refused = new Set(['poison-bob']);
  const picky = await endpoint(({ json }) => (json.some(({ data }) => refused.has(data.user)) ? { status: 422, body: 'no such user' } : 200));
  const channel = await addChannel(panel, { name: 'picky', kinds: GATES, webhook: { url: picky.url } });
  await users(['poison-ann', 'poison-bob', 'poison-cleo']);
  for (const name of ['poison-ann', 'poison-bob', 'poison-cleo']) await toggle(name);
  for (let run = 0; run < 8; run += 1) await panel.trigger();
  const got = (name) => picky.events.filter(({ data }) => data.user === name).map(({ kind }) => kind);
  assert.deepEqual([got('poison-ann'), got('poison-bob'), got('poison-cleo')], [GATES, [], GATES]);
  assert.equal((await panel.api('GET', `/api/v1/channels/${channel.id}`)).body.failures, 0, 'the endpoint works');
  const first = (await panel.api('GET', `/api/v1/deliveries?channel=${channel.id}&state=waiting`)).body.items.at(-1);
  assert.deepEqual([first.status, first.error], [422, 'it answered 422: no such user']);
  for (let hours = 0; hours < 9; hours += 1) {
    await later(panel, 3 * 3_600);
    await panel.trigger();
  }
  const dead = (await panel.api('GET', `/api/v1/deliveries?channel=${channel.id}&state=dead`)).body.items;
  assert.equal(dead[dead.length - 1].id, first.id);
  refused.clear();
  await later(panel, 2 * 3_600);
  await drain(channel.id);
  assert.deepEqual(got('poison-bob').slice(-1), ['user.enabled'], 'the later event follows when the earlier one is dead');
});

test('two runs at once send nothing twice', async () => {
  const slow = await endpoint();
  const channel = await addChannel(panel, { name: 'slow', kinds: GATES, webhook: { url: slow.url } });
  await users(['twice-ann']);
  await toggle('twice-ann');
  const runs = [panel.trigger()];
  await panel.db.prepare("UPDATE jobs SET next_at = 0 WHERE name = 'outbox'").run();
  runs.push(panel.trigger());
  await Promise.all(runs);
  await later(panel, 200);
  await drain(channel.id);
  assert.equal(slow.events.length, 2);
  assert.equal(new Set(slow.events.map(({ id }) => id)).size, 2);
});

test('in quiet hours nothing is sent, and afterwards everything', async () => {
  const hook = await endpoint();
  // Hours around now, as UTC's clock shows it.
  const clock = (hours) => `${String((new Date().getUTCHours() + hours + 24) % 24).padStart(2, '0')}:00`;
  const quiet = { from: clock(-1), to: clock(3) };
  const channel = await addChannel(panel, { name: 'quiet', kinds: GATES, quiet, time_zone: 'UTC', webhook: { url: hook.url } });
  await users(['quiet-ann']);
  await toggle('quiet-ann');
  await panel.trigger();
  await panel.trigger();
  assert.equal(hook.received.length, 0);
  const { next_at: next } = await panel.db.prepare("SELECT next_at FROM jobs WHERE name = 'outbox'").first();
  assert.equal(new Date(next * 1000).toISOString().slice(11, 16), quiet.to, 'the outbox sleeps until they end');
  assert.equal((await panel.api('PATCH', `/api/v1/channels/${channel.id}`, { quiet: null })).status, 200);
  await drain(channel.id);
  assert.equal(hook.events.length, 2);
});

test('a test is sent at once and its outcome is the answer', async () => {
  const hook = await endpoint();
  const channel = await addChannel(panel, { name: 'trial', enabled: false, webhook: { url: hook.url } });
  const trial = () => panel.api('POST', `/api/v1/channels/${channel.id}/test`);
  const { body } = await trial();
  assert.deepEqual([body.delivered, body.status, body.error], [true, 204, null]);
  assert.deepEqual(hook.events.map(({ kind, data }) => [kind, data.channel]), [['channel.test', 'trial']]);
  hook.answer = () => ({ status: 403, body: 'not you\u0000' });
  assert.deepEqual((({ delivered, status, error }) => [delivered, status, error])((await trial()).body), [false, 403, 'it answered 403: not you']);
  hook.answer = () => ({ status: 301, headers: { location: '/other' } });
  assert.match((await trial()).body.error, /leads elsewhere/);
  assert.equal(hook.received.length, 3, 'a redirect is not followed');
  assert.equal((await panel.api('GET', '/api/v1/events')).body.items.filter(({ kind }) => kind === 'channel.test').length, 0);
});

test('what was told can be read, and is forgotten when its time has come', async () => {
  const all = (await panel.api('GET', '/api/v1/events?limit=200')).body.items;
  assert.ok(all.length > 60);
  const page = (await panel.api('GET', '/api/v1/events?limit=5')).body;
  assert.deepEqual(page.items, all.slice(0, 5));
  assert.deepEqual((await panel.api('GET', `/api/v1/events?limit=5&before=${page.next}`)).body.items, all.slice(5, 10));
  const opened = (await panel.api('GET', '/api/v1/events?kind=user.enabled&limit=200')).body.items;
  assert.deepEqual(opened, all.filter(({ kind }) => kind === 'user.enabled'));
  await panel.db.prepare('UPDATE events SET at = at - 31 * 86400').run();
  assert.equal(await panel.cron('retention'), 'ok');
  assert.equal((await panel.api('GET', '/api/v1/events')).body.items.length, 1, 'the newest stays');
  assert.equal((await dump(panel)).deliveries.length <= 8, true);
});

test('an idle outbox does not run', async () => {
  await quietly(panel);
  await panel.trigger();
  const job = () => panel.db.prepare("SELECT * FROM jobs WHERE name = 'outbox'").first();
  const before = await job();
  assert.equal(before.next_at, NEVER);
  await panel.trigger();
  assert.deepEqual(await job(), before);
});
