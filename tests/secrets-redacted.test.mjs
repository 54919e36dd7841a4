/**
 * Secrets that the panel is given, makes and hands out are shown to whom they belong and to nobody else: after a session of everything that
 * has to do with them, done right and done wrong, none stands in the log of the Worker, the audit log, a refusal, an event, a notice or, where
 * it can be avoided, the database.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Endpoint } from './support/endpoint.mjs';
import { addChannel, later } from './support/notices.mjs';
import { addOperator, askToken, sendLogin, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { dump, keyWith } from './support/refusals.mjs';
import { enrol } from './support/seed.mjs';
import { codeOf } from './support/totp.mjs';
import { ScriptedAgent } from './support/wire.mjs';
import { reportOf, send } from './support/xpert.mjs';

const WEBHOOK_SECRET = 'whsec_of_clients_9f8e7d6c5b4a';
const BOT_TOKEN = '7123456789:AAH-secret_of_the_bot_0123456789abc';
const MAIL_KEY = 'mail-key-5f4e3d2c1b0a';
const TYPED = 'the-password-of-another-site';
const MARZBAN_KEY = 'd'.repeat(40) + 'e'.repeat(24);
const NODE_KEY = 'ab12'.repeat(16);
const UUID = '5ec2e700-2222-4333-8444-555555555555';
const TROJAN = 'trojan-password-set-by-hand';
const SOURCE_TOKEN = 'token-in-the-address-of-a-source';
const SOURCE_LOGIN = 'login-in-the-address-of-a-hook';
const API_PATH = 'path-of-an-own-server-of-bots';
const MAIL_QUERY = 'key-in-the-address-of-a-mail-api';
const DIRECT = 'password-of-a-direct-config';

let panel;
let hook;
/** Every line that the Worker and the runtime logged. */
const lines = [];
/** Every refusal, with its headers. */
const refusals = [];
/** How channels and deliveries stood while endpoints refused. */
const standings = [];
/** What must stand nowhere, by name. @type {Map<string, string>} */
const secrets = new Map();
/** What stands in the database as it was given, because lists are made of it: so that it would be seen if others did. */
const KEPT = ['password of a direct config', 'token of a source'];

before(async () => {
  hook = await Endpoint.start();
  panel = await startPanel({
    vars: { NOTIFY_PRIVATE: '1', XPERT_WEBHOOK_SECRET: WEBHOOK_SECRET, XPERT_LIMIT_FACTOR: '1000', XPERT_SOURCES_ALLOW: new URL(hook.url).host },
    onLog: (level, line) => lines.push(`${level}: ${line}`),
  });
  const own = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8'));
  for (const [name, value] of Object.entries(own)) secrets.set(name, value);
  secrets.set("the first operator's password", panel.operator.password).set('the first key', panel.apiKey);
});
after(async () => {
  await panel?.stop();
  await hook?.stop();
});

/** Send a request, and keep what it is refused with. */
async function ask(method, where, { headers = {}, body, ...rest } = {}) {
  const answer = await panel.request(method, where, { headers, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body), ...rest });
  if (answer.status >= 400) refusals.push(`${method} /${where.split(/[/?]/)[1]}: ${JSON.stringify([...answer.headers])} ${answer.text}`);
  return answer;
}

/** The same, of a person who is signed in; it is done. */
async function done(person, method, where, body) {
  const answer = await ask(method, where, { headers: { cookie: person.cookie, origin: panel.url }, body });
  assert.ok(answer.status < 400, `${method} ${where}: ${answer.text}`);
  return answer.body;
}

