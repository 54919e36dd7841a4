/** The operator's tool as an operator runs it: `node dev/weir.mjs`. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { ROOT } from './panel.mjs';

/** Ten times what 2,000 users take on a busy machine. */
const HANG_LIMIT_MS = 900_000;

/**
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @param {string} [place] where the report is to stay; without it, it is read and goes
 * @returns {Promise<{code: number, out: string, err: string, report: object|undefined}>} `report` is the JSON of `--report`
 */
export async function weirTool(args, env = {}, place = undefined) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-tool-'));
  const file = place ?? path.join(folder, 'report.json');
  try {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', path.join(ROOT, 'dev/weir.mjs'), ...args, '--report', file], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HANG_LIMIT_MS,
    });
    const texts = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (data) => (texts.out += data));
    child.stderr.setEncoding('utf8').on('data', (data) => (texts.err += data));
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    const report = await readFile(file, 'utf8').then(JSON.parse, () => undefined);
    return { code, ...texts, report };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
