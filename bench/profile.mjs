/**
 * Where the Worker's own CPU goes: the runtime's profiler looks at its isolate while a request is repeated. It is as near
 * as can be seen to what the platform counts; but what the database of the same process does meanwhile is told as the isolate's.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ROOT } from '../tests/support/panel.mjs';
import { Connection } from './client.mjs';
import { FLOORS, startFloor } from './floor.mjs';
import { panelWithUsers, settledAgent, subscriptionPath } from './panels.mjs';
import { figure } from './report.mjs';
import { requestsOf, syncOf } from './requests.mjs';

const USERS = 10_000;
/** Microseconds between two looks. Each costs time that is counted too. */
const INTERVAL = 1000;
const REQUESTS = 300;
const WARM_UP = 100;
/** Where each profile is kept; Chrome's developer tools open such files. */
const FOLDER = path.join(ROOT, '.weir/profiles');
/** What asks for memory and gives it back in Wasm. */
const ALLOCATOR = /dlmalloc|__rdl_|__rust_(alloc|dealloc|realloc)/;
/** V8's names of what is no work of ours. */
const IDLE = new Set(['(idle)', '(program)', '(root)']);

/** @param {{say: (line: string) => void}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say }) {
  await mkdir(FOLDER, { recursive: true });
  const floor = await startFloor(say, { inspector: true });
  say(`a panel with ${USERS} users`);
  const { panel, users } = await panelWithUsers(USERS, { inspector: true, vars: { XPERT_LIMIT_FACTOR: '1000000' } });
  try {
    const floors = Object.fromEntries(FLOORS.map(({ what, path: at }) => [what, () => ({ path: at })]));
    const spent = [...(await profiled(floor, 'floor', floors, say)), ...(await profiled(panel, 'weir', await requests(panel, users), say))];
    return section(spent);
  } finally {
    await panel.stop();
    await floor.stop();
  }
}

/** @returns {Promise<Array<Spent & {what: string}>>} what each of a server's requests spent */
async function profiled(server, worker, every, say) {
  const inspector = await Inspector.open(await server.inspector(), worker);
  const connection = new Connection(server.url);
  const spent = [];
  for (const [what, next] of Object.entries(every)) {
    say(what);
    for (let index = 0; index < WARM_UP; index += 1) await connection.send(next());
    await inspector.call('Profiler.start');
    for (let index = 0; index < REQUESTS; index += 1) await connection.send(next());
    const { profile } = await inspector.call('Profiler.stop');
    await writeFile(path.join(FOLDER, `${what.replace(/[^a-z0-9]+/gi, '-')}.cpuprofile`), JSON.stringify(profile));
    spent.push({ what, ...read(profile) });
  }
  inspector.close();
  connection.end();
  return spent;
}

async function requests(panel, users) {
  await settledAgent(panel);
  // One that offers nothing, for each size of a report: links are those of one node, and numbers of reports go on.
  const sync = async (reported) => syncOf(await settledAgent(panel, []), users.slice(0, reported));
  const link = await subscriptionPath(panel, users[0].name);
  return {
    'sync, nothing to say': await sync(0),
    'sync with a report of 1 user': await sync(1),
    'sync with a report of 100 users': await sync(100),
    'sync with a report of 1,000 users': await sync(1000),
    'subscription, base64': () => ({ path: link }),
    'subscription, mihomo': () => ({ path: `${link}/mihomo` }),
    'subscription, sing-box': () => ({ path: `${link}/sing-box` }),
    ...(await requestsOf(panel, users)),
  };
}

/**
 * @typedef {{all: number, wasm: number, allocator: number, script: number, collector: number, most: string}} Spent milliseconds of a request (those of
 *   the allocator are Wasm's too), and where most of them go
 *
 * @returns {Spent}
 */
function read({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const spent = { wasm: 0, script: 0, collector: 0 };
  let allocator = 0;
  const functions = new Map();
  for (const [index, id] of samples.entries()) {
    const { functionName: name, url } = byId.get(id).callFrame;
    if (IDLE.has(name)) continue;
    const kind = name === '(garbage collector)' ? 'collector' : url.startsWith('wasm') ? 'wasm' : 'script';
    const time = timeDeltas[index] / 1000 / REQUESTS;
    spent[kind] += time;
    if (ALLOCATOR.test(name)) allocator += time;
    functions.set(name, (functions.get(name) ?? 0) + time);
  }
  const all = spent.wasm + spent.script + spent.collector;
  const most = [...functions].sort(([, a], [, b]) => b - a).slice(0, 3);
  return { ...spent, allocator, all, most: most.map(([name, time]) => `${name || '(anonymous)'} ${Math.round((100 * time) / all)} %`).join(', ') };
}

function section(spent) {
  const [, row] = spent;
  return {
    title: "CPU of the Worker's isolate",
    tables: [
      {
        head: ['request', 'ms', 'x one row', 'of it Wasm', 'its allocator', 'JavaScript', 'collector', 'most of it'],
        rows: spent.map(({ what, all, wasm, allocator, script, collector, most }) => [
          what,
          ...[all, all / row.all, wasm, allocator, script, collector].map(figure),
          most,
        ]),
      },
    ],
    notes: [
      `Means of ${REQUESTS} requests, one after the other, looked at every ${INTERVAL / 1000} ms, which costs time itself: the ratios say more.`,
      `Profiles: ${path.relative(process.cwd(), FOLDER)}/`,
    ],
  };
}

/** Chrome's protocol over one WebSocket. */
class Inspector {
  #socket;
  #waiting = new Map();
  #last = 0;

  static async open(url, worker) {
    const targets = await (await fetch(new URL('/json', url.href.replace(/^ws/, 'http')))).json();
    const target = targets.find(({ id, title }) => `${id} ${title}`.includes(worker)) ?? targets[0];
    const inspector = new Inspector();
    await inspector.#connect(target.webSocketDebuggerUrl);
    await inspector.call('Profiler.enable');
    await inspector.call('Profiler.setSamplingInterval', { interval: INTERVAL });
    return inspector;
  }

  #connect(url) {
    this.#socket = new WebSocket(url);
    this.#socket.addEventListener('message', ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const waiting = this.#waiting.get(id);
      if (!waiting) return;
      this.#waiting.delete(id);
      if (error) waiting.reject(new Error(error.message));
      else waiting.resolve(result);
    });
    return new Promise((resolve, reject) => {
      this.#socket.addEventListener('open', resolve);
      this.#socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
    });
  }

  call(method, params = {}) {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close() {
    this.#socket.close();
  }
}
