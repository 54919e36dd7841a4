/** The script that the panel serves makes a host a node, upgrades it with a way back, and leaves it as it was. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { makeCertificate } from './support/certificate.mjs';
import { HostRoot } from './support/host-root.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { until } from './support/site.mjs';

const run = promisify(execFile);
const AGENT = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const SHELLCHECK = await run('sh', ['-c', 'command -v "${SHELLCHECK_BIN:-shellcheck}"']).then(({ stdout }) => stdout.trim(), () => undefined);
/** Which systemd can rate a unit; 0 for none. */
const SYSTEMD = await run('systemd-analyze', ['--version']).then(({ stdout }) => Number(stdout.match(/systemd (\d+)/)[1]), () => 0);
/** A test that takes so long hangs. */
const timeout = 180_000;

let assets;
let panel;
let certificate;
/** @type {HostRoot} */
let host;

/** The panel's program for this machine, and its digest, as `dev/agent-files` puts them. */
async function offer(program) {
  const file = path.join(assets, `agent/weir-agent-${MACHINE}-linux`);
  await writeFile(file, program, { mode: 0o755 });
  await writeFile(`${file}.sha256`, `${sha256Hex(program)}  ${path.basename(file)}\n`);
  // The platform knows the files of a deployment, and no later ones.
  if (panel) await panel.restart();
}

const script = async () => (await panel.request('GET', '/install.sh')).text;

async function token() {
  return (await panel.api('POST', '/api/v1/nodes', { name: `host-${Math.random().toString(36).slice(2, 8)}`, address: '127.0.0.1' })).body.token;
}

before(async () => {
  assets = await mkdtemp(path.join(tmpdir(), 'weir-assets-'));
  await cp(path.join(ROOT, 'public'), assets, { recursive: true });
  await rm(path.join(assets, 'agent'), { recursive: true, force: true });
  await mkdir(path.join(assets, 'agent'));
  await offer(await readFile(AGENT));
  panel = await startPanel({ assets, vars: { SYNC_SECONDS: '1' } });
  certificate = await makeCertificate();
  host = await HostRoot.make({ certificate });
});
after(async () => {
  await host?.remove();
  await panel?.stop();
  await certificate?.remove();
  await rm(assets, { recursive: true, force: true });
});

describe('the script', () => {
  test('is plain text with this panel in it, for anybody, and costs no row', async () => {
    const { status, headers, text, cost } = await panel.request('GET', '/install.sh');
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.ok(text.includes(`PANEL='${panel.url}'\n`));
    assert.ok(text.includes(sha256Hex(await readFile(AGENT))));
    assert.deepEqual(cost, { queries: 0, read: 0, written: 0 });
    const refused = await panel.request('POST', '/install.sh');
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD']);
  });

  test('the program comes with its digest and is not kept by anybody on the way', async () => {
    const { status, headers } = await panel.request('GET', `/agent/weir-agent-${MACHINE}-linux.sha256`);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'no-cache');
  });

  test('does nothing when it was cut on its way', async () => {
    const text = await script();
    for (const part of [0.3, 0.6, 0.9]) {
      const { output } = await host.pipe(text.slice(0, text.length * part), [await token()]);
      assert.doesNotMatch(output, /^weir: /m);
    }
    assert.equal(await host.read('usr/local/bin/weir-agent'), undefined);
  });

  test('says what is wrong with its arguments', async () => {
    const text = await script();
    const cases = [
      [['nonsense'], /32 digits from 0 to f/],
      [['ab'.repeat(16), 'cd'.repeat(16)], /one token/],
      [['--upgrade', 'ab'.repeat(16)], /takes no token/],
      [['--fast'], /unknown argument '--fast'/],
      [['--core', 'xray'], /sing-box or none/],
      [[], /a token is needed/],
      [['--upgrade'], /no agent to upgrade/],
      [['--uninstall'], /not installed by this script/],
    ];
    for (const [args, expected] of cases) {
      const { code, output } = await host.pipe(text, args);
      assert.equal(code, 1, args.join(' '));
      assert.match(output, expected);
    }
    assert.equal((await host.pipe(text, ['--help'])).code, 0);
  });

  test('refuses a host whose polkit would not let the agent start sing-box, before anything is touched', async () => {
    const mine = await token();
    const text = await script();
    const dry = [mine, '--dry-run'];
    const cases = [
      ['0.105', [mine], /polkit is '0\.105' on this host.*0\.106 or later.*Use a distribution that has it/],
      ['0.105', dry, /polkit is '0\.105' on this host/],
      ['unheard of', dry, /polkit is 'of' on this host/],
      [undefined, [mine], /polkit is missing on this host.*Install it \(polkitd/],
      // No rule is needed for a core that the operator sets up, nor to upgrade: nothing stops the core.
      ['0.105', [...dry, '--core', 'none'], undefined],
      ['0.105', ['--upgrade'], /no agent to upgrade/],
      ['0.106', dry, undefined],
      ['0.120', dry, undefined],
      ['121', dry, undefined],
    ];
    await host.calls();
    for (const [version, args, expected] of cases) {
      await host.setPolkit(version);
      const { code, output } = await host.pipe(text, args);
      await host.setPolkit('126');
      assert.equal(code, expected ? 1 : 0, `${version} ${args}: ${output}`);
      if (expected) assert.match(output, expected);
    }
    assert.deepEqual((await host.calls()).filter((call) => !/^systemctl (cat|is-active)/.test(call)), []);
    assert.equal(await stat(host.in('var/lib/weir-install')).catch(() => undefined), undefined);
  });

  test('a dry run changes nothing', async () => {
    await host.calls();
    const { code, output } = await host.pipe(await script(), [await token(), '--dry-run']);
    assert.equal(code, 0, output);
    assert.match(output, /would write .*weir-agent\.service/);
    assert.match(output, /would run: useradd/);
    for (const name of ['usr/local/bin/weir-agent', 'etc/weir/template.json', 'etc/systemd/system/weir-agent.service', 'var/lib/weir-install']) {
      assert.equal(await stat(host.in(name)).catch(() => undefined), undefined, name);
    }
    assert.deepEqual((await host.calls()).filter((call) => !/^systemctl (cat|is-active)/.test(call)), []);
  });
});

