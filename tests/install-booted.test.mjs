/**
 * The install script on a whole Debian with a real systemd and a real polkit. Opt-in: WEIR_ROOTFS names a root file system as
 * support/booted-root.mjs describes it, which is used up; needs root.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { BootedRoot } from './support/booted-root.mjs';
import { makeCertificate } from './support/certificate.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { freePorts } from './support/ports.mjs';
import { serverTemplate } from './support/singbox-config.mjs';
import { until } from './support/site.mjs';

const AGENT = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const skip = !process.env.WEIR_ROOTFS && 'WEIR_ROOTFS is not set';
const timeout = 300_000;

let assets;
let panel;
let certificate;
/** @type {BootedRoot} */
let root;
let config;

async function offer(program) {
  const file = path.join(assets, `agent/weir-agent-${MACHINE}-linux`);
  await writeFile(file, program, { mode: 0o755 });
  await writeFile(`${file}.sha256`, `${sha256Hex(program)}  ${path.basename(file)}\n`);
  if (panel) await panel.restart();
}

const pipe = (...args) => root.run('sh', '-c', `curl -fsSL ${panel.url}/install.sh | sh -s -- ${args.join(' ')}`);
const active = async (unit) => (await root.run('systemctl', 'is-active', unit)).output.trim();
const asWeir = (...words) => root.run('runuser', '-u', 'weir', '--', ...words);
/** What a failure is understood from. */
const journal = async () => (await root.run('journalctl', '--no-pager', '-n', '60', '-u', 'weir-agent', '-u', 'sing-box', '-u', 'polkit')).output;

before(async () => {
  if (skip) return;
  assets = await mkdtemp(path.join(tmpdir(), 'weir-assets-'));
  await cp(path.join(ROOT, 'public'), assets, { recursive: true });
  await mkdir(path.join(assets, 'agent'), { recursive: true });
  await offer(await readFile(AGENT));
  [panel, certificate] = await Promise.all([startPanel({ assets, vars: { SYNC_SECONDS: '1' } }), makeCertificate()]);
  root = await BootedRoot.boot(process.env.WEIR_ROOTFS);
  const [port, apiPort] = await freePorts(2);
  const inside = { certificatePath: '/etc/sing-box/tls/cert.pem', keyPath: '/etc/sing-box/tls/key.pem' };
  const { services, ...template } = serverTemplate({ ports: { trojan: port }, certificate: inside, apiPort, apiSecret: 'unused' });
  config = template;
  await mkdir(root.in('etc/sing-box/tls'), { recursive: true });
  await cp(certificate.certificatePath, root.in('etc/sing-box/tls/cert.pem'));
  await cp(certificate.keyPath, root.in('etc/sing-box/tls/key.pem'));
  await root.installSingBox(config);
  await root.must('sh', '-c', 'chown -R root:sing-box /etc/sing-box/tls && chmod 0640 /etc/sing-box/tls/*');
});
after(async () => {
  await root?.stop();
  await panel?.stop();
  await certificate?.remove();
  if (assets) await rm(assets, { recursive: true, force: true });
});

test('one command makes the host a node', { skip, timeout }, async () => {
  const { body } = await panel.api('POST', '/api/v1/nodes', { name: 'booted', address: '127.0.0.1' });
  const { code, output } = await root.run('sh', '-c', body.install);
  assert.equal(code, 0, `${output}\n${await journal()}`);
  assert.equal(await active('weir-agent'), 'active');
  // It was stopped by the script, and only the agent may have started it, by polkit.
  assert.equal(await active('sing-box'), 'active');
  assert.equal((await asWeir('weir-agent', 'health')).output, 'healthy\n');
  assert.match(await root.must('stat', '-c', '%U:%G %a', '/etc/sing-box', '/etc/sing-box/config.json', '/var/lib/sing-box/weir'), /^weir:sing-box 2750\nweir:sing-box 640\nsing-box:weir 2770\n$/);
});

