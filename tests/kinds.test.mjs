/**
 * Every kind of way in that an engine here serves, from the panel to bytes: the Worker's own lists are fetched by a real mihomo, which
 * says how many of it it has, and read by three releases of sing-box; then bytes go through each kind by each of those clients, and
 * the panel counts what went through its node. What a client cannot do stands in {@link LIMITS}, and has to be true.
 *
 * A short run has one kind of each family, which the seed chooses; make test-long has all.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { Dice } from './support/dice.mjs';
import { enginePath, olderReaders } from './support/engines.mjs';
import { serveKinds } from './support/kind-servers.mjs';
import { FAMILIES, REALITY } from './support/kinds.mjs';
import { letsThrough, proxiesOf, runMihomo, runSubscribed } from './support/mihomo.mjs';
import { freePort } from './support/ports.mjs';
import { LONG } from './support/selection.mjs';
import { clientAround, labUser } from './support/singbox-config.mjs';
import { startSingBox } from './support/singbox.mjs';
import { until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';

const run = promisify(execFile);
const KIB = 1024;
const USER = 'ann';
/** Clients that cannot connect often wait for longer. */
const DEAD_MS = 3000;
/** Bob's of RFC 7748: a key, and not the servers'. */
const OTHER_KEY = '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08';
const CHECK_LIMIT_MS = 30_000;

/**
 * What does not work, in whose hands, and why.
 * - `left out`: the Worker does not put the kind into this format;
 * - `skipped`: it is in the list, and the reader passes over it;
 * - `dead`: the reader has it, and no byte passes;
 * - `unread`: the reader's build cannot even check it;
 * - `unsteady`: some connections end before they begin. By chance, so this alone is not asserted.
 */
const LIMITS = [
  { reader: 'mihomo, YAML', is: 'left out', kinds: ['naive'], why: 'mihomo does not speak it' },
  { reader: 'mihomo, YAML', is: 'left out', kinds: ['trojan-h2'], why: 'its trojan knows no HTTP/2' },
  { reader: 'mihomo, YAML', is: 'left out', kinds: ['hysteria2-gecko'], why: 'releases that do not know it would refuse the whole file' },
  { reader: 'mihomo, links', is: 'skipped', kinds: ['naive', 'wireguard'], why: 'its importer does not know the scheme' },
  { reader: 'mihomo, links', is: 'dead', kinds: ['trojan-h2'], why: 'its trojan knows no HTTP/2' },
  { reader: 'mihomo, links', is: 'dead', kinds: ['trojan-httpupgrade', 'vless-httpupgrade', 'vmess-httpupgrade'], why: 'its importer knows no HTTP upgrade' },
  { reader: 'mihomo, links', is: 'dead', kinds: ['vmess-reality', 'trojan-reality', 'trojan-reality-grpc'], why: 'its importer reads REALITY of vless alone' },
  { reader: 'mihomo, links', is: 'dead', kinds: ['vless-self-signed', 'vmess-self-signed', 'tuic-self-signed'], why: 'its importer always checks the certificate of these' },
  { reader: 'mihomo, links', is: 'dead', kinds: ['ss-shadow-tls'], why: 'its importer knows no other plugins than obfs and v2ray-plugin' },
  { reader: 'sing-box', is: 'left out', kinds: ['naive'], why: '1.12 does not speak it, nor does this build of later ones' },
  { reader: 'sing-box', is: 'left out', kinds: ['hysteria2-gecko'], why: 'releases before 1.14 refuse the whole file' },
  { reader: 'sing-box', is: 'unread', kinds: Object.keys(FAMILIES.reality), why: 'it is built without uTLS' },
  // "bad request size": of trojan's first 56 bytes it expects all by one read, and the byte that its HTTP server had read ahead comes alone.
  { reader: 'sing-box, server', is: 'unsteady', kinds: ['trojan-httpupgrade'], why: 'one connection in ten ends at once on loopback, and most of them on a busy machine' },
];
/** Tries of what is unsteady; each takes some milliseconds. */
const TRIES = 100;
const limited = (reader, ...is) => LIMITS.filter((limit) => limit.reader === reader && is.includes(limit.is)).flatMap(({ kinds }) => kinds);