describe('a first installation', { timeout }, () => {
  test('that fails leaves the host as it was, and sing-box in peace', async () => {
    const before = await host.mode('etc/sing-box');
    const { code, output } = await host.pipe(await script(), ['ab'.repeat(16)]);
    assert.equal(code, 1);
    assert.match(output, /not enrolled; sing-box was not touched/);
    assert.match(output, /the host is as it was/);
    assert.equal(await host.read('etc/sing-box/config.json'), host.config);
    assert.equal(await host.mode('etc/sing-box'), before);
    for (const name of ['usr/local/bin/weir-agent', 'etc/weir/template.json', 'etc/systemd/system/weir-agent.service', 'var/lib/weir', 'var/lib/weir-install']) {
      assert.equal(await stat(host.in(name)).catch(() => undefined), undefined, name);
    }
    assert.ok(await host.runs('sing-box'));
  });

  test('refuses a program that is not the one of the script', async () => {
    const text = (await script()).replace(sha256Hex(await readFile(AGENT)), 'ab'.repeat(32));
    const { code, output } = await host.pipe(text, [await token()]);
    assert.equal(code, 1);
    assert.match(output, /not what this script was made for/);
  });

  test('makes the host a node, healthy, and is safe to repeat', async () => {
    const mine = await token();
    for (const times of [1, 2]) {
      await host.calls();
      const { code, output } = await host.pipe(await script(), [mine]);
      assert.equal(code, 0, `${output}\n${await host.logs()}`);
      assert.match(output, /enrolled as node/);
      assert.ok(await host.runs('weir-agent'));
      assert.ok(await host.runs('sing-box'));
      assert.equal((await host.status()).core_up, true);
      // The second time users notice nothing: sing-box goes on.
      assert.equal((await host.calls()).includes('systemctl stop sing-box'), times === 1);
    }
    assert.equal(await host.mode('etc/sing-box'), '2750');
    assert.equal(await host.read('etc/weir/template.json'), host.config);
    assert.notEqual(await host.read('etc/sing-box/config.json'), host.config);
    for (const [name, source] of [['etc/systemd/system/weir-agent.service', 'weir-agent.service'], ['etc/polkit-1/rules.d/50-weir.rules', '50-weir.rules']]) {
      assert.equal(await host.read(name), await readFile(path.join(ROOT, 'agent/packaging', source), 'utf8'), name);
    }
    await until('the node is seen', async () => (await panel.api('GET', '/api/v1/nodes')).body.items.some(({ status }) => status?.core === 'sing-box'));
  });
});

