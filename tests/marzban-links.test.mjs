/** Links that a Marzban has handed out go on to work here, once its secret was imported: /sub/{token} with its tokens, old and older. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { legacyToken, marzbanToken } from './support/marzban-token.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const SECRET = 'c0ffee'.padEnd(64, '0');
const OTHER = '0'.repeat(64);
/** When users were created there. */
const BORN = 1_700_000_000;

let panel;

before(async () => {
  panel = await startPanel();
  const created = await panel.api('POST', '/api/v1/users', { name: 'Alice', created_at: BORN });
  assert.equal(created.status, 201, created.text);
});
after(() => panel?.stop());

const fetched = (token, more = '', method = 'GET') => panel.request(method, `/sub/${token}${more}`);
const importSecret = async (secret) => assert.equal((await panel.api('PUT', '/api/v1/settings/marzban', { jwt_secret_key: secret })).status, 200);

test('before its secret was imported a link of a Marzban leads nowhere', async () => {
  const { status, cost } = await fetched(marzbanToken(SECRET, 'alice', BORN + 1));
  assert.deepEqual([status, cost.read], [404, 0], 'nothing is stored');
});

test('it gives what our own link gives, in every format that Marzban has', async () => {
  await importSecret(SECRET);
  const { subscription_url: url } = (await panel.api('GET', '/api/v1/users/alice')).body;
  const own = new URL(url).pathname.split('/').at(-1);
  for (const token of [marzbanToken(SECRET, 'alice', BORN), marzbanToken(SECRET, 'ALICE', now()), legacyToken(SECRET, 'Alice', BORN + 7)]) {
    for (const format of ['', '/', '/sing-box', '/clash-meta', '/clash', '/outline', '/v2ray', '/v2ray-json']) {
      const [theirs, ours] = [await fetched(token, format), await fetched(own, format)];
      assert.equal(theirs.status, 200, `${format}: ${theirs.text}`);
      const plain = (answer, of) => answer.text.replaceAll(of, 'TOKEN');
      assert.equal(plain(theirs, token), plain(ours, own), format);
      for (const header of ['content-type', 'subscription-userinfo', 'profile-title', 'content-disposition']) {
        assert.equal(theirs.headers.get(header), ours.headers.get(header), `${format} ${header}`);
      }
      assert.equal(theirs.headers.get('profile-web-page-url'), `${panel.url}/sub/${token}`);
    }
  }
  assert.equal((await fetched(marzbanToken(SECRET, 'alice', BORN), '', 'HEAD')).status, 200);
});

test('a browser gets the page by it', async () => {
  const page = await panel.request('GET', `/sub/${marzbanToken(SECRET, 'alice', BORN)}`, {
    headers: { accept: 'text/html', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' },
  });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /^text\/html/);
});

test('a forged one, one of nobody and one from before the user was are refused', async () => {
  const good = marzbanToken(SECRET, 'alice', BORN);
  const refused = {
    'its last letter is another': good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'),
    'signed with another secret': marzbanToken(OTHER, 'alice', BORN),
    'of nobody': marzbanToken(SECRET, 'nobody', now()),
    'from before he was created': marzbanToken(SECRET, 'alice', BORN - 1),
    'a legacy one of another secret': legacyToken(OTHER, 'alice', BORN),
    'a legacy one from before': legacyToken(SECRET, 'alice', BORN - 1),
    short: good.slice(0, 14),
  };
  for (const [what, token] of Object.entries(refused)) assert.equal((await fetched(token)).status, 404, what);
});

test('a forged one costs the row of the secret, what may be an alias the look for it, and what is none nothing', async () => {
  const { cost: forged } = await fetched(marzbanToken(OTHER, 'alice', BORN));
  assert.deepEqual([forged.queries, forged.read, forged.written], [1, 1, 0]);
  for (const [token, queries] of [['AAAABwAAAAL0lExww6GA3L0fDPYznN0G', 0], ['global', 0], ['user123', 1], ['x'.repeat(40), 1]]) {
    const { status, cost } = await fetched(token);
    assert.deepEqual([status, cost.queries, cost.written], [404, queries, 0], token);
    assert.ok(cost.read <= 2, token);
  }
});

