/** What a list costs in each format, for 1, 20 and 200 servers, as a ratio to Workers that do next to nothing, asked in the same seconds. */
import { startPanel } from '../tests/support/panel.mjs';
import { seedAgent, seedUsers } from '../tests/support/seed.mjs';
import { CONNECTIONS, floors, gets, measure, SLICE_MS } from './cpu.mjs';
import { FLOORS, startFloor } from './floor.mjs';
import { INBOUNDS, subscriptionPath } from './panels.mjs';
import { figure } from './report.mjs';

const SERVERS = [1, 20, 200];
const FORMATS = [
  'base64',
  'links',
  'mihomo',
  'stash',
  'clash',
  'sing-box',
  'sing-box-legacy',
  'xray',
  'outline',
  'sip008',
  'surge',
  'surfboard',
  'loon',
  'quanx',
];

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 5 }) {
  const floor = await startFloor(say);
  const panel = await startPanel();
  try {
    const [user] = await seedUsers(panel, 1);
    const columns = [];
    for (const servers of SERVERS) {
      say(`a panel with ${servers} servers`);
      await growTo(panel, servers);
      const path = await subscriptionPath(panel, user.name);
      const loads = floors(floor);
      const bytes = [];
      for (const format of FORMATS) {
        const load = gets(format, panel, { path: `${path}/${format}` });
        bytes.push((await load.sessions[0]()).length);
        loads.push(load);
      }
      const measured = await measure(loads, { rounds, say: (line) => say(`${servers} servers: ${line}`) });
      columns.push(measured.slice(FLOORS.length).map(({ ratio }, index) => ({ ratio: ratio('cpu', 1), bytes: bytes[index] })));
    }
    return section(columns, rounds);
  } finally {
    await panel.stop();
    await floor.stop();
  }
}

/** Each server is a node with one inbound, of the kinds in turn: a node is what makes the panel's work, not its name. */
async function growTo(panel, servers) {
  const { count } = await panel.db.prepare('SELECT count(*) AS count FROM nodes').first();
  for (let index = count; index < servers; index += 1) {
    const agent = await seedAgent(panel, { name: `node ${index}` });
    const { status } = await agent.sync({ inbounds: [INBOUNDS[index % INBOUNDS.length]] });
    if (status !== 200) throw new Error(`node ${index}: ${status}`);
  }
}

function section(columns, rounds) {
  const rows = FORMATS.map((format, index) => [
    format,
    ...columns.map((column) => figure(column[index].ratio)),
    ...columns.map((column) => figure(column[index].bytes / 1024)),
  ]);
  return {
    title: 'Subscriptions beside a Worker that reads one row of D1',
    tables: [
      {
        head: ['format', ...SERVERS.map((servers) => `CPU, ${servers}`), ...SERVERS.map((servers) => `KiB, ${servers}`)],
        rows,
      },
    ],
    notes: [
      `CPU: x that of the Worker that reads one row; the aim is 1.5. Medians of ${rounds} rounds, ${SLICE_MS / 1000} s each in turn, on ${CONNECTIONS} connections.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