describe('an upgrade', { timeout }, () => {
  const upgrade = async () => host.pipe(await script(), ['--upgrade'], { WEIR_PATIENCE: '6' });
  const installed = async () => sha256Hex(await readFile(host.in('usr/local/bin/weir-agent')));
  let good;
  before(async () => (good = await readFile(AGENT)));
  /** A version that works as well. */
  const other = () => Buffer.concat([good, Buffer.from('\n')]);

  test('to the version that runs does nothing', async () => {
    const { pid } = await host.status();
    const { code, output } = await upgrade();
    assert.equal(code, 0, output);
    assert.match(output, /the version that runs already/);
    assert.equal((await host.status()).pid, pid);
  });

  test('with a program that cannot run here changes nothing', async () => {
    const { pid } = await host.status();
    await offer('no program');
    const { code, output } = await upgrade();
    assert.equal(code, 1);
    assert.match(output, /does not run on this host/);
    assert.equal((await host.status()).pid, pid);
  });

  test('with a program that refuses the settings changes nothing', async () => {
    const { pid } = await host.status();
    await offer('#!/bin/sh\n[ "$1" = --version ] && echo "weir-agent 9.9.8" && exit\necho "I know no such setting" >&2\nexit 1\n');
    const { code, output } = await upgrade();
    assert.equal(code, 1);
    assert.match(output, /I know no such setting/);
    assert.match(output, /nothing was changed/);
    assert.equal((await host.status()).pid, pid);
  });

  for (const [what, signal, program] of [
    ['that ends at once', 'SIGHUP', '#!/bin/sh\ncase $1 in --version) echo "weir-agent 9.9.9" ;; --check) ;; *) exit 1 ;; esac\n'],
    ['that runs and does nothing', 'SIGTERM', '#!/bin/sh\ncase "$*" in --version) echo "weir-agent 9.9.9" ;; *run) exec sleep 1000 ;; *health*) echo "not well" >&2; exit 1 ;; esac\n'],
  ]) {
    test(`with a program ${what} is taken back`, async () => {
      const old = await installed();
      await offer(program);
      const { code, output } = await upgrade();
      assert.equal(code, 1);
      assert.match(output, /the version before runs again: weir-agent /);
      assert.equal(await installed(), old);
      assert.ok(await host.runs('weir-agent'));
      // An agent whose panel was away for a moment is not waited for until it has heard its core.
      await until('the core is up', async () => (await host.status()).core_up);
    });

    test(`with a program ${what} is taken back when ${signal} ends it`, async () => {
      const old = await installed();
      assert.ok(await host.status());
      await offer(program);
      // The last step before the new program is started, which writes none.
      const when = async () => (await host.read('var/lib/weir/status.json')) === undefined;
      const { code, output } = await host.pipe(await script(), ['--upgrade'], { WEIR_PATIENCE: '600' }, { signal, when });
      assert.equal(code, 130, output);
      assert.equal(await installed(), old);
      assert.ok(await host.runs('weir-agent'));
      await until('the core is up', async () => JSON.parse((await host.read('var/lib/weir/status.json')) ?? '{}').core_up);
    });
  }

  test('that comes up healthy stays', async () => {
    await offer(other());
    const { code, output } = await upgrade();
    assert.equal(code, 0, `${output}\n${await host.logs()}`);
    assert.equal(await installed(), sha256Hex(other()));
  });

  test('that is tried dry changes nothing, and neither does an installation', async () => {
    const unit = host.in('etc/systemd/system/weir-agent.service');
    const text = await readFile(unit, 'utf8');
    // With the same program and another unit the version before is of no more use, once that is done.
    await writeFile(unit, `${text}# changed\n`);
    const kept = () => host.read('var/lib/weir-install/last/weir-agent');
    const before = await kept();
    assert.ok(before);
    await host.calls();
    for (const args of [['--upgrade', '--dry-run'], ['ab'.repeat(16), '--dry-run']]) {
      const { code, output } = await host.pipe(await script(), args);
      assert.equal(code, 0, output);
      assert.ok((await kept()) === before, args.join(' '));
      assert.equal(await installed(), sha256Hex(other()), args.join(' '));
      assert.deepEqual((await host.calls()).filter((call) => !/^systemctl (cat|is-active)/.test(call)), [], args.join(' '));
    }
    await writeFile(unit, text);
  });

  test('outlives a repeated installation whose token is not taken', async () => {
    const { code, output } = await host.pipe(await script(), ['ab'.repeat(16)]);
    assert.equal(code, 1);
    assert.match(output, /not enrolled/);
    assert.equal(await installed(), sha256Hex(other()));
    assert.ok(await host.runs('weir-agent'));
  });

  test('can be taken back by hand', async () => {
    const old = sha256Hex(good);
    const back = await host.pipe(await script(), ['--rollback']);
    assert.equal(back.code, 0, back.output);
    assert.equal(await installed(), old);
    assert.ok(await host.runs('weir-agent'));
  });
});

