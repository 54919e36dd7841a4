/** What a fetch of somebody else's subscription costs the Worker, by its length: the free plan allows 10 ms of CPU a run. */
import { startPanel } from '../tests/support/panel.mjs';
import { startSource } from '../tests/support/sources.mjs';
import { usedExactly } from './process.mjs';
import { figure, median } from './report.mjs';

/** Links of an answer; the last one is as long as an answer may be, 2 MiB. */
const LINKS = [20, 200, 2_000, 14_000];

/** Fetches of a round. */
const FETCHES = 10;

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  const source = await startSource();
  const panel = await startPanel({ vars: { XPERT_SOURCES_ALLOW: source.authority, XPERT_RESOLVER: `${source.url}/dns-query` } });
  try {
    const rows = [];
    for (const links of LINKS) {
      say(`${links} links`);
      const body = list(links);
      source.answer('/list', body);
      const { id } = await ask(panel, 200, 'POST', '/api/xpert/sources', { name: `of ${links}`, url: `${source.url}/list` });
      const times = [];
      for (let round = -1; round < rounds; round += 1) {
        const { cpu } = await usedExactly(panel.pid, async () => {
          for (let fetch = 0; fetch < FETCHES; fetch += 1) await ask(panel, 200, 'POST', '/api/xpert/update', { id });
        });
        if (round >= 0) times.push(cpu / FETCHES);
      }
      rows.push([String(links), figure(body.length / 1024), figure(median(times) * 1000)]);
      await ask(panel, 200, 'DELETE', `/api/xpert/sources/${id}`);
    }
    return section(rows, rounds);
  } finally {
    await panel.stop();
    await source.stop();
  }
}

/** In base64, as most are. */
const list = (links) =>
  Buffer.from(
    Array.from({ length: links }, (_, at) => `vless://5783a3e7-e373-51cd-8642-c83782b8${String(at % 9000).padStart(4, '0')}@n${at}.example:443?security=tls&sni=n${at}.example#N${at}`).join('\n'),
  ).toString('base64');

async function ask(panel, expected, method, path, body) {
  const { status, body: said, text } = await panel.api(method, path, body);
  if (status !== expected) throw new Error(`${method} ${path}: ${status} ${text}`);
  return said?.source ?? said;
}

function section(rows, rounds) {
  return {
    title: 'A fetch of a source',
    tables: [{ head: ['links', 'KiB', 'CPU ms'], rows }],
    notes: [
      `Medians of ${rounds} rounds of ${FETCHES} fetches. 500 links are kept of an answer, unless the source says otherwise; all are read.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
