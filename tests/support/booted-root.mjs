/**
 * Debian in a folder, booted: a real systemd with D-Bus and polkit as first process of namespaces of its own. It shares this machine's
 * network, so a panel on 127.0.0.1 can be reached. Needs root, and a root file system as `debootstrap` makes it:
 *
 *     debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,libpam-systemd,polkitd,curl,procps bookworm FOLDER
 */
import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { enginePath } from './engines.mjs';
import { until } from './site.mjs';

/** Where this machine has cgroups of the second version; in hybrid set-ups beside those of the first. */
const CGROUP = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

const UNIT = `[Unit]
Description=sing-box
After=network.target
[Service]
User=sing-box
StateDirectory=sing-box
ExecStart=/usr/bin/sing-box -D /var/lib/sing-box -C /etc/sing-box run
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
[Install]
WantedBy=multi-user.target
`;

/** See the module's description. Made by {@link BootedRoot.boot}. */
export class BootedRoot {
  #first;
  #group;

  constructor(folder) {
    this.folder = folder;
  }

  /** @param {string} folder of the root file system; what a test before left in it goes on @returns {Promise<BootedRoot>} */
  static async boot(folder) {
    const root = new BootedRoot(folder);
    const base = CGROUP.find((candidate) => existsSync(path.join(candidate, 'cgroup.controllers')));
    if (!base) throw new Error('there are no cgroups of the second version');
    root.#group = path.join(base, 'weir-booted');
    await mkdir(root.#group, { recursive: true });
    const inside = [
      'mount --make-rprivate /',
      `mount --bind ${folder} ${folder}`,
      ...['proc:proc', 'sysfs:sys', 'cgroup2:sys/fs/cgroup', 'tmpfs:run', 'tmpfs:tmp'].map((pair) => {
        const [kind, where] = pair.split(':');
        return `mount -t ${kind} weir ${folder}/${where}`;
      }),
      `mkdir -p ${folder}/old`,
      `cd ${folder}`,
      'pivot_root . old',
      'umount -l /old',
      'exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=0',
    ];
    const script = `echo $$ >${root.#group}/cgroup.procs; exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child sh -ec '${inside.join('\n')}'`;
    const log = openSync(path.join(folder, 'boot.log'), 'w');
    root.#first = spawn('sh', ['-c', script], { stdio: ['ignore', log, log] });
    await until('systemd has booted', async () => /running|degraded/.test((await root.run('systemctl', 'is-system-running')).output));
    return root;
  }

  /** @param {string} name @returns {string} */
  in(name) {
    return path.join(this.folder, name);
  }

  /** A sing-box as its official package sets it up, running with this configuration. @param {object} config */
  async installSingBox(config) {
    await cp(enginePath('sing-box'), this.in('usr/bin/sing-box'));
    await this.must('sh', '-c', 'getent passwd sing-box || useradd --system --home-dir /var/lib/sing-box --shell /usr/sbin/nologin sing-box');
    await mkdir(this.in('etc/sing-box/tls'), { recursive: true });
    await writeFile(this.in('etc/sing-box/config.json'), JSON.stringify(config));
    await writeFile(this.in('etc/systemd/system/sing-box.service'), UNIT);
    await this.must('systemctl', 'daemon-reload');
    await this.must('systemctl', 'enable', '--now', 'sing-box');
  }

  /** @returns {string|undefined} the number out here of the process that is the first one inside */
  get #inside() {
    const { pid } = this.#first;
    try {
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] || undefined;
    } catch {
      return undefined;
    }
  }

  /** Run a program inside. @param {...string} words @returns {Promise<{code: number|null, output: string}>} */
  run(...words) {
    const pid = this.#inside;
    if (pid === undefined) return Promise.resolve({ code: null, output: '' });
    return new Promise((resolve) => {
      const child = spawn('nsenter', ['--target', pid, '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--root', '--wd=/', 'env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin', ...words]);
      let output = '';
      child.stdout.on('data', (data) => (output += data));
      child.stderr.on('data', (data) => (output += data));
      child.once('error', (error) => resolve({ code: null, output: String(error) }));
      child.once('close', (code) => resolve({ code, output }));
    });
  }

  /** The same, and it must succeed. @param {...string} words @returns {Promise<string>} what it said */
  async must(...words) {
    const { code, output } = await this.run(...words);
    if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${output}`);
    return output;
  }

  /** @param {string} name @returns {Promise<string|undefined>} */
  read(name) {
    return readFile(this.in(name), 'utf8').catch(() => undefined);
  }

  /** End everything inside. */
  async stop() {
    const pid = this.#inside;
    const ended = new Promise((resolve) => this.#first.once('exit', resolve));
    if (this.#first.exitCode === null && this.#first.signalCode === null) {
      // The first process of a namespace takes all others with it.
      process.kill(Number(pid ?? this.#first.pid), 'SIGKILL');
      await ended;
    }
    await rmdirAll(this.#group);
  }
}

/** Groups of processes are folders, the inner ones first. They are empty a moment after their processes have ended. */
async function rmdirAll(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) if (entry.isDirectory()) await rmdirAll(path.join(folder, entry.name));
  await until('the group is empty', () => rmdir(folder).then(() => true, () => false));
}