describe('removing it', { timeout }, () => {
  const install = async () => {
    const { code, output } = await host.pipe(await script(), [await token()]);
    assert.equal(code, 0, `${output}\n${await host.logs()}`);
  };

  test('puts back what was there, and keeps a template that was changed since', async () => {
    const changed = host.config.replace('"warn"', '"info"');
    await writeFile(host.in('etc/weir/template.json'), changed);
    const dry = await host.pipe(await script(), ['--uninstall', '--dry-run']);
    assert.equal(dry.code, 0, dry.output);
    assert.ok(await host.runs('weir-agent'));
    const { code, output } = await host.pipe(await script(), ['--uninstall']);
    assert.equal(code, 0, output);
    assert.equal(await host.read('etc/sing-box/config.json'), host.config);
    assert.equal(await host.read('etc/sing-box/template.json.weir'), changed);
    assert.notEqual(await host.mode('etc/sing-box'), '2750');
    for (const name of ['usr/local/bin/weir-agent', 'etc/weir/template.json', 'etc/systemd/system/weir-agent.service', 'etc/polkit-1/rules.d/50-weir.rules', 'var/lib/weir', 'var/lib/weir-install', 'var/lib/sing-box/weir']) {
      assert.equal(await stat(host.in(name)).catch(() => undefined), undefined, name);
    }
    assert.ok(await host.read('etc/weir/agent.toml'), 'settings that were there before');
    assert.equal(await readFile(path.join(host.fake, 'users'), 'utf8'), 'sing-box\n');
    assert.ok(await host.runs('sing-box'));
    assert.ok(!(await host.runs('weir-agent')));
  });

  test('starts a sing-box again that ran before the installation, also if it is down by now', async () => {
    assert.ok(await host.runs('sing-box'));
    await install();
    // The agent first, which would start it.
    for (const unit of ['weir-agent', 'sing-box']) await host.systemctl('stop', unit);
    const { code, output } = await host.pipe(await script(), ['--uninstall']);
    assert.equal(code, 0, output);
    assert.equal(await host.read('etc/sing-box/config.json'), host.config);
    assert.ok(await host.runs('sing-box'));
  });

  test('leaves a sing-box down that was down before the installation and is again', async () => {
    await host.systemctl('stop', 'sing-box');
    await install();
    for (const unit of ['weir-agent', 'sing-box']) await host.systemctl('stop', unit);
    const { code, output } = await host.pipe(await script(), ['--uninstall']);
    assert.equal(code, 0, output);
    assert.ok(!(await host.runs('sing-box')));
    await host.systemctl('start', 'sing-box');
  });

  for (const [what, status] of [['there is no status', undefined], ['the status is cut off', '{"written_at":17']]) {
    test(`keeps the ledger when ${what}, so that nothing says that all bytes were reported`, async () => {
      await install();
      await host.systemctl('stop', 'weir-agent');
      await rm(host.in('var/lib/weir/status.json'));
      if (status) await writeFile(host.in('var/lib/weir/status.json'), status);
      const { code, output } = await host.pipe(await script(), ['--uninstall']);
      assert.equal(code, 0, output);
      assert.match(output, /no readable .*status\.json, so nobody knows whether all bytes were reported: the ledger stays in /);
      assert.ok(await stat(host.in('var/lib/weir/ledger.redb')));
      assert.equal(await host.read('usr/local/bin/weir-agent'), undefined);
      assert.equal((await host.pipe(await script(), ['--uninstall', '--purge'])).code, 0);
      assert.equal(await stat(host.in('var/lib/weir')).catch(() => undefined), undefined);
    });
  }
});

describe('what is installed', () => {
  const packaged = path.join(ROOT, 'agent/packaging');

  test('the script is POSIX sh and shellcheck has nothing to say', { skip: !SHELLCHECK && 'shellcheck is missing: dev/setup --shellcheck installs it' }, async () => {
    for (const text of [await readFile(path.join(packaged, 'install.sh'), 'utf8'), await script()]) {
      const file = path.join(assets, 'install.sh');
      await writeFile(file, text);
      await run(SHELLCHECK, ['-s', 'sh', file]);
    }
  });

  test('the unit is valid, and systemd rates its exposure at 2.0 or less', { skip: SYSTEMD < 250 && 'systemd-analyze is missing, or older than 250' }, async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'weir-unit-'));
    const unit = path.join(folder, 'weir-agent.service');
    // Its program is not installed on this machine.
    await writeFile(unit, (await readFile(path.join(packaged, 'weir-agent.service'), 'utf8')).replace('ExecStart=weir-agent', `ExecStart=${AGENT}`));
    const verified = await run('systemd-analyze', ['verify', '--man=no', unit]);
    assert.equal(verified.stderr.split('\n').filter((line) => line.includes('weir')).join('\n'), '');
    const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const exposure = Number(stdout.match(/Overall exposure level for \S+: ([\d.]+)/)[1]);
    assert.ok(exposure <= 2.0, stdout);
    await rm(folder, { recursive: true });
  });
});