test('a good one costs that row more than ours, and ours costs what it did', async () => {
  const { subscription_url: url } = (await panel.api('GET', '/api/v1/users/alice')).body;
  const own = new URL(url).pathname.split('/').at(-1);
  await fetched(own, '/links');
  const [ours, theirs] = [await fetched(own, '/links'), await fetched(marzbanToken(SECRET, 'alice', BORN), '/links')];
  assert.ok(ours.cost.read <= 4 && ours.cost.queries === 1 && ours.cost.written === 0, JSON.stringify(ours.cost));
  assert.ok(theirs.cost.read <= 5 && theirs.cost.queries === 2 && theirs.cost.written === 0, JSON.stringify(theirs.cost));
});

/** Keys of `SubscriptionUserResponse`. */
const INFO = [
  'created_at', 'data_limit', 'data_limit_reset_strategy', 'expire', 'lifetime_used_traffic', 'links', 'next_plan', 'on_hold_expire_duration',
  'on_hold_timeout', 'online_at', 'proxies', 'status', 'sub_last_user_agent', 'sub_updated_at', 'subscription_url', 'used_traffic', 'username',
];

test("an app asks how its user stands, and is told nothing that is his operator's business", async () => {
  const token = marzbanToken(SECRET, 'alice', BORN);
  await panel.api('PATCH', '/api/v1/users/alice', { note: 'owes money', monthly_quota: 5_000, reset_strategy: 'week' });
  const { subscription_url: url } = (await panel.api('GET', '/api/v1/users/alice')).body;
  const own = new URL(url).pathname.split('/').at(-1);
  for (const link of [token, own]) {
    for (const slash of ['', '/']) {
      const { status, headers, body } = await fetched(link, `/info${slash}`);
      assert.deepEqual([status, headers.get('content-type'), headers.get('cache-control')], [200, 'application/json', 'no-store']);
      assert.deepEqual(Object.keys(body).sort(), INFO);
      assert.deepEqual(
        [body.username, body.status, body.data_limit, body.data_limit_reset_strategy, body.used_traffic, body.created_at, body.expire, body.subscription_url],
        ['Alice', 'active', 5_000, 'week', 0, '2023-11-14T22:13:20', null, url],
      );
    }
  }
  assert.equal((await fetched(token, '/info', 'HEAD')).text, '');
});

test('an app is told the newest fetch of a week, whichever hour it was in, for six rows at most', async () => {
  const token = marzbanToken(SECRET, 'alice', BORN);
  const { id } = await panel.db.prepare("SELECT id FROM users WHERE name = 'Alice'").first();
  const forget = () => panel.db.prepare('DELETE FROM fetch_log WHERE user = ?1').bind(id).run();
  const put = async (family, ago) => {
    const at = now() - ago;
    const hour = at - (at % 3_600);
    await panel.db.prepare('INSERT INTO fetch_log (day, user, hour, entries) VALUES (CAST(?2 AS INTEGER) / 86400, ?1, CAST(?2 AS INTEGER), ?3)').bind(id, hour, JSON.stringify([[family, 'links', at]])).run();
    return new Date(at * 1_000).toISOString().slice(0, 19);
  };
  const told = async () => {
    const { body, cost } = await fetched(token, '/info');
    return { at: body.sub_updated_at, by: body.sub_last_user_agent, cost };
  };
  await forget();
  const never = await told();
  assert.deepEqual([never.at, never.by], [null, null]);
  await put('happ', 8 * 86_400 + 3_600);
  assert.equal((await told()).at, null, 'of more than a week ago');
  for (const [family, ago] of [['streisand', 3 * 86_400], ['v2rayng', 2 * 3_600]]) {
    const at = await put(family, ago);
    const { cost, ...newest } = await told();
    assert.deepEqual(newest, { at, by: family });
    assert.ok(cost.read <= 6 && cost.queries <= 3 && cost.written === 0, JSON.stringify(cost));
  }
  await forget();
});