/** What is secret of a session: its cookie, and the second factor. */
async function operators(owner) {
  const person = await addOperator(panel, owner, { name: 'ann', role: 'owner' });
  secrets.set('a password', person.password).set('a session', person.cookie.split('=')[1]);
  const { secret } = await done(person, 'POST', '/api/v1/me/two-factor', { password: person.password });
  secrets.set('a second factor', secret);
  const { recovery_codes: codes } = await done(person, 'POST', '/api/v1/me/two-factor/confirm', { code: codeOf(secret) });
  codes.forEach((code, at) => secrets.set(`recovery code ${at}`, code));
  const step = await sendLogin(panel, { name: 'ann', password: person.password });
  const ticket = step.text.match(/name="ticket" value="([^"]+)"/)[1];
  secrets.set('a ticket', ticket);
  refusals.push((await sendLogin(panel, { ticket, code: 'abcd-efgh' })).text.replaceAll(ticket, ''));
  const entered = await sendLogin(panel, { ticket, code: codes[0] });
  assert.equal(entered.status, 303, entered.text);
  secrets.set('another session', entered.headers.get('set-cookie').split(';')[0].split('=')[1]);
  const { key } = await done(person, 'POST', '/api/v1/keys', { name: 'shop', scopes: ['users:read', 'users:write'] });
  secrets.set('an API key', key);
  const { body: { access_token: token } } = await askToken(panel);
  secrets.set("a token of Marzban's API", token).set('its session', JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).jti);
  const { password } = await done(owner, 'POST', '/api/v1/operators/ann/reset-password');
  secrets.set('a new password', password);
  // What people type into the wrong place, and what is refused.
  secrets.set('what was typed', TYPED);
  for (let guess = 0; guess < 11; guess += 1) refusals.push((await sendLogin(panel, { name: 'ann', password: TYPED })).text);
  await ask('POST', '/api/admin/token', { body: `username=ann&password=${TYPED}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  await ask('POST', '/api/v1/me/password', { headers: { cookie: owner.cookie, origin: panel.url }, body: { password: TYPED } });
  for (const value of [key, token, NODE_KEY, BOT_TOKEN]) {
    await ask('GET', '/api/v1/operators', { key: value });
    await ask('POST', '/api/v1/nodes', { key: value, body: { name: 7 } });
    await ask('GET', '/api/v1/nowhere', { key: value });
  }
}

async function nodes(owner) {
  const made = await done(owner, 'POST', '/api/v1/nodes', { name: 'wien', address: 'wien.example' });
  secrets.set('a token of enrolment', made.token).set('a key of a node', NODE_KEY);
  assert.ok(made.token, JSON.stringify(made));
  const { answer } = await enrol(panel, made.token, NODE_KEY);
  assert.equal(answer.status, 200, answer.text);
  refusals.push((await enrol(panel, made.token, 'another key of a node')).answer.text);
  const agent = new ScriptedAgent({ panel, key: NODE_KEY });
  assert.equal((await agent.sync({ inbounds: [{ tag: 'in', protocol: 'trojan', port: 443, tls: true }] })).status, 200);
  await ask('POST', '/agent/v1/sync', { key: NODE_KEY, body: '{"protocol":1,"epoch":7}' });
  const rotated = await done(owner, 'POST', `/api/v1/nodes/${made.id}/rotate-key`);
  secrets.set('a token of a new key', rotated.token);
}

async function users(owner) {
  const made = await done(owner, 'POST', '/api/v1/users', { name: 'bob' });
  const tokenOf = (user) => new URL(user.subscription_url).pathname.split('/')[2];
  secrets.set('a link', tokenOf(made));
  await ask('GET', `/sub/${tokenOf(made)}/nothing`);
  await ask('GET', `/api/xpert/sub?user_token=${tokenOf(made)}&format=nothing`);
  const credentials = await done(owner, 'GET', '/api/v1/users/bob/credentials');
  await done(owner, 'PUT', '/api/v1/users/bob/credentials', { vless_uuid: UUID, trojan_password: TROJAN });
  secrets.set('a uuid', UUID).set('a password of a protocol', TROJAN);
  // The name of the slot is what nodes count by.
  for (const [name, value] of Object.entries(credentials)) if (typeof value === 'string' && value.length >= 16 && name !== 'name') secrets.set(name, value);
  await ask('PUT', '/api/v1/users/bob/credentials', { headers: { cookie: owner.cookie, origin: panel.url }, body: { vless_uuid: UUID, trojan_password: [TROJAN] } });
  const body = JSON.stringify(reportOf(tokenOf(made)));
  const signature = createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex');
  assert.equal((await send(panel, body, { 'x-webhook-signature': signature })).status, 200);
  refusals.push((await send(panel, body, { 'x-webhook-signature': signature.replaceAll('a', 'b') })).text);
  secrets.set("the clients' webhook secret", WEBHOOK_SECRET);
  secrets.set('a new link', tokenOf(await done(owner, 'POST', '/api/v1/users/bob/revoke')));
  assert.equal((await ask('GET', `/sub/${tokenOf(made)}`)).status, 404);
}

async function channels(owner) {
  const shop = await addChannel(panel, { name: 'shop', webhook: { url: `${hook.url}/${SOURCE_LOGIN}` } });
  secrets.set('a secret of a webhook', shop.secret).set('the address of a webhook', SOURCE_LOGIN);
  await addChannel(panel, { name: 'bot', telegram: { token: BOT_TOKEN, chat_id: '-1', api: `${hook.url}/${API_PATH}` } });
  secrets.set("a bot's token", BOT_TOKEN).set('a key for mails', MAIL_KEY).set('the path to bots', API_PATH).set('the query of a mail API', MAIL_QUERY);
  await addChannel(panel, {
    name: 'mail', email: { from: 'weir@panel.example', to: 'me@panel.example', url: `${hook.url}/send?key=${MAIL_QUERY}`, headers: { authorization: `Bearer ${MAIL_KEY}` }, body: { to: '{to}', subject: '{subject}', text: '{text}' } },
  });
  // Refused with what was asked for, as many servers do; not reached, and nobody there at all.
  const echo = ({ path: where, headers, text }) => `cannot POST ${where} for ${headers.authorization ?? headers['weir-signature']}: ${text.slice(0, 20)}`;
  for (const answer of [(got) => ({ status: 500, body: { description: echo(got) } }), (got) => ({ status: 400, body: echo(got) }), () => 'cut', () => 204]) {
    hook.answer = answer;
    for (const { id } of (await done(owner, 'GET', '/api/v1/channels')).items) await ask('POST', `/api/v1/channels/${id}/test`, { key: panel.apiKey });
    await done(owner, 'POST', '/api/v1/users/bob/disable');
    await done(owner, 'POST', '/api/v1/users/bob/enable');
    for (let run = 0; run < 3; run += 1) {
      await panel.trigger();
      await later(panel, 7200);
    }
    for (const what of ['channels', 'deliveries']) standings.push((await panel.api('GET', `/api/v1/${what}`)).text);
  }
  await addChannel(panel, { name: 'nobody', telegram: { token: BOT_TOKEN, chat_id: '-1', api: 'http://127.0.0.1:9' } });
  await done(owner, 'POST', '/api/v1/users/bob/disable');
  await panel.trigger();
  await addChannel(panel, { name: 'no webhook', webhook: { url: `http://127.0.0.1:9/${SOURCE_LOGIN}?${MAIL_QUERY}` } });
  await done(owner, 'POST', '/api/v1/users/bob/enable');
  await panel.trigger();
  for (const { id } of (await done(owner, 'GET', '/api/v1/channels')).items) {
    const { body } = await ask('POST', `/api/v1/channels/${id}/test`, { key: panel.apiKey });
    assert.deepEqual(found(JSON.stringify(body)), []);
  }
  await ask('POST', '/api/v1/channels', { key: panel.apiKey, body: { name: 'wrong', webhook: `${hook.url}/${SOURCE_LOGIN}` } });
  await ask('POST', '/api/v1/channels', { key: panel.apiKey, body: { name: 'wrong', webhook: { url: `ftp://${SOURCE_LOGIN}` } } });
  await ask('POST', '/api/v1/channels', { key: panel.apiKey, body: { name: 'wrong', telegram: { token: [BOT_TOKEN], chat_id: '1' } } });
  await ask('POST', '/api/v1/channels', { key: panel.apiKey, body: { name: 'wrong', telegram: { token: `${BOT_TOKEN} `, chat_id: '1' }, colour: BOT_TOKEN.length } });
}

async function sources(owner) {
  secrets.set('token of a source', SOURCE_TOKEN).set('password of a direct config', DIRECT).set("a Marzban's secret", MARZBAN_KEY);
  hook.answer = ({ path: where }) => (where.includes('broken') ? { status: 500 } : 'cut');
  for (const name of ['cut', 'broken']) await done(owner, 'POST', '/api/xpert/sources', { name, url: `${hook.url}/${name}/${SOURCE_TOKEN}` });
  await ask('POST', '/api/xpert/update', { key: panel.apiKey });
  await panel.cron('sources');
  await done(owner, 'POST', '/api/xpert/direct-configs', { raw: `trojan://${DIRECT}@direct.example:443#direct` });
  await done(owner, 'PUT', '/api/xpert/direct-configs/1/toggle');
  await done(owner, 'PUT', '/api/v1/settings/marzban', { jwt_secret_key: MARZBAN_KEY });
  await ask('PUT', '/api/v1/settings/marzban', { key: panel.apiKey, body: { jwt_secret_key: `${MARZBAN_KEY}0` } });
}

/** The same requests while the database fails under them: what the Worker logs then is what it knows. */
async function broken() {
  await panel.db.prepare('ALTER TABLE users RENAME TO hidden_users').run();
  await panel.db.prepare('ALTER TABLE sessions RENAME TO hidden_sessions').run();
  const before = lines.length;
  const value = (name) => secrets.get(name);
  await ask('GET', `/sub/${value('a new link')}`);
  await ask('GET', '/', { headers: { cookie: `sid=${value('another session')}` } });
  await ask('GET', '/api/v1/users', { key: value('an API key') });
  await ask('GET', '/api/users', { key: value("a token of Marzban's API") });
  await ask('POST', '/agent/v1/sync', { key: NODE_KEY, body: new ScriptedAgent({ panel, key: NODE_KEY }).message() });
  refusals.push((await sendLogin(panel, { name: panel.operator.username, password: panel.operator.password })).text);
  refusals.push((await send(panel, reportOf(value('a new link')))).text);
  await panel.db.prepare('ALTER TABLE hidden_users RENAME TO users').run();
  await panel.db.prepare('ALTER TABLE hidden_sessions RENAME TO sessions').run();
  assert.ok(lines.length >= before + 5, `the log tells of each: ${lines.slice(before).join('\n')}`);
}

/** Every secret that stands in a text, in its plain form or as it stands in URLs, JSON and base64. */
function found(text, besides = new Set()) {
  const forms = (value) => [value, encodeURIComponent(value), Buffer.from(value).toString('base64').replace(/=+$/, '')];
  return [...secrets].filter(([name, value]) => !besides.has(name) && forms(value).some((form) => text.includes(form))).map(([name]) => name);
}

test('a session of everything that has to do with secrets', { timeout: 300_000 }, async () => {
  const owner = await signInOwner(panel);
  secrets.set("the first operator's session", owner.cookie.split('=')[1]);
  await users(owner);
  await nodes(owner);
  await operators(owner);
  await channels(owner);
  await sources(owner);
  await broken();
  assert.ok(secrets.size > 35, `${secrets.size}`);
  for (const [name, value] of secrets) assert.ok(typeof value === 'string' && value.length >= 8, name);
});

test('leaves none of them in the log of the Worker', () => {
  assert.ok(lines.length > 10, lines.join('\n'));
  assert.deepEqual(found(lines.join('\n')), []);
});

test('nor in the audit log, which tells of all of it', async () => {
  const { results } = await panel.db.prepare('SELECT * FROM audit').all();
  const actions = new Set(results.map(({ action }) => action));
  for (const action of ['operator.create', 'key.create', 'user.revoke', 'channel.create', 'source.add', 'session.lock']) assert.ok(actions.has(action), `${action} of ${[...actions]}`);
  assert.deepEqual(found(JSON.stringify(results)), []);
  const shown = await panel.api('GET', '/api/v1/audit?limit=200');
  assert.deepEqual(found(shown.text), []);
});

test('nor in a refusal', () => {
  assert.ok(refusals.length > 40, `${refusals.length}`);
  assert.deepEqual(refusals.flatMap((text) => found(text).map((name) => `${name}: ${text.slice(0, 300)}`)), []);
});

/** What those see who may change channels: where they lead. */
const ADDRESSES = ['the address of a webhook', 'the path to bots', 'the query of a mail API'];

test('nor in events, deliveries, and the states of channels, sources and jobs', async () => {
  for (const where of ['/api/v1/events', '/api/v1/deliveries', '/api/v1/channels', '/api/v1/jobs', '/api/v1/nodes', '/api/v1/nodes/1', '/api/v1/settings/marzban', '/metrics']) {
    const { status, text } = await panel.api('GET', where);
    assert.equal(status, 200, `${where}: ${text}`);
    // Whoever may change channels sees where they lead.
    assert.deepEqual(found(text, where.endsWith('channels') ? new Set(ADDRESSES) : undefined), [], where);
  }
  const stood = standings.join('\n');
  assert.deepEqual(found(stood).sort(), [...ADDRESSES].sort());
  for (const status of [400, 500]) assert.match(stood, new RegExp(`it answered ${status}: [^"]*cannot POST /…`), 'the rest of an error is there');
});

test('nor in what those see of channels who may not change them, on pages neither', async () => {
  const key = await keyWith(panel, 'channels:read');
  const viewer = await addOperator(panel, await signInOwner(panel), { name: 'watcher', role: 'viewer' });
  const { items } = (await panel.request('GET', '/api/v1/channels', { key })).body;
  assert.equal(items.length, 5);
  const wheres = ['/api/v1/channels', '/api/v1/deliveries', '/api/v1/events', ...items.map(({ id }) => `/api/v1/channels/${id}`)];
  const pages = ['/alerts', '/alerts?state=dead', '/alerts?state=waiting', '/alerts?state=delivered', '/', '/settings/jobs', ...items.map(({ id }) => `/alerts/${id}`)];
  const asked = [...wheres.map((where) => [where, { key }]), ...[...wheres, ...pages].map((where) => [where, { headers: { cookie: viewer.cookie } }])];
  for (const [where, caller] of asked) {
    const { status, text } = await panel.request('GET', where, caller);
    assert.equal(status, 200, `${where}: ${text}`);
    assert.deepEqual(found(text), [], where);
  }
  for (const { target } of items) assert.match(target.url ?? target.api, /^http:\/\/127\.0\.0\.1:\d+(\/…)?$/);
});

test('nor in a notice, but for what the receiver gave himself', () => {
  assert.ok(hook.received.length > 10, `${hook.received.length}`);
  for (const { path: where, text, headers } of hook.received) {
    assert.deepEqual(found(text), [], `${where}: ${text}`);
    const { authorization, ...rest } = headers;
    assert.deepEqual(found(JSON.stringify(rest)), [], where);
    assert.ok(authorization === undefined || where.startsWith('/send'), 'the key for mails goes with mails alone');
  }
});

test('nor in the database, but for what stands in lists', async () => {
  assert.deepEqual(found(JSON.stringify(await dump(panel))).sort(), KEPT);
});