let folder;
let kinds;
let names;
let served;
/** Bytes that went through the panel's own node. */
const passed = { up: 0, down: 0 };

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'weir-kinds-test-'));
  const dice = new Dice();
  // What no client here speaks is worth a place in a long run only.
  const unspoken = limited('mihomo, links', 'skipped');
  const chosen = (family) => (LONG ? Object.entries(family) : [dice.one(Object.entries(family).filter(([name]) => !unspoken.includes(name)))]);
  kinds = Object.fromEntries(Object.values(FAMILIES).flatMap(chosen));
  names = Object.keys(kinds);
  served = await serveKinds(kinds, USER);
});
after(async () => {
  await served?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Direct configs are links and nothing else. */
const own = () => names.filter((name) => kinds[name].by !== 'direct');
const without = (all, those) => all.filter((name) => !those.includes(name));

function lists() {
  const { panel, subscription } = served;
  const all = new URLSearchParams({ user_token: subscription.pathname.split('/').at(-1) });
  const of = (format) => `${panel.url}${subscription.pathname}/${format}`;
  return { yaml: of('mihomo'), links: of('links'), base64: of('base64'), 'with direct configs': `${panel.url}/api/xpert/sub?${all}`, 'with direct configs, base64': `${panel.url}/api/xpert/sub?${all}&format=base64` };
}

async function fetched(url) {
  const answer = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(answer.status, 200);
  return answer.text();
}

/** Bytes through some kinds by a client. `way` is the laboratory's word for kind and client. */
async function carried(lab, those, way, log) {
  const unsteady = limited('sing-box, server', 'unsteady');
  for (const name of those) {
    let entry;
    for (let left = unsteady.includes(name) ? TRIES : 1; left > 0 && entry?.outcome !== 'complete'; left -= 1) {
      entry = await lab.tcp({ user: USER, protocol: way(name), up: 64 * KIB, down: 256 * KIB });
    }
    assert.equal(entry.outcome, 'complete', `${way(name)}: ${entry.outcome} ${entry.reason}\n${await log()}\n--- servers\n${await served.logs()}`);
    assert.equal(entry.clientReceived, 256 * KIB, way(name));
    if (kinds[name].by === 'node') {
      passed.up += entry.targetReceived;
      passed.down += entry.clientReceived;
    }
  }
}

/** Wait until the panel has every byte that went through its node. */
async function counted() {
  let found;
  await until('the panel has every byte', async () => {
    found = (await served.site.history()).get(USER) ?? { up: 0, down: 0 };
    return found.up === passed.up && found.down === passed.down;
  }).catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(found)} of ${JSON.stringify(passed)}\n${await served.logs()}`);
  });
}

async function refuses(program, args, says) {
  const { code, output } = await run(program, args, { timeout: CHECK_LIMIT_MS }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error) => ({ code: error.code, output: error.stdout + error.stderr }),
  );
  assert.notEqual(code, 0, `${program} takes it now: LIMITS no longer says the truth`);
  assert.match(output, says);
}

async function written(name, value) {
  const file = path.join(folder, name);
  await writeFile(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}

const releases = () => [...olderReaders(), { name: 'sing-box-1.14', path: enginePath('sing-box') }];

test('the lists are the same in every form, and hold every kind but those that no reader of the form takes', async (t) => {
  t.diagnostic(names.join(' '));
  const urls = lists();
  const [links, all] = [await fetched(urls.links), await fetched(urls['with direct configs'])];
  assert.equal(links.trim().split('\n').length, own().length);
  assert.equal(all.trim().split('\n').length, names.length);
  assert.ok(all.startsWith(links), 'first what is ours');
  assert.equal(Buffer.from(await fetched(urls.base64), 'base64').toString(), links);
  assert.equal(Buffer.from(await fetched(urls['with direct configs, base64']), 'base64').toString(), all);
  assert.deepEqual(proxiesOf(await fetched(urls.yaml)).map(({ name }) => name).sort(), without(own(), limited('mihomo, YAML', 'left out')).sort());
});

test('mihomo loads all of each list, and carries bytes through every kind with what YAML and links say of it', async (t) => {
  const yaml = without(own(), limited('mihomo, YAML', 'left out'));
  const skipped = limited('mihomo, links', 'skipped');
  const ways = [['yaml', yaml], ['with direct configs', without(names, skipped)]].flatMap(([list, those]) => those.map((proxy) => ({ list, proxy, name: labUser(USER, `${proxy} ${list}`) })));
  const listenPort = await freePort();
  const client = await runSubscribed({ listenPort, lists: lists(), ways, trusted: served.certificate.certificatePath });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    const expected = { yaml, links: without(own(), skipped), base64: without(own(), skipped), 'with direct configs': without(names, skipped), 'with direct configs, base64': without(names, skipped) };
    for (const [list, those] of Object.entries(expected)) {
      assert.deepEqual(client.loaded[list].toSorted(), those.toSorted(), `${list}\n${client.log()}`);
      t.diagnostic(`${list}: ${those.length} of ${those.length}`);
    }
    const dead = limited('mihomo, links', 'dead');
    const first = yaml.find((name) => kinds[name].by === 'node');
    const probed = await letsThrough(listenPort, { user: USER, protocol: `${first} yaml` });
    passed.up += probed.up;
    passed.down += probed.down;
    // A user's first bytes make the node ask for his grant, and only the floor may pass until the answer is there: less than all kinds.
    await counted();
    await carried(lab, yaml, (name) => `${name} yaml`, client.log);
    await carried(lab, without(names, [...skipped, ...dead]), (name) => `${name} with direct configs`, client.log);
    const tries = names.filter((name) => dead.includes(name)).map(async (name) => {
      const { outcome } = await lab.tcp({ user: USER, protocol: `${name} with direct configs`, up: KIB, down: KIB, hangMs: DEAD_MS });
      assert.notEqual(outcome, 'complete', `mihomo carries ${name} by its link now: LIMITS no longer says the truth`);
    });
    await Promise.all(tries);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

for (const { name: release, path: binary } of releases()) {
  test(`${release} checks its JSON whole, and carries bytes through every kind that its build has`, async (t) => {
    const whole = await fetched(lists().yaml.replace(/mihomo$/, 'sing-box'));
    await run(binary, ['format', '-c', await written(`${release}.json`, whole)], { timeout: CHECK_LIMIT_MS });
    const outbounds = JSON.parse(whole).outbounds.filter(({ server_port: port }) => port);
    assert.deepEqual(outbounds.map(({ tag }) => tag).sort(), without(own(), limited('sing-box', 'left out')).sort());
    const usable = outbounds.filter(({ tag }) => !limited('sing-box', 'unread').includes(tag));
    const { stdout, stderr } = await run(binary, ['check', '-c', await written(`${release}-usable.json`, { outbounds: usable })], { timeout: CHECK_LIMIT_MS });
    assert.equal(stdout + stderr, '');
    const listenPort = await freePort();
    const tagged = usable.map((outbound) => ({ ...outbound, tag: labUser(USER, outbound.tag) }));
    const client = await startSingBox({ config: clientAround({ listenPort, outbounds: tagged }), readyPort: listenPort, name: release, binary, env: { SSL_CERT_FILE: served.certificate.certificatePath } });
    const lab = await TrafficLab.start({ socksPort: listenPort });
    try {
      await carried(lab, usable.map(({ tag }) => tag), (name) => name, () => client.log());
      t.diagnostic(`checked and carried: ${usable.length}; read by format alone: ${outbounds.length - usable.length}`);
    } finally {
      await lab.stop();
      await client.stop();
    }
    // What its build cannot do is still so.
    for (const outbound of outbounds.filter((one) => !usable.includes(one))) {
      await refuses(binary, ['check', '-c', await written('unread.json', { outbounds: [outbound] })], /uTLS, which is required by reality is not included in this build/);
    }
  });
}

test('the public key of REALITY leaves the host, and the private one does not; with another key nothing passes', async () => {
  const { results } = await served.panel.db.prepare('SELECT * FROM nodes').all();
  const stored = JSON.stringify(results);
  assert.ok(stored.includes(REALITY.publicKey) && stored.includes(REALITY.shortId) && !stored.includes(REALITY.privateKey));
  const right = proxiesOf(await fetched(lists().yaml)).find(({ name }) => kinds[name].by === 'borrowed');
  const wrong = { ...right, 'reality-opts': { ...right['reality-opts'], 'public-key': OTHER_KEY } };
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies: [right, wrong].map((proxy, index) => ({ ...proxy, name: labUser(USER, `key ${index}`) })) });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    // The right one shows when the client is ready.
    await letsThrough(listenPort, { user: USER, protocol: 'key 0' });
    assert.notEqual((await lab.tcp({ user: USER, protocol: 'key 1', up: KIB, down: KIB, hangMs: DEAD_MS })).outcome, 'complete');
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('the panel has every byte that went through its node', () => counted());

test('no engine takes what the Worker leaves out because engines refuse it', async () => {
  const proxies = [{ name: 'naive', type: 'naive', server: '127.0.0.1', port: 1 }];
  await refuses(enginePath('mihomo'), ['-t', '-d', folder, '-f', await written('naive.yaml', { proxies })], /unsupport proxy type: naive/);
  const outbound = (type, more) => ({ outbounds: [{ type, tag: type, server: '127.0.0.1', server_port: 1, password: 'x', tls: { enabled: true }, ...more }] });
  for (const { name, path: binary } of releases()) {
    await refuses(binary, ['check', '-c', await written('naive.json', outbound('naive', { username: 'x' }))], /naive outbound is not included in this build|unknown outbound type: naive/);
    if (name === 'sing-box-1.14') continue;
    const gecko = outbound('hysteria2', { obfs: { type: 'gecko', password: 'x' } });
    await refuses(binary, ['check', '-c', await written('gecko.json', gecko)], /unknown obfs type: gecko/);
  }
});

test('the documentation shows this very table', async () => {
  const readers = ['mihomo, YAML', 'mihomo, links', 'sing-box'];
  const cell = (name, kind, reader) => {
    const limit = LIMITS.find((one) => one.reader === reader && one.kinds.includes(name));
    if (limit) return limit.is;
    return kind.by === 'direct' && reader !== 'mihomo, links' ? 'not in it' : 'carried';
  };
  const server = ({ by, serve, core }) => (by === 'node' || core ? 'sing-box' : by === 'borrowed' || serve ? 'mihomo' : 'none');
  const rows = Object.values(FAMILIES).flatMap(Object.entries).map(([name, kind]) => `| ${name} | ${server(kind)} | ${readers.map((reader) => cell(name, kind, reader)).join(' | ')} |`);
  const limits = LIMITS.map(({ reader, is, kinds: those, why }) => `| ${reader} | ${is} | ${those.join(', ')} | ${why} |`);
  const text = await readFile(new URL('../docs/subscriptions.md', import.meta.url), 'utf8');
  for (const table of [rows, limits]) assert.ok(text.includes(`\n${table.join('\n')}\n`), `docs/subscriptions.md has to say:\n${table.join('\n')}`);
});
