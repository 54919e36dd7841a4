/** Ways to the panel that hosts have: IPv6 alone, a proxy that leads out, and certificates that must have a certain key. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';

import { makeAuthority } from './support/authority.mjs';
import { makeCertificate } from './support/certificate.mjs';
import { startConnectProxy, startDoor } from './support/doors.mjs';
import { LocalNode } from './support/node.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort } from './support/ports.mjs';
import { until } from './support/site.mjs';

/** A test that takes so long hangs. */
const timeout = 120_000;
const BELL = 'ws /agent/v1/bell';
const SYNC = '/agent/v1/sync';

let folder;
let panel;
let certificate;
let authority;
let hosts = 0;
/** Ends what a test has started, the last first. */
const started = [];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'weir-network-'));
  [panel, certificate, authority] = await Promise.all([startPanel({ vars: { SYNC_SECONDS: '1' } }), makeCertificate(), makeAuthority(['DNS:localhost'])]);
});
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
});
after(async () => {
  await panel?.stop();
  await Promise.all([certificate, authority].map((one) => one?.remove()));
  await rm(folder, { recursive: true, force: true });
});

async function door(options) {
  const one = await startDoor(panel.url, options);
  started.push(one.stop);
  return one;
}
const secured = ({ chain = authority.chain } = {}) => door({ tls: { key: authority.key, cert: chain } });

async function connectProxy(options) {
  const one = await startConnectProxy(options);
  started.push(one.stop);
  return one;
}

/** A host, and a token for it. */
async function newHost({ settings = {}, env = {} } = {}) {
  hosts += 1;
  const { body } = await panel.api('POST', '/api/v1/nodes', { name: `host-${hosts}`, address: '127.0.0.1' });
  const host = await LocalNode.make({ folder: path.join(folder, `host-${hosts}`), certificate, protocols: ['trojan'], settings });
  Object.assign(host.env, { SSL_CERT_FILE: authority.ca, HTTPS_PROXY: '', https_proxy: '', ALL_PROXY: '', all_proxy: '', NO_PROXY: '', no_proxy: '' }, env);
  started.push(() => host.stop());
  return { host, id: body.id, token: body.token };
}

/** The host is a node that syncs and is rung, by this door. */
async function assertWorks({ host, id, token }, { url, paths }) {
  await host.enroll(url, token);
  host.startAgent();
  await until('the node is online and has its doorbell', async () => {
    const { body } = await panel.api('GET', `/api/v1/nodes/${id}`);
    return body.seen_at !== null && paths.includes(SYNC) && paths.includes(BELL);
  });
}

test('a panel that has an IPv6 address alone', { timeout }, async () => {
  const there = await door({ host: '::1' });
  await assertWorks(await newHost(), there);
});

describe('a proxy that leads out', { timeout }, () => {
  test('named in the settings, with a login, carries syncs and the doorbell', async () => {
    const there = await secured();
    const proxy = await connectProxy({ login: 'weir:p@ss' });
    await assertWorks(await newHost({ settings: { proxy: `http://weir:p%40ss@127.0.0.1:${proxy.port}` } }), there);
    assert.ok(proxy.tunnels.length >= 3, 'enrolment, syncs, doorbell');
    assert.deepEqual([...new Set(proxy.tunnels)], [`localhost:${there.port}`]);
  });

  test('named in the environment, unless NO_PROXY names the panel', async () => {
    const there = await secured();
    const proxy = await connectProxy();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` };
    await assertWorks(await newHost({ env }), there);
    const carried = proxy.tunnels.length;
    assert.ok(carried >= 3);
    const { host, token } = await newHost({ env: { ...env, NO_PROXY: 'localhost' } });
    await host.enroll(there.url, token);
    assert.equal(proxy.tunnels.length, carried);
  });

  test('that refuses is said to be what is wrong, and its password is not told', async () => {
    const there = await secured();
    const proxy = await connectProxy({ login: 'weir:right' });
    const { host, token } = await newHost({ settings: { proxy: `http://weir:wrong@127.0.0.1:${proxy.port}` } });
    const { code, output } = await host.agent('enroll', there.url, token);
    assert.equal(code, 1);
    assert.match(output, /the panel cannot be reached: .*through the proxy: .*auth/);
    assert.doesNotMatch(output, /wrong@/);
    assert.deepEqual(there.paths, []);
  });

  test('of a kind that cannot be used is named', async () => {
    const { host, token } = await newHost({ env: { ALL_PROXY: 'socks5://127.0.0.1:9' } });
    const { code, output } = await host.agent('enroll', 'https://localhost:9', token);
    assert.equal(code, 1);
    assert.match(output, /ALL_PROXY: must be like http:/);
  });
});

