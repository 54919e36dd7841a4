/**
 * Every format on the real Worker, judged by the programs that read it: mihomo, sing-box and V2Ray load what the panel hands out and
 * carry bytes with it through a real server.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { makeCertificate } from './support/certificate.mjs';
import { enginePath, olderReaders } from './support/engines.mjs';
import { letsThrough, loadWithMihomo, runMihomo } from './support/mihomo.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort, freePorts } from './support/ports.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { clientAround, labUser, makeSsKey, serverConfig, serverTemplate, USER_PROTOCOLS } from './support/singbox-config.mjs';
import { startSingBox } from './support/singbox.mjs';
import { TrafficLab } from './support/traffic.mjs';
import { now, slotCredentials } from './support/wire.mjs';

const run = promisify(execFile);
const KIB = 1024;
/** Each check takes less than a second. */
const CHECK_LIMIT_MS = 30_000;

let folder;
let panel;
let authKey;
let user;
let ports;
let ssServerKey;
let server;
let certificate;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'weir-formats-'));
  certificate = await makeCertificate();
  panel = await startPanel();
  authKey = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8')).AUTH_KEY;
  [user] = await seedUsers(panel, 1);
  const [apiPort, ...inbounds] = await freePorts(1 + USER_PROTOCOLS.length);
  ports = Object.fromEntries(USER_PROTOCOLS.map((protocol, index) => [protocol, inbounds[index]]));
  ssServerKey = makeSsKey();
  const template = serverTemplate({ ports, certificate, apiPort, apiSecret: 'of the operator', ssServerKey });
  const credentials = slotCredentials(panel.slotKey, user.slot);
  server = await startSingBox({ config: serverConfig(template, [credentials]), readyPort: ports.trojan, name: 'server' });
  const agent = await seedAgent(panel, { name: 'Zürich 🚀 "1", a=b' });
  const tls = { tls: true, server_name: 'weir.test', insecure: true };
  const ways = {
    trojan: tls,
    vless: tls,
    vmess: {},
    shadowsocks: { method: '2022-blake3-aes-128-gcm', server_key: ssServerKey },
    hysteria2: tls,
  };
  const served = USER_PROTOCOLS.map((protocol) => ({ tag: protocol, protocol, port: ports[protocol], ...ways[protocol] }));
  assert.equal((await agent.sync({ inbounds: served })).status, 200);
  // Ways in that no server here answers: they are loaded and not used.
  const others = [
    { protocol: 'shadowsocks', method: 'aes-256-gcm' },
    { protocol: 'tuic', ...tls },
    { protocol: 'anytls', ...tls },
    { protocol: 'naive', tls: true, server_name: 'weir.test' },
    { protocol: 'mixed' },
    { protocol: 'http' },
    { protocol: 'trojan', tls: true, server_name: 'weir.test' },
  ].map((inbound, index) => ({ tag: `other-${index}`, port: 20_000 + index, ...inbound }));
  const second = await seedAgent(panel, { name: 'Wien' });
  assert.equal((await second.sync({ inbounds: others })).status, 200);
});
after(async () => {
  await server?.stop();
  await panel?.stop();
  await certificate?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** The token as the documentation describes it, written a second time. */
function token(one) {
  const claim = Buffer.alloc(8);
  claim.writeUInt32BE(one.id, 0);
  claim.writeUInt32BE(1, 4);
  const seal = createHmac('sha256', authKey).update('weir/sub/1:').update(claim).digest().subarray(0, 16);
  return Buffer.concat([claim, seal]).toString('base64url');
}

async function get(format, one = user) {
  const answer = await panel.request('GET', `/sub/${token(one)}/${format}`, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

/** Runs a program on a file with this text. @returns {Promise<string>} what it says */
async function check(text, name, program, args) {
  const file = path.join(folder, name);
  await writeFile(file, text);
  try {
    const { stdout, stderr } = await run(program, args(file), { timeout: CHECK_LIMIT_MS });
    return stdout + stderr;
  } catch (error) {
    throw new Error(`${program} refuses ${name}: ${error.stdout}${error.stderr}\n${text}`);
  }
}

const checkMihomo = (text, name) => check(text, name, enginePath('mihomo'), (file) => ['-t', '-d', folder, '-f', file]);
const checkSingBox = (text, name) => check(text, name, enginePath('sing-box'), (file) => ['check', '-D', folder, '-c', file]);

test('mihomo loads its YAML and the link list, each with every way in that it knows', async (t) => {
  const { text, headers } = await get('mihomo');
  assert.equal(headers.get('content-type'), 'text/yaml; charset=utf-8');
  assert.match(text, /^proxies:$/m);
  await checkMihomo(text, 'mihomo.yaml');
  const known = USER_PROTOCOLS.length + 6;
  for (const format of ['mihomo', 'links', 'base64']) {
    const { proxies, log } = await loadWithMihomo(`${panel.url}/sub/${token(user)}/${format}`);
    t.diagnostic(`${format}: ${proxies.length} of ${known}`);
    assert.equal(proxies.length, known, log);
    assert.equal(new Set(proxies.map(({ name }) => name)).size, known);
  }
  // What it does not know is told, and only that.
  assert.equal(headers.get('weir-left-out'), '1');
  assert.equal((await get('clash-meta')).text, text);
});

test('the dialects of Clash for older readers are files that mihomo takes as well, without what their readers refuse', async () => {
  const types = (text) => [...text.matchAll(/^ {2}- \{"name":.*?"type":"([a-z0-9]+)","server"/gm)].map(([, type]) => type);
  const legacy = (await get('clash')).text;
  await checkMihomo(legacy, 'clash.yaml');
  assert.deepEqual(types(legacy), ['trojan', 'vmess', 'ss', 'socks5', 'http', 'trojan']);
  const stash = (await get('stash')).text;
  await checkMihomo(stash, 'stash.yaml');
  assert.deepEqual(types(stash), ['trojan', 'vless', 'vmess', 'ss', 'hysteria2', 'ss', 'tuic', 'socks5', 'http', 'trojan']);
});

test('sing-box checks its JSON without a warning', async () => {
  const { text, headers } = await get('sing-box');
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
  assert.equal(await checkSingBox(text, 'sing-box.json'), '');
  const { outbounds } = JSON.parse(text);
  const tags = outbounds.map(({ tag }) => tag);
  assert.equal(new Set(tags).size, tags.length);
  // A group that names a missing server passes the check and fails the user.
  for (const { outbounds: members } of outbounds.filter((outbound) => outbound.outbounds)) {
    for (const member of members) assert.ok(tags.includes(member), `${member} is not there`);
  }
  assert.equal(tags.length, USER_PROTOCOLS.length + 6 + 3);
});

test('older releases of sing-box that still read this tier check it without a warning', async (t) => {
  const readers = olderReaders();
  assert.ok(readers.length > 0);
  const { text } = await get('sing-box');
  for (const { name, path: binary } of readers) {
    assert.equal(await check(text, `${name}.json`, binary, (file) => ['check', '-D', folder, '-c', file]), '', name);
    t.diagnostic(`${name} takes all ${JSON.parse(text).outbounds.length} outbounds`);
  }
});

test('sing-box carries bytes with what its JSON says, through a real server, by every protocol', async () => {
  const { outbounds } = JSON.parse((await get('sing-box')).text);
  const own = outbounds.filter(({ server_port: port }) => Object.values(ports).includes(port));
  assert.equal(own.length, USER_PROTOCOLS.length);
  const listenPort = await freePort();
  const tagged = own.map((outbound) => ({ ...outbound, tag: labUser('ann', outbound.type) }));
  const client = await startSingBox({ config: clientAround({ listenPort, outbounds: tagged }), readyPort: listenPort, name: 'client' });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    for (const protocol of USER_PROTOCOLS) {
      const entry = await lab.tcp({ user: 'ann', protocol, up: 64 * KIB, down: 256 * KIB });
      assert.equal(entry.outcome, 'complete', `${protocol}: ${entry.outcome}\n${await client.log()}\n${await server.log()}`);
      assert.equal(entry.clientReceived, 256 * KIB);
    }
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('mihomo carries bytes with what its YAML says, through a real server, by every protocol', async () => {
  const { text } = await get('mihomo');
  const listenPort = await freePort();
  const lines = text.split('\n').filter((line) => line.startsWith('  - {"name":') && line.includes('"server":'));
  const own = lines.map((line) => JSON.parse(line.slice(4))).filter(({ port }) => Object.values(ports).includes(port));
  assert.equal(own.length, USER_PROTOCOLS.length);
  const names = { ss: 'shadowsocks' };
  const proxies = own.map((proxy) => ({ ...proxy, name: labUser('ann', names[proxy.type] ?? proxy.type) }));
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    await letsThrough(listenPort, { user: 'ann', protocol: USER_PROTOCOLS[0] });
    for (const protocol of USER_PROTOCOLS) {
      const entry = await lab.tcp({ user: 'ann', protocol, up: 64 * KIB, down: 256 * KIB });
      assert.equal(entry.outcome, 'complete', `${protocol}: ${entry.outcome}\n${client.log()}\n${await server.log()}`);
      assert.equal(entry.clientReceived, 256 * KIB);
    }
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('V2Ray takes each configuration of the Xray list that its build knows', async (t) => {
  const list = JSON.parse((await get('xray')).text);
  const protocols = list.map(({ outbounds: [{ protocol }] }) => protocol);
  // Xray refuses what does not check certificates, and knows no QUIC protocol that all its readers know.
  assert.deepEqual(protocols, ['vmess', 'shadowsocks', 'shadowsocks', 'socks', 'http', 'trojan']);
  for (const [index, one] of list.entries()) {
    assert.ok(one.remarks);
    const method = one.outbounds[0].settings.servers?.[0].method ?? '';
    if (method.startsWith('2022-')) {
      t.diagnostic(`not judged: ${one.remarks} (this V2Ray is older than ${method})`);
      continue;
    }
    await check(JSON.stringify(one), `xray-${index}.json`, enginePath('v2ray'), (file) => ['-test', '-config', file]);
  }
});

test('Outline gets the one server that it knows, and SIP008 all of Shadowsocks with the quota', async () => {
  const { password } = slotCredentials(panel.slotKey, user.slot);
  const outline = (await get('outline')).body;
  assert.deepEqual(outline, { server: '127.0.0.1', server_port: 20_000, password, method: 'aes-256-gcm' });
  const sip008 = (await get('sip008')).body;
  assert.equal(sip008.version, 1);
  assert.deepEqual(sip008.servers.map(({ method }) => method), ['2022-blake3-aes-128-gcm', 'aes-256-gcm']);
  for (const { id } of sip008.servers) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(sip008.bytes_used, 0);
});

test('the profiles of Surge and its kin hold a line for each server, and groups that name them', async () => {
  const { uuid } = slotCredentials(panel.slotKey, user.slot);
  for (const [format, count] of [['surge', 10], ['surfboard', 9]]) {
    const { text } = await get(format);
    assert.ok(text.startsWith(`#!MANAGED-CONFIG ${panel.url}/sub/${token(user)}/${format} interval=43200 strict=false\n`), text);
    const section = (name) => text.split(`[${name}]\n`)[1].split('\n\n')[0].trim().split('\n');
    const servers = section('Proxy').map((line) => line.split(' = ')[0]);
    assert.equal(servers.length, count, text);
    assert.deepEqual(section('Proxy Group')[0].split(', ').slice(1, -1), ['Auto', ...servers]);
    assert.ok(text.includes(`= vmess, 127.0.0.1, ${ports.vmess}, username=${uuid}, vmess-aead=true\n`), text);
  }
  const loon = (await get('loon')).text;
  assert.ok(loon.includes(`= VLESS,127.0.0.1,${ports.vless},"${uuid}",transport=tcp,over-tls=true,sni=weir.test,skip-cert-verify=true,udp=true\n`), loon);
  const quanx = (await get('quanx')).text;
  assert.ok(quanx.includes(`vless=127.0.0.1:${ports.vless}, method=none, password=${uuid}, obfs=over-tls, obfs-host=weir.test, tls-verification=false, udp-relay=true, tag=`), quanx);
  assert.deepEqual([loon, quanx].map((text) => text.trim().split('\n').length), [10, 9]);
});

test('who may not pass gets one entry that says why, in every format, and strict readers load it', async () => {
  const [barred] = await seedUsers(panel, 1);
  await panel.db.prepare('UPDATE users SET expires_at = ?2 WHERE id = ?1').bind(barred.id, now() - 5).run();
  for (const format of ['links', 'mihomo', 'clash', 'stash', 'sing-box', 'sing-box-legacy', 'xray', 'outline', 'sip008', 'surge', 'surfboard', 'loon', 'quanx']) {
    const { text } = await get(format, barred);
    assert.equal(decodeURIComponent(text).split('Subscription expired').length > 1, true, `${format}: ${text}`);
    const { password } = slotCredentials(panel.slotKey, barred.slot);
    assert.ok(!text.includes(password), `${format} holds a credential`);
    if (['mihomo', 'clash', 'stash'].includes(format)) await checkMihomo(text, `barred-${format}.yaml`);
    if (format === 'sing-box') await checkSingBox(text, 'barred.json');
  }
});

test('HEAD tells of every format what GET does', async () => {
  for (const format of ['mihomo', 'sing-box', 'xray', 'surge', 'base64']) {
    const where = `/sub/${token(user)}/${format}`;
    const options = { headers: { 'accept-encoding': 'identity' } };
    const [whole, head] = [await panel.request('GET', where, options), await panel.request('HEAD', where, options)];
    assert.equal(head.text, '');
    for (const name of ['content-type', 'content-length', 'subscription-userinfo', 'weir-left-out', 'profile-title']) {
      assert.equal(head.headers.get(name), whole.headers.get(name), `${format}: ${name}`);
    }
    const { queries, read, written } = whole.cost;
    assert.ok(queries <= 2 && read <= 4 && written <= 1, JSON.stringify(whole.cost));
  }
});
