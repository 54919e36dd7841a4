/** The times that Weir promises, on a whole node: panel, agent, sing-box, and a client core that speaks for the users. */
import { setTimeout as sleep } from 'node:timers/promises';

import { MIB, startLoop } from '../tests/support/loop.mjs';
import { freePorts } from '../tests/support/ports.mjs';
import { USER_PROTOCOLS } from '../tests/support/singbox-config.mjs';
import { readStatus, settledStatus } from '../tests/support/singbox-status.mjs';
import { startSingBox } from '../tests/support/singbox.mjs';
import { figure, median, percentile, verdict } from './report.mjs';
import { select } from './select.mjs';

const QUOTA = 50 * MIB;
const RATE = 20 * MIB;
const CUT_AIM_MS = 2000;
const SWITCH_AIM_MS = 8;
/** Of one look at a counter or a gate; it is the resolution of what is measured by looking. */
const LOOK_MS = 2;
/** Between a download that broke and the next attempt. */
const RETRY_MS = 100;
const SETTLE_MS = 100;
const SWITCHES = 30;
/** Of each kind: 201 clicks. */
const CLICKS = 67;
const CLICK_AIM_MS = 1000;
/** What a user needs for being cut and set back. */
const SMALL_QUOTA = 2 * MIB;
const HANG_LIMIT_MS = 30_000;
/** Production's own: only the doorbell may make a node hear of a change earlier. */
const VARS = { SYNC_SECONDS: '30', REPORT_SECONDS: '900' };

/** @param {{say: (line: string) => void, rounds?: number}} options rounds of cuts @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 2 }) {
  const cutUsers = USER_PROTOCOLS.flatMap((protocol) =>
    Array.from({ length: rounds }, (_, round) => ({ name: `cut-${protocol}-${round}`, protocol })),
  );
  const unlimited = ['steady', 'switched', 'changed'].map((name) => ({ name }));
  const spent = { name: 'spent', monthly_quota: SMALL_QUOTA };
  const users = [...cutUsers.map(({ name }) => ({ name, monthly_quota: QUOTA })), ...unlimited, spent];
  say('a panel, a node and a client');
  const loop = await startLoop({ users, vars: VARS });
  try {
    const before = await loop.incarnation();
    const cuts = [];
    for (const [index, user] of cutUsers.entries()) {
      say(`cut ${index + 1} of ${cutUsers.length}: ${user.protocol}`);
      cuts.push(await cut(loop, user));
    }
    say(`${SWITCHES} gate switches`);
    const switches = { ...(await gateSwitches(loop)), bare: await bareSwitches() };
    say(`${3 * CLICKS} clicks in the panel`);
    const changes = await panelChanges(loop, say);
    const after = await loop.incarnation();
    return section({ cuts, switches, changes, reloaded: before.startedAt !== after.startedAt });
  } finally {
    await loop.stop();
  }
}

/**
 * A user downloads over his quota while another one's download runs on the same inbound. What counts is the core's own figure: what is
 * on its way to the client, or gets lost with a connection that is cut, is used as well.
 */
async function cut(loop, { name, protocol }) {
  const { lab, node } = loop;
  const before = await settledStatus(node.api);
  const bystander = lab.download({ user: 'steady', protocol, rate: MIB });
  const total = ({ uplinkTotal, downlinkTotal }) => uplinkTotal + downlinkTotal;
  const used = (status) => total(status) - total(before) - bystander.received;
  const deadline = performance.now() + HANG_LIMIT_MS;
  let crossed = null;
  const watching = (async () => {
    while (crossed === null) {
      if (used(await readStatus(node.api)) >= QUOTA) crossed = performance.now();
      else if (performance.now() > deadline) throw new Error(`${name} did not use his quota within ${HANG_LIMIT_MS / 1000} s`);
    }
  })();
  const attempts = [];
  const downloading = (async () => {
    while (crossed === null || !attempts.at(-1)?.refused) {
      if (performance.now() > deadline) throw new Error(`${name} was not refused within ${HANG_LIMIT_MS / 1000} s`);
      const attempt = lab.download({ user: name, protocol, rate: RATE });
      attempts.push(attempt);
      await attempt.ended;
      await sleep(RETRY_MS);
    }
  })();
  await Promise.all([watching, downloading]);
  await bystander.stop();
  const breaks = attempts.flatMap(({ broken }) => (broken ? [broken.at] : []));
  return {
    // Of a user whose connection was cut at the very byte the crossing is seen a moment later.
    ended: Math.max(0, breaks.at(-1) - crossed),
    refused: attempts.at(-1).refused.at - crossed,
    overshoot: used(await settledStatus(node.api)) - 1 - QUOTA,
    interrupted: breaks.filter((at) => at < crossed).length,
    bystanderBroken: bystander.broken !== null,
  };
}