describe('a certificate', { timeout }, () => {
  test('that nobody trusts is refused', async () => {
    const there = await secured();
    const { host, token } = await newHost({ env: { SSL_CERT_FILE: certificate.certificatePath } });
    const { code, output } = await host.agent('enroll', there.url, token);
    assert.equal(code, 1);
    assert.match(output, /certificate/i);
  });

  for (const whose of ['own', 'authority']) {
    test(`with a pinned key (${whose === 'own' ? 'its own' : 'of an authority that it comes with'}) is believed`, async () => {
      const there = await secured();
      const pins = ['sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', authority.pins[whose]];
      await assertWorks(await newHost({ settings: { pins } }), there);
    });
  }

  test('with none of the pinned keys is refused, and its key is told', async () => {
    const there = await secured();
    const { host, token } = await newHost({ settings: { pins: ['sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='] } });
    const { code, output } = await host.agent('enroll', there.url, token);
    assert.equal(code, 1);
    assert.ok(output.includes(`none of the keys in \`pins\`; its own is ${authority.pins.own}`), output);
    assert.deepEqual(there.paths, []);
  });

  test('that comes with an authority which did not sign it is not believed for that', async () => {
    const stranger = await makeAuthority(['DNS:localhost']);
    started.push(stranger.remove);
    const there = await secured({ chain: Buffer.concat([authority.chain, stranger.chain.subarray(stranger.certificate.length)]) });
    const { host, token } = await newHost({ settings: { pins: [stranger.pins.authority] } });
    const { code, output } = await host.agent('enroll', there.url, token);
    assert.equal(code, 1);
    assert.match(output, /none of the keys in `pins`/);
  });
});

describe('monitors', { timeout }, () => {
  test('read metrics and health on loopback, and health says what is wrong', async () => {
    const port = await freePort();
    const made = await newHost({ settings: { monitor: `127.0.0.1:${port}` } });
    const { host } = made;
    const get = async (what, options) => {
      const response = await fetch(`http://127.0.0.1:${port}${what}`, options).catch(() => undefined);
      return { status: response?.status, type: response?.headers.get('content-type'), text: await response?.text() };
    };
    await host.enroll(panel.url, made.token);
    host.startAgent();
    await until('health says ok', async () => (await get('/health')).status === 200);
    assert.deepEqual(JSON.parse((await get('/health')).text), { status: 'ok', troubles: [] });
    assert.deepEqual(await host.agent('health'), { code: 0, signal: null, output: 'healthy\n' });
    const { type, text } = await get('/metrics');
    assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(text, /^weir_agent_info\{version="[\d.]+",node="host-\d+",core="sing-box",core_version="1\.[\d.]+"\} 1$/m);
    assert.match(text, /^weir_agent_healthy 1$/m);
    assert.equal((await get('/metrics', { method: 'POST' })).status, 405);
    assert.equal((await get('/')).status, 404);

    await host.stopCore();
    await until('health says that the core is gone', async () => (await get('/health')).status === 503);
    assert.match((await get('/health')).text, /the core does not answer/);
    const { code, output } = await host.agent('health');
    assert.equal(code, 1);
    assert.match(output, /^weir-agent: the core does not answer/);
    await host.stopAgent();
    assert.equal((await get('/health')).status, undefined);
  });

  test('cannot be served on an address that others reach', async () => {
    const { host } = await newHost({ settings: { monitor: '0.0.0.0:9469' } });
    const { code, output } = await host.agent('--check');
    assert.equal(code, 1);
    assert.match(output, /monitor: must be an address of loopback/);
  });
});

test('the log leaves the time to the journal, which stamps every line', { timeout }, async () => {
  const { host, token } = await newHost();
  await host.enroll(panel.url, token);
  host.startAgent();
  await until('it has begun', async () => /started/.test(await host.end('agent.log')));
  const lines = (await host.end('agent.log')).split('\n').slice(1).filter(Boolean);
  for (const line of lines) assert.match(line, /^ *(ERROR|WARN|INFO|DEBUG) weir_agent/, line);
});
