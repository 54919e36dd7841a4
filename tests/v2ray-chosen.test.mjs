/** Inbounds that are not everybody's, beside a real V2Ray, by choice or by plan: it has each user in his own alone, and nobody else notices. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { makeCertificate } from './support/certificate.mjs';
import { clientOf } from './support/client.mjs';
import { askToken } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { QUICK, Site, until } from './support/site.mjs';
import { inboundTag } from './support/singbox-config.mjs';
import { V2RAY_PROTOCOLS, V2RayNode } from './support/v2ray-node.mjs';

const USERS = ['anna', 'boris'];

let certificate;
let folder;
let site;
let id;
let node;
let made;

before(async () => {
  certificate = await makeCertificate();
  folder = await mkdtemp(path.join(tmpdir(), 'weir-v2ray-chosen-'));
  site = new Site(await startPanel({ vars: QUICK }));
  for (const name of USERS) await site.api('POST', '/api/v1/users', { name });
  const created = await site.api('POST', '/api/v1/nodes', { name: 'node', address: '127.0.0.1' });
  id = created.id;
  node = await V2RayNode.make({ folder: path.join(folder, 'node'), certificate, kind: 'auto' });
  await node.enroll(site.panel.url, created.token);
  node.startAgent();
  await explained(site.loadedOn(id));
  made = await clientOf(site, node, USERS);
});

after(async () => {
  await made?.lab.stop();
  await made?.client.stop();
  await node?.stop();
  await site?.panel.stop();
  await certificate?.remove();
  await rm(folder, { recursive: true, force: true });
});

const explained = (promise) =>
  promise.catch(async (error) => {
    throw new Error(`${error.message}\n${await node?.logs()}\n--- panel\n${site.panel.log()}`, { cause: error });
  });
const outcome = async (user, protocol) => (await made.lab.tcp({ user, protocol, up: 1_000, down: 1_000, hangMs: 5_000 })).outcome;

test('he passes where he may and is refused elsewhere, and the other way round when the choice is', { timeout: 180_000 }, async () => {
  // Over vmess the core keeps who is refused waiting for a minute.
  const [one, other] = ['vless', 'trojan'];
  for (const user of USERS) for (const protocol of V2RAY_PROTOCOLS) assert.equal(await outcome(user, protocol), 'complete', `${user} ${protocol}`);
  const pid = node.corePid;
  const { access_token: token } = (await askToken(site.panel)).body;
  const choose = async (...names) => {
    const proxies = Object.fromEntries(names.map((name) => [name, {}]));
    const answer = await site.panel.request('PUT', '/api/user/anna', { key: token, body: JSON.stringify({ proxies }) });
    assert.equal(answer.status, 200, answer.text);
    await site.heldOn(id);
  };
  await choose(one);
  await explained(until(`${other} refuses him`, async () => (await outcome('anna', other)) !== 'complete'));
  assert.equal(await outcome('anna', one), 'complete');
  await choose(other);
  await explained(until(`${one} refuses him`, async () => (await outcome('anna', one)) !== 'complete'));
  assert.equal(await outcome('anna', other), 'complete');
  for (const protocol of V2RAY_PROTOCOLS) assert.equal(await outcome('boris', protocol), 'complete', protocol);
  await choose(...V2RAY_PROTOCOLS);
  await explained(until('everything is his again', async () => (await outcome('anna', one)) === 'complete'));
  assert.equal(node.corePid, pid, 'the core was not started anew');
});

test('an inbound for some plans only refuses everybody else, whatever link he has, and lets in who gets such a plan', { timeout: 180_000 }, async () => {
  const [closed, open] = ['trojan', 'vless'];
  const pid = node.corePid;
  await site.api('POST', '/api/v1/plans', { name: 'club' });
  await site.api('PATCH', '/api/v1/users/boris', { plan: 'club' });
  const address = { inbound: inboundTag(closed), remark: 'for the club', plans: ['club'] };
  const { id: made } = await site.api('POST', `/api/v1/nodes/${id}/addresses`, address);
  await explained(until('who is not of the club is refused', async () => (await outcome('anna', closed)) !== 'complete'));
  assert.equal(await outcome('anna', open), 'complete');
  for (const protocol of V2RAY_PROTOCOLS) assert.equal(await outcome('boris', protocol), 'complete', protocol);
  await site.api('PATCH', '/api/v1/users/anna', { plan: 'club' });
  await explained(until('anna is of the club', async () => (await outcome('anna', closed)) === 'complete'));
  await site.api('PATCH', '/api/v1/users/boris', { plan: null });
  await explained(until('boris is not any more', async () => (await outcome('boris', closed)) !== 'complete'));
  await site.api('DELETE', `/api/v1/nodes/${id}/addresses/${made}`);
  await explained(until('it is everybody\'s again', async () => (await outcome('boris', closed)) === 'complete'));
  assert.equal(node.corePid, pid, 'the core was not started anew');
});
