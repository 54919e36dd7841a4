/**
 * A host for the install script in a folder: WEIR_ROOT leads every path there, and the commands that would change this machine's users
 * and services are played. The service manager that is played really starts and ends the programs that were installed.
 */
import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { enginePath } from './engines.mjs';
import { freePorts } from './ports.mjs';
import { serverTemplate } from './singbox-config.mjs';
import { until } from './site.mjs';

/** Units by their programs' command lines; what they say goes to FAKE/UNIT.log. */
const SYSTEMCTL = `#!/bin/sh
echo "systemctl $*" >>"$FAKE/calls"
verb='' unit='' now=''
for word; do
  case $word in
    --now) now=1 ;;
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else unit=\${word%.service}; fi ;;
  esac
done
pid() { cat "$FAKE/$unit.pid" 2>/dev/null; }
alive() { p=$(pid) && kill -0 "$p" 2>/dev/null && [ "$(ps -o stat= -p "$p" | cut -c1)" != Z ]; }
start() {
  alive && return 0
  case $unit in
    weir-agent) set -- "$WEIR_ROOT/usr/local/bin/weir-agent" --config "$WEIR_ROOT/etc/weir/agent.toml" run ;;
    sing-box) set -- "$SING_BOX_BIN" --disable-color -D "$WEIR_ROOT/var/lib/sing-box" -C "$WEIR_ROOT/etc/sing-box" run ;;
    *) exit 5 ;;
  esac
  setsid "$@" >>"$FAKE/$unit.log" 2>&1 </dev/null &
  echo $! >"$FAKE/$unit.pid"
}
stop() {
  alive || return 0
  kill "$(pid)"
  while alive; do sleep 0.05; done
}
case $verb in
  cat) case $unit in sing-box) ;; *) exit 1 ;; esac ;;
  is-active) alive ;;
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  reload) kill -HUP "$(pid)" ;;
  enable) touch "$FAKE/$unit.enabled"; [ -z "$now" ] || start ;;
  disable) rm -f "$FAKE/$unit.enabled"; [ -z "$now" ] || stop ;;
  daemon-reload) ;;
  *) exit 64 ;;
esac
`;

/** Users live in a file, what polkit says of itself in another; nothing changes its owner. */
const PLAYED = {
  systemctl: SYSTEMCTL,
  pkaction: '#!/bin/sh\nexec cat "$FAKE/polkit"\n',
  getent: '#!/bin/sh\ngrep -x "$2" "$FAKE/users"\n',
  useradd: '#!/bin/sh\nfor name; do :; done\necho "$name" >>"$FAKE/users"\necho "useradd $*" >>"$FAKE/calls"\n',
  usermod: '#!/bin/sh\necho "usermod $*" >>"$FAKE/calls"\n',
  userdel: '#!/bin/sh\nsed -i "/^$1\\$/d" "$FAKE/users"\n',
  chown: '#!/bin/sh\necho "chown $*" >>"$FAKE/calls"\n',
  runuser: '#!/bin/sh\nshift 3\nexec "$@"\n',
  install: '#!/bin/bash\necho "install $*" >>"$FAKE/calls"\nwords=()\nwhile [ $# -gt 0 ]; do case $1 in -o | -g) shift 2 ;; *) words+=("$1"); shift ;; esac; done\nexec /usr/bin/install "${words[@]}"\n',
};

/** A host. Made by {@link HostRoot.make}. */
export class HostRoot {
  constructor(folder) {
    this.folder = folder;
    this.root = path.join(folder, 'root');
    this.fake = path.join(folder, 'fake');
    /** What the operator's sing-box ran with. @type {string} */
    this.config = undefined;
  }

