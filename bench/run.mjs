/**
 * `make bench`: measures what README and docs quote, and prints each figure beside its aim with the command that repeats it.
 *
 *     node bench/run.mjs [PART...] [--rounds N] [--seconds N] [--rate N]
 *
 * Without a part all of them. Nothing here fails because something was slow: a missed aim is printed as such, and who reads it decides.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { print, progress } from './report.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const RESULTS = path.join(ROOT, '.weir/bench.json');
const PARTS = ['rows', 'worker', 'pages', 'subscriptions', 'jobs', 'profile', 'sources', 'size', 'agent', 'times', 'limits'];

/** Where dev/build-agent puts it; the modules that run a node read this when they are loaded. */
process.env.WEIR_AGENT_BIN ??= path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
// All that is written meanwhile goes here, and with this process.
const folder = mkdtempSync(path.join(tmpdir(), 'weir-bench-'));
process.env.TMPDIR = folder;
// Processes that were started are ended by handlers of 'exit', which a signal alone would skip.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

await main();

async function main() {
  const { values, positionals } = readArguments();
  const wanted = positionals.length > 0 ? positionals : PARTS;
  // What was measured before stays until it is measured anew.
  const results = await readFile(RESULTS, 'utf8').then(JSON.parse).catch(() => ({}));
  const parts = await Promise.all(wanted.map(async (name) => [name, await import(`./${name}.mjs`)]));
  // After the handlers of those modules, which find in it what they have to end.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [name, part] of parts) {
    const section = await part.run({ ...values, say: (line) => progress(`${name}: ${line}`) });
    const again = ['node bench/run.mjs', name, ...Object.entries(values).map(([option, value]) => `--${option} ${value}`)].join(' ');
    print(section, `. .weir/env && ${again}`);
    results[name] = section;
  }
  await mkdir(path.dirname(RESULTS), { recursive: true });
  await writeFile(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  progress(`the same as JSON: ${path.relative(process.cwd(), RESULTS)}`);
  // Sockets that were kept alive must not hold up the end.
  process.exit(0);
}

function readArguments() {
  const usage = `usage: node bench/run.mjs [${PARTS.join('|')}...] [--rounds N] [--seconds N] [--rate N]`;
  try {
    const options = { rounds: { type: 'string' }, seconds: { type: 'string' }, rate: { type: 'string' } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const unknown = positionals.find((name) => !PARTS.includes(name));
    if (unknown) throw new Error(`there is no part ${unknown}`);
    const numbers = Object.entries(values).map(([name, text]) => {
      if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error(`--${name}: must be a whole number from 1 to 99999`);
      return [name, Number(text)];
    });
    return { values: Object.fromEntries(numbers), positionals };
  } catch (error) {
    process.stderr.write(`${error.message}\n${usage}\n`);
    return process.exit(2);
  }
}