test('the agent may start and reload sing-box, and nothing else', { skip, timeout }, async () => {
  assert.equal((await asWeir('systemctl', 'start', 'sing-box')).code, 0);
  for (const words of [['stop', 'sing-box'], ['restart', 'sing-box'], ['start', 'cron'], ['reload', 'dbus'], ['daemon-reload']]) {
    assert.notEqual((await asWeir('systemctl', ...words)).code, 0, words.join(' '));
  }
});

test('inside its sandbox it reloads sing-box with a changed template', { skip, timeout }, async () => {
  const settings = (await root.read('etc/weir/agent.toml')).replace('reload_every_seconds = 600', 'reload_every_seconds = 1');
  await writeFile(root.in('etc/weir/agent.toml'), settings);
  await root.must('systemctl', 'restart', 'weir-agent');
  const before = (await root.read('etc/sing-box/config.json')).includes('"info"');
  assert.equal(before, false);
  await writeFile(root.in('etc/weir/template.json'), JSON.stringify({ ...config, log: { level: 'info' } }));
  const loaded = async () => JSON.parse((await asWeir('weir-agent', 'status', '--json')).output).node.reloaded?.why === 'template';
  await until('the template is loaded', loaded).catch(async (error) => {
    throw new Error(`${error.message}\n${await journal()}`, { cause: error });
  });
  assert.equal(await active('sing-box'), 'active');
  assert.ok((await root.read('etc/sing-box/config.json')).includes('"info"'));
});

test('it has no capability, no new privileges, and cannot write where it has nothing to do', { skip, timeout }, async () => {
  const pid = (await root.must('systemctl', 'show', '-p', 'MainPID', '--value', 'weir-agent')).trim();
  const status = await root.must('cat', `/proc/${pid}/status`);
  for (const line of ['CapEff:\t0000000000000000', 'CapBnd:\t0000000000000000', 'NoNewPrivs:\t1', 'Seccomp:\t2']) assert.ok(status.includes(line), `${line}\n${status}`);
  const mounts = await root.must('cat', `/proc/${pid}/mounts`);
  const options = (where) => mounts.split('\n').map((line) => line.split(' ')).filter(([, at]) => at === where).at(-1)?.[3].split(',')[0];
  assert.deepEqual(['/', '/etc/sing-box', '/var/lib/weir', '/var/lib/sing-box/weir'].map(options), ['ro', 'rw', 'rw', 'rw']);
  const { output } = await root.run('systemd-analyze', 'security', '--no-pager', 'weir-agent');
  assert.ok(Number(output.match(/Overall exposure level for \S+: ([\d.]+)/)[1]) <= 2.0, output);
});

test('an upgrade that does not come up is taken back', { skip, timeout }, async () => {
  await offer('#!/bin/sh\ncase $1 in --version) echo "weir-agent 9.9.9" ;; --check) ;; *) exit 1 ;; esac\n');
  const { code, output } = await root.run('sh', '-c', `curl -fsSL ${panel.url}/install.sh | WEIR_PATIENCE=10 sh -s -- --upgrade`);
  assert.equal(code, 1);
  assert.match(output, /the version before runs again/);
  assert.equal((await asWeir('weir-agent', 'health')).output, 'healthy\n');
});

test('removing it leaves the host as it was', { skip, timeout }, async () => {
  const { code, output } = await pipe('--uninstall');
  assert.equal(code, 0, output);
  assert.deepEqual(JSON.parse(await root.read('etc/sing-box/config.json')), config);
  assert.equal(await root.must('stat', '-c', '%U:%G %a', '/etc/sing-box'), 'root:root 755\n');
  assert.equal((await root.run('getent', 'passwd', 'weir')).code, 2);
  assert.equal((await root.run('systemctl', 'cat', 'weir-agent')).code, 1);
  assert.equal((await root.run('ls', '/usr/local/bin/weir-agent', '/etc/weir', '/var/lib/weir', '/var/lib/weir-install')).code, 2);
  await until('sing-box runs', async () => (await active('sing-box')) === 'active');
});
