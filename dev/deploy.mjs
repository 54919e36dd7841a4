/**
 * `make deploy`: the panel on Cloudflare. A run that was killed is finished by the next one; docs/deploy.md says how it is used.
 *
 *   NAME=weir-staging              a deployment of its own: another Worker, another database
 *   DOMAIN='a.example b.example'   domains that lead to the panel
 *   DRY_RUN=1                      builds, says what would be done, and changes nothing
 *   NEW_LOGIN=1                    another password and API key for the first operator; everybody is signed out
 *   ROTATE=SLOT_KEY,AUTH_KEY       other secrets: what was handed out to users ends
 *   COMPROMISED=1                  all of that, and every other operator, API key and token ends: docs/security.md
 *   BACKUP=weir-backup             an R2 bucket for backups, made if it is not there; later runs keep it
 *   WEIR_HOME=DIR                  keeps ids, secrets and login in DIR/deploy instead of in .weir/deploy
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Trouble } from './home.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const started = performance.now();

function say(text) {
  const seconds = String(Math.floor((performance.now() - started) / 1000)).padStart(3);
  process.stderr.write(`deploy: [${seconds}s] ${text}\n`);
}

/** What would otherwise end in an error of somebody else's. */
function checkTools() {
  const needed = [
    ['node_modules/wrangler', 'npm packages are missing', 'make setup'],
    ['build/index.js', 'the Worker is not built', 'make build-worker'],
  ];
  for (const [file, what, cure] of needed) {
    if (!existsSync(path.join(ROOT, file))) throw new Trouble(`${what}: run ${cure}`);
  }
}

/** The end of a deployment, for the operator. */
function show(login, { addresses, file }) {
  const lines = addresses.map((url) => `panel     ${url}`);
  if (login) lines.push(`username  ${login.username}`, `password  ${login.password}`, `api key   ${login.api_key}`);
  const where = file && path.relative('', file);
  if (login) lines.push('', `shown once, and kept in ${where}`);
  else if (where) lines.push(`login     in ${where}`);
  else lines.push('login     not on this machine; NEW_LOGIN=1 makes another one');
  process.stdout.write(`\n${lines.map((line) => `  ${line}`.trimEnd()).join('\n')}\n\n`);
}

async function run() {
  checkTools();
  const { readWishes } = await import('./deploy/wishes.mjs');
  const { Deployment } = await import('./deploy/deployment.mjs');
  const wishes = readWishes(process.env);
  const deployment = new Deployment(wishes, say);
  if (!wishes.dryRun) return deployment.deploy(show);
  await deployment.rehearse();
  say('nothing was changed');
}

try {
  await run();
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  process.stderr.write(`deploy: error: ${error.message}\n`);
  process.exitCode = 1;
}
