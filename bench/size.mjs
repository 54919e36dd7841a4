/** How big the two things are that an operator installs. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { ROOT } from '../tests/support/panel.mjs';
import { mebibytes, verdict } from './report.mjs';

const WASM = path.join(ROOT, 'build/index_bg.wasm');
const WASM_AIM = 1.5 * 1024 ** 2;
const AGENT_AIM = 5 * 1024 ** 2;

/** @returns {Promise<import('./report.mjs').Section>} */
export async function run() {
  const wasm = await readFile(WASM);
  const rows = [
    ['Worker, wasm', mebibytes(wasm.length), mebibytes(WASM_AIM), verdict(wasm.length, WASM_AIM)],
    ['Worker, wasm, gzip -9', mebibytes(gzipSync(wasm, { level: 9 }).length), '-', ''],
    ['  of it names of functions, uncompressed', mebibytes(nameSection(wasm)), '-', ''],
    ['Worker, JavaScript around it', mebibytes((await stat(path.join(ROOT, 'build/index.js'))).size), '-', ''],
  ];
  const agent = await stat(process.env.WEIR_AGENT_BIN).catch(() => null);
  if (agent) rows.push(['agent, stripped', mebibytes(agent.size), mebibytes(AGENT_AIM), verdict(agent.size, AGENT_AIM)]);
  return {
    title: 'Sizes',
    tables: [{ head: ['what', 'size', 'aim', ''], rows }],
    notes: agent ? [] : ['The agent is not built: make build-agent'],
  };
}

/** Bytes of the custom section `name`, which makes stack traces readable. */
function nameSection(wasm) {
  let at = 8; // magic and version
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = wasm[at];
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < wasm.length) {
    const id = wasm[at];
    at += 1;
    const length = number();
    const end = at + length;
    if (id === 0) {
      const letters = number();
      if (wasm.toString('latin1', at, at + letters) === 'name') return length;
    }
    at = end;
  }
  return 0;
}