  /** @param {{certificate: {certificatePath: string, keyPath: string}}} options @returns {Promise<HostRoot>} a host with a sing-box that runs */
  static async make({ certificate }) {
    const host = new HostRoot(await mkdtemp(path.join(tmpdir(), 'weir-host-')));
    const bin = path.join(host.folder, 'bin');
    for (const folder of [bin, host.fake, ...['etc/sing-box', 'etc/weir', 'var/lib/sing-box'].map((name) => host.in(name))]) await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(PLAYED)) {
      await writeFile(path.join(bin, name), text);
      await chmod(path.join(bin, name), 0o755);
    }
    await writeFile(path.join(host.fake, 'users'), 'sing-box\n');
    await host.setPolkit('126');
    const [port, apiPort] = await freePorts(2);
    const { services, ...template } = serverTemplate({ ports: { trojan: port }, certificate, apiPort, apiSecret: 'unused' });
    host.config = JSON.stringify(template);
    await writeFile(host.in('etc/sing-box/config.json'), host.config);
    // The operator's own settings, which are kept: here with the paths of this folder, and the kind of core as it is shipped.
    await writeFile(
      host.in('etc/weir/agent.toml'),
      [
        `state_dir = "${host.in('var/lib/weir')}"`,
        '[core]',
        'kind = "auto"',
        `binary = "${enginePath('sing-box')}"`,
        `template = "${host.in('etc/weir/template.json')}"`,
        `output = "${host.in('etc/sing-box/config.json')}"`,
        `cache_file = "${host.in('var/lib/sing-box/weir/cache.db')}"`,
        `working_dir = "${host.in('var/lib/sing-box')}"`,
        `api_port = ${apiPort}`,
        '',
      ].join('\n'),
    );
    host.env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, FAKE: host.fake, WEIR_ROOT: host.root, WEIR_PATIENCE: '20' };
    await host.systemctl('start', 'sing-box');
    return host;
  }

  /** @param {string} name @returns {string} a path on the host */
  in(name) {
    return path.join(this.root, name);
  }

  /** @param {string} name @returns {Promise<string|undefined>} a file's text, undefined if there is none */
  read(name) {
    return readFile(this.in(name), 'utf8').catch(() => undefined);
  }

  /** @param {string} name @returns {Promise<string>} a file's mode in octal, such as `2750` */
  async mode(name) {
    return ((await stat(this.in(name))).mode & 0o7777).toString(8);
  }

  /**
   * As `curl .. | sh -s -- ARGS`.
   *
   * @param {string} script
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   * @param {{signal: string, when: () => Promise<boolean>}} [interruption] sent to the shell as soon as that is so
   * @returns {Promise<{code: number|null, output: string}>}
   */
  pipe(script, args, env = {}, interruption) {
    return new Promise((resolve, reject) => {
      const child = spawn('dash', ['-s', '--', ...args], { env: { ...this.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
      let output = '';
      child.stdout.on('data', (data) => (output += data));
      child.stderr.on('data', (data) => (output += data));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output }));
      child.stdin.on('error', () => {});
      child.stdin.end(script);
      if (!interruption) return;
      until('the script is so far', interruption.when).then(() => child.kill(interruption.signal), (error) => {
        child.kill();
        reject(error);
      });
    });
  }

  /** @param {string|undefined} version of polkit on this host from now on; undefined if it has none */
  async setPolkit(version) {
    const file = path.join(this.fake, 'polkit');
    if (version === undefined) await rm(file);
    else await writeFile(file, `pkaction version ${version}\n`);
  }

  /** @param {...string} words @returns {Promise<number>} the exit code */
  systemctl(...words) {
    return new Promise((resolve) => execFile('systemctl', words, { env: this.env }, (error) => resolve(error?.code ?? 0)));
  }

  /** @param {string} unit @returns {Promise<boolean>} */
  async runs(unit) {
    return (await this.systemctl('is-active', unit)) === 0;
  }

  /** The installed agent's `status --json`. */
  async status() {
    return JSON.parse(await this.read('var/lib/weir/status.json'));
  }

  /** @returns {Promise<string[]>} commands that were played, since the last call */
  async calls() {
    const file = path.join(this.fake, 'calls');
    const calls = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await writeFile(file, '');
    return calls;
  }

  /** @returns {Promise<string>} the ends of what the services said */
  async logs() {
    const logs = await Promise.all(['weir-agent', 'sing-box'].map((unit) => readFile(path.join(this.fake, `${unit}.log`), 'utf8').catch(() => '')));
    return logs.map((log) => log.split('\n').slice(-20).join('\n')).join('\n---\n');
  }

  /** End what runs, and delete the folder. */
  async remove() {
    for (const unit of ['weir-agent', 'sing-box']) await this.systemctl('stop', unit);
    await rm(this.folder, { recursive: true, force: true });
  }
}