/** The switch alone: the call to the core, and until the user's connection has ended at his client. */
async function gateSwitches(loop) {
  const slot = (await loop.slots()).get('switched');
  const calls = [];
  const ends = [];
  for (let index = 0; index < SWITCHES; index += 1) {
    const connection = loop.lab.idle({ user: 'switched', protocol: 'trojan' });
    await connection.ready;
    const start = performance.now();
    await select(loop.node.api, `weir:${slot}`, 'weir-refuse');
    calls.push(performance.now() - start);
    await connection.ended;
    ends.push(connection.broken.at - start);
    await select(loop.node.api, `weir:${slot}`, 'direct');
  }
  return { calls, ends };
}

/** The same call to a core that keeps no choices over a restart: what is more than this is its file. */
async function bareSwitches() {
  const [listenPort, apiPort] = await freePorts(2);
  const api = { apiPort, apiSecret: 'of the benchmark' };
  const members = ['direct', 'block'];
  const config = {
    log: { level: 'error' },
    inbounds: [{ type: 'mixed', tag: 'in', listen: '127.0.0.1', listen_port: listenPort }],
    outbounds: [
      ...members.map((type) => ({ type, tag: type })),
      { type: 'selector', tag: 'gate', outbounds: members, default: 'direct', interrupt_exist_connections: true },
    ],
    services: [{ type: 'api', tag: 'api', listen: '127.0.0.1', listen_port: apiPort, secret: api.apiSecret }],
  };
  const core = await startSingBox({ config, readyPort: apiPort });
  const calls = [];
  try {
    for (let index = 0; index < SWITCHES; index += 1) {
      const start = performance.now();
      await select(api, 'gate', members[(index + 1) % 2]);
      calls.push(performance.now() - start);
    }
  } finally {
    await core.stop();
  }
  return calls;
}

/**
 * From a click in the panel to its effect at the client; nothing but the doorbell can be so quick. The floor is what no doorbell could
 * take away, measured in the same rounds: the panel's own answer, an empty request (the sync that follows a ring is one), and a switch of the gate.
 */
async function panelChanges(loop, say) {
  const [answered, requests, switches] = [[], [], []];
  const clicks = { disable: [], enable: [], reset: [] };
  const slot = (await loop.slots()).get('switched');
  while (clicks.reset.length < CLICKS) {
    const connection = loop.lab.idle({ user: 'changed', protocol: 'trojan' });
    await connection.ready;
    // The switch that has opened the gate may still end a connection that came at the same instant.
    await sleep(SETTLE_MS);
    if (connection.broken) continue;
    const disabled = performance.now();
    await loop.api('POST', '/api/v1/users/changed/disable');
    answered.push(performance.now() - disabled);
    await connection.ended;
    clicks.disable.push(connection.broken.at - disabled);
    clicks.enable.push(await opens(loop, 'changed', 'enable'));
    await spend(loop);
    clicks.reset.push(await opens(loop, 'spent', 'reset'));
    requests.push(await took(() => loop.panel.request('GET', '/health')));
    switches.push(await took(() => select(loop.node.api, `weir:${slot}`, 'direct')));
    if (clicks.reset.length % 20 === 0) say(`${3 * clicks.reset.length} clicks`);
  }
  const floor = [answered, requests, switches].map(median).reduce((sum, one) => sum + one, 0);
  return { answered, floor, clicks };
}