test('and on which nodes he moved his bytes, "Master" first, those without any too', async () => {
  const agent = await seedAgent(panel, { name: 'fra' });
  await seedAgent(panel, { name: 'idle' });
  const { slot } = await panel.db.prepare("SELECT slot FROM users WHERE name = 'Alice'").first();
  await agent.sync();
  assert.equal((await agent.sync({ report: agent.report({ seq: 1, users: [[slot, 30, 12]] }) })).body.ack, 1);
  const token = marzbanToken(SECRET, 'alice', BORN);
  const usages = async (query) => (await fetched(token, `/usage${query}`)).body;
  const told = await usages('');
  assert.equal(told.username, 'Alice');
  assert.deepEqual(told.usages.map(({ node_id: id, node_name: name, used_traffic: bytes }) => [id === null, name, bytes]), [[true, 'Master', 0], [false, 'fra', 42], [false, 'idle', 0]]);
  const past = await usages('?start=2024-01-01T00:00:00&end=2024-02-01T00:00:00');
  assert.deepEqual(past.usages.map(({ used_traffic: bytes }) => bytes), [0, 0, 0]);
  for (const [query, detail] of [['?start=yesterday', 'Invalid date range or format'], ['?start=2024-02-01&end=2024-01-01', 'Start date must be before end date']]) {
    const { status, body } = await fetched(token, `/usage${query}`);
    assert.deepEqual([status, body], [400, { detail }]);
  }
});

test('what a link that is none asks is answered as Marzban does it', async () => {
  for (const what of ['info', 'usage']) {
    for (const token of [marzbanToken(OTHER, 'alice', BORN), 'nothing']) {
      const { status, body } = await fetched(token, `/${what}`);
      assert.deepEqual([status, body], [404, { detail: 'Not Found' }]);
    }
    assert.equal((await fetched(marzbanToken(SECRET, 'alice', BORN), `/${what}`, 'POST')).status, 405);
  }
  assert.equal((await fetched(marzbanToken(SECRET, 'alice', BORN), '/xclash')).status, 422);
});

test('a revocation ends the links of before, also of users who were revoked there, and not those that are made after it', async () => {
  const revoked = await panel.api('POST', '/api/v1/users', { name: 'bob', created_at: BORN, links_since: BORN + 100 });
  assert.equal(revoked.status, 201, revoked.text);
  assert.equal((await fetched(marzbanToken(SECRET, 'bob', BORN + 99))).status, 404);
  assert.equal((await fetched(marzbanToken(SECRET, 'bob', BORN + 100))).status, 200);
  assert.equal((await panel.api('POST', '/api/v1/users/alice/revoke')).status, 200);
  assert.equal((await fetched(marzbanToken(SECRET, 'alice', BORN + 1_000))).status, 404);
  assert.equal((await fetched(marzbanToken(SECRET, 'alice', now() + 1))).status, 200);
});

test('a user who was deleted here has no links there either', async () => {
  assert.equal((await panel.api('DELETE', '/api/v1/users/bob')).status, 204);
  assert.equal((await fetched(marzbanToken(SECRET, 'bob', now()))).status, 404);
});

test('once the secret is taken back its links end, and ours go on', async () => {
  await importSecret(null);
  assert.equal((await fetched(marzbanToken(SECRET, 'alice', now() + 1))).status, 404);
  const { subscription_url: url } = (await panel.api('GET', '/api/v1/users/alice')).body;
  assert.equal((await panel.request('GET', new URL(url).pathname)).status, 200);
});
