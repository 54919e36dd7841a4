/** Starts a panel with something on it and calls it by schemathesis; see dev/schemathesis. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { askToken, signInOwner } from '../tests/support/operators.mjs';
import { startPanel } from '../tests/support/panel.mjs';
import { seedAgent } from '../tests/support/seed.mjs';
import { startSource } from '../tests/support/sources.mjs';
import { roles } from '../openapi/roles.mjs';
import { documents } from './openapi.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPORT = path.join(ROOT, '.weir/report-schemathesis');
const SEED = Number(process.env.SEED ?? 1);
const LEAST = Number(process.env.CASES ?? 2000);
/** What must hold of every answer. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'ignored_auth',
];
/** Our own API takes nothing that its document forbids. Marzban's clients are used to more. */
const STRICT = ['negative_data_rejection', 'missing_required_header'];
/** Of the operator who is signed in: a bearer is refused there. */
const OF_SESSION = '^/api/v1/(me|keys)';
/** It would end the session by which it is called. */
const ENDS_ITSELF = 'endMySession';
/** WebSockets, which nothing here speaks. */
const SOCKETS = '/logs$';

function say(text) {
  process.stderr.write(`schemathesis: ${text}\n`);
}

/** A panel with users, a node that has told of itself, and a server that its sources and channels reach. */
async function startedPanel() {
  const friend = await startSource();
  friend.answer('/list', 'trojan://secret@one.example:443#One\n');
  const vars = { XPERT_SOURCES_ALLOW: friend.authority, XPERT_RESOLVER: `${friend.url}/dns-query`, XPERT_LIMIT_FACTOR: '1000', NOTIFY_PRIVATE: '1' };
  const panel = await startPanel({ bucket: true, vars, onLog: (_, line) => line.includes('request failed') && say(line) });
  const node = await seedAgent(panel, { name: 'Frankfurt' });
  for (const [name, more] of [
    ['ann', { plan: 'basic' }],
    ['bob', {}],
    ['cleo', { hold_seconds: 86_400 }],
  ])
    await panel.api('POST', '/api/v1/users', { name, ...more });
  await node.sync({ status: { core: 'sing-box' }, inbounds: [{ tag: 'vless-in', protocol: 'vless', port: 443, tls: true }] });
  const key = `weir_${randomBytes(16).toString('hex')}`;
  const scopes = [...new Set(Object.values(roles).map(({ scope }) => scope))].filter((scope) => !scope.startsWith('keys:')).join(' ');
  await panel.db
    .prepare('INSERT INTO api_keys (hash, name, scopes, created_at, last_used_at) VALUES (?1, ?2, ?3, unixepoch(), unixepoch())')
    .bind(createHash('sha256').update(key).digest('hex'), 'schemathesis', scopes)
    .run();
  return { panel, friend, key };
}

/** One run over a part of a document. @returns {Promise<{failed: boolean, cases: number}>} */
async function run(name, document, panel, headers, choice, { examples, checks }) {
  const file = path.join(REPORT, `${name}.json`);
  const events = path.join(REPORT, `${name}.ndjson`);
  await writeFile(file, JSON.stringify(document));
  const args = [
    '-m',
    'schemathesis.cli',
    'run',
    file,
    '--url',
    panel.url,
    '--checks',
    checks.join(),
    '--seed',
    String(SEED),
    '--generation-database',
    'none',
    '-n',
    String(examples),
    '--continue-on-failure',
    '--suppress-health-check',
    'all',
    '--warnings',
    'off',
    '--request-timeout',
    '30',
    '--no-color',
    '--report',
    'ndjson',
    '--report-ndjson-path',
    events,
    ...Object.entries(headers).flatMap(([header, value]) => ['-H', `${header}: ${value}`]),
    ...choice,
  ];
  const python = path.join(process.env.SCHEMATHESIS, 'bin/python');
  const status = await new Promise((resolve, reject) => {
    const child = spawn(python, args, { cwd: REPORT, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  const cases = (await readFile(events, 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .reduce((sum, event) => sum + casesIn(event), 0);
  say(`${name}: ${cases} cases, status ${status}`);
  return { failed: status !== 0, cases };
}

/** Cases of one event of a report. */
function casesIn(event) {
  const recorder = event.ScenarioFinished?.recorder;
  return recorder ? Object.keys(recorder.interactions ?? recorder.cases ?? {}).length : 0;
}

const known = Object.keys(documents());
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known;
const strange = wanted.find((name) => !known.includes(name));
if (strange) {
  say(`there is no document ${strange}: ${known.join(', ')}`);
  process.exit(2);
}
await rm(REPORT, { recursive: true, force: true });
await mkdir(REPORT, { recursive: true });
const { panel, friend, key } = await startedPanel();
let failed = false;
try {
  for (const name of wanted) {
    const document = documents()[name];
    const how = { examples: Math.ceil(LEAST / 100), checks: name === 'openapi' ? [...CHECKS, ...STRICT] : CHECKS };
    const flat = name.replace('/', '-');
    const runs = [];
    if (name === 'openapi') {
      const { cookie } = await signInOwner(panel);
      // Without TLS the cookie has another name.
      const local = structuredClone(document);
      local.components.securitySchemes.session.name = cookie.split('=')[0];
      runs.push(await run(flat, document, panel, { Authorization: `Bearer ${key}` }, ['--exclude-path-regex', OF_SESSION], how));
      runs.push(
        await run(
          `${flat}-session`,
          local,
          panel,
          { Cookie: cookie, Origin: panel.url },
          // The cookie is sent in any case: one that was made up beside it would seem to be let in.
          ['--include-path-regex', OF_SESSION, '--exclude-operation-id', ENDS_ITSELF, '--generation-with-security-parameters', 'false'],
          how,
        ),
      );
    } else {
      const { access_token: token } = (await askToken(panel)).body;
      runs.push(await run(flat, document, panel, { Authorization: `Bearer ${token}` }, ['--exclude-path-regex', SOCKETS], how));
    }
    const cases = runs.reduce((sum, one) => sum + one.cases, 0);
    if (cases < LEAST) say(`${name}: ${cases} cases are fewer than ${LEAST}`);
    failed ||= cases < LEAST || runs.some((one) => one.failed);
  }
} finally {
  await panel.stop();
  await friend.stop();
}
process.exitCode = failed ? 1 : 0;