async function took(act) {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

/** A click that lets a user pass, until he does. */
async function opens(loop, name, action) {
  return took(async () => {
    await loop.api('POST', `/api/v1/users/${name}/${action}`);
    await until(`${name} passes`, async () => (await passes(loop, name)) === 'complete');
  });
}

/** A user uses up his quota, and the panel knows. */
async function spend(loop) {
  await until('the quota is used', async () => (await loop.lab.tcp({ user: 'spent', protocol: 'trojan', down: SMALL_QUOTA, lingerMs: 0 })).outcome !== 'complete');
  await until('the panel knows', async () => (await loop.api('GET', '/api/v1/users/spent')).status === 'limited');
}

/** One byte asked for and received. */
async function passes({ lab }, user) {
  return (await lab.tcp({ user, protocol: 'trojan', down: 1, lingerMs: 0 })).outcome;
}

async function until(what, look) {
  const deadline = performance.now() + HANG_LIMIT_MS;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${HANG_LIMIT_MS / 1000} s`);
    await sleep(LOOK_MS);
  }
}

function section({ cuts, switches, changes, reloaded }) {
  const row = (what, numbers, aim) => {
    const typical = median(numbers);
    const [wanted, missed] = aim === undefined ? ['-', ''] : [figure(aim), verdict(typical, aim)];
    return [what, figure(Math.min(...numbers)), figure(typical), figure(Math.max(...numbers)), wanted, missed];
  };
  const all = Object.values(changes.clicks).flat();
  const click = (what, numbers, aim) => {
    const worst = percentile(numbers, 99);
    const [wanted, missed] = aim === undefined ? ['-', ''] : [figure(aim), verdict(worst, aim)];
    return [what, figure(Math.min(...numbers)), figure(median(numbers)), figure(worst), figure(Math.max(...numbers)), wanted, missed];
  };
  const overshoots = cuts.map(({ overshoot }) => overshoot / 1024);
  const interruptions = cuts.reduce((sum, { interrupted }) => sum + interrupted, 0);
  const broken = cuts.filter(({ bystanderBroken }) => bystanderBroken).length;
  return {
    title: 'Promised times',
    tables: [
      {
        head: ['from .. to, in ms', 'best', 'median', 'worst', 'aim', ''],
        rows: [
          row('crossing of the quota .. connection ended', cuts.map((one) => one.ended), CUT_AIM_MS),
          row('crossing of the quota .. next connection refused', cuts.map((one) => one.refused), CUT_AIM_MS),
          row('gate switch: call .. answer of the core', switches.calls, SWITCH_AIM_MS),
          row('gate switch: call .. connection ended at the client', switches.ends),
          row('gate switch of a core without cache file: call .. answer', switches.bare),
        ],
      },
      {
        title: `${all.length} clicks in the panel, by the doorbell`,
        head: ['from the click to its effect, in ms', 'best', 'median', 'p99', 'worst', 'aim of p99', ''],
        rows: [
          click('user disabled: connection ended at the client', changes.clicks.disable),
          click('user enabled: first byte at the client', changes.clicks.enable),
          click('user reset who was at his quota: first byte at the client', changes.clicks.reset),
          click('all of them', all, CLICK_AIM_MS),
          click('answer of the panel', changes.answered),
        ],
      },
    ],
    notes: [
      `${cuts.length} cuts over ${USER_PROTOCOLS.join(', ')}: ${QUOTA / MIB} MiB of quota at ${RATE / MIB} MiB/s.` +
        ` Overshoot: median ${figure(median(overshoots))} KiB, most ${figure(Math.max(...overshoots))} KiB.`,
      `Before the crossing ${interruptions} of their connections broke: a limit was reached before the answer that raised it.`,
      `Downloads of another user on the same inbound that broke: ${broken}. The core was reloaded: ${reloaded ? 'yes' : 'no'}.`,
      `The floor of a click in this run: ${figure(changes.floor)} ms, the panel's answer, an empty request and a switch of a gate one after` +
        ` another; the median click took ${figure(median(all) / changes.floor)} times that.`,
      `Syncs every ${VARS.SYNC_SECONDS} s, so a change that arrives earlier came by the doorbell.`,
    ],
  };
}
