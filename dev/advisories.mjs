/**
 * Whether weaknesses are known of what Weir is made from; `dev/advisories` says how it is called.
 *
 * Both tools end with 1 when they found something and when they could not ask, so their exit codes tell nothing: what each says in JSON does.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

/** Milliseconds after which a tool that was asked to end is ended. */
const GRACE = 2_000;
/** Longest reason that is printed, in letters. */
const LONGEST = 240;
/** Severities of npm that count. Every package is for development: none of them reaches a panel or a host. */
const COUNTS = ['high', 'critical'];

/**
 * What became of a check.
 *
 * @typedef {{asked: true, about: string, found: string[]} | {asked: false, why: string}} Outcome `found` has a line for each weakness
 */

/**
 * Run a tool with a limit.
 *
 * @param {string[]} command
 * @param {number} seconds after which it is ended, with everything that it started
 * @returns {Promise<{late: boolean, out: string, err: string}>}
 */
function run([program, ...args], seconds) {
  return new Promise((resolve, reject) => {
    // git, which fetches the database, would ask for a password.
    const env = { ...process.env, GIT_TERMINAL_PROMPT: '0' };
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = { late: false, out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => (ended.out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (ended.err += text));
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    };
    const timers = [
      setTimeout(() => {
        ended.late = true;
        end('SIGTERM');
      }, seconds * 1_000),
      setTimeout(() => end('SIGKILL'), seconds * 1_000 + GRACE),
    ];
    child.once('error', (error) => {
      timers.forEach(clearTimeout);
      reject(new Error(error.code === 'ENOENT' ? `${program} is missing: run make setup` : error.message));
    });
    child.once('close', () => {
      timers.forEach(clearTimeout);
      resolve(ended);
    });
  });
}

/** The first line of a tool's words, as a reason: without colours, and without what comes after it. */
function plain(words) {
  // eslint-disable-next-line no-control-regex
  const line = words.replace(/\u001b\[[0-9;]*m/g, '').split('\n').map((text) => text.trim()).find(Boolean) ?? 'it said nothing';
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const noAnswer = (seconds) => ({ asked: false, why: `no answer within ${seconds} s` });

/** @param {number} seconds @returns {Promise<Outcome>} */
async function npm(seconds) {
  // Whatever somebody's configuration says: all packages, and the registry itself. One that does not answer is not asked again.
  const given = ['--json', '--package-lock-only', '--include=dev', '--offline=false', '--fetch-retries=0', `--fetch-timeout=${seconds * 1_000}`];
  const { late, out, err } = await run(['npm', 'audit', ...given], seconds);
  if (late) return noAnswer(seconds);
  const said = json(out);
  if (said?.auditReportVersion) {
    const weak = Object.values(said.vulnerabilities).filter(({ severity }) => COUNTS.includes(severity));
    const { dependencies: { total } = {}, vulnerabilities: counts } = said.metadata;
    const lesser = counts.total - weak.length;
    const line = ({ name, severity, range, via, fixAvailable }) => {
      const why = via.map((cause) => (typeof cause === 'string' ? `by way of ${cause}` : `${cause.title} (${cause.url})`)).join('; ');
      const mend = fixAvailable === true ? 'npm audit fix mends it' : fixAvailable ? `mended by ${fixAvailable.name} ${fixAvailable.version}` : 'no newer version mends it';
      return `${name}${range && ` ${range}`}: ${severity}: ${why}; ${mend}`;
    };
    return { asked: true, about: `${total} packages${lesser > 0 ? `, ${lesser} of them weak in a lesser way` : ''}`, found: weak.map(line) };
  }
  // It was sent and not answered, or by something that is no audit: a registry may lack that service.
  if (typeof said?.message === 'string') return { asked: false, why: plain(said.message) };
  throw new Error(plain(said?.error?.summary || err || out));
}

/** @param {number} seconds @param {string} config @returns {Promise<Outcome>} */
async function cargo(seconds, config) {
  const { late, err } = await run(['cargo', 'deny', '--format', 'json', '--all-features', '--config', config, 'check', 'advisories'], seconds);
  if (late) return noAnswer(seconds);
  const lines = err.split('\n').map(json).filter(Boolean);
  // The summary comes when the database was read and every crate was looked up, and never before.
  const summary = lines.find(({ type }) => type === 'summary')?.fields.advisories;
  if (summary) {
    const told = lines.filter(({ type, fields }) => type === 'diagnostic' && fields.severity === 'error');
    const line = ({ fields: { code, message, advisory, labels = [] } }) =>
      `${labels[0]?.span ?? advisory?.package ?? 'a crate'}: ${advisory?.id ?? code}: ${message}${advisory?.id ? ` (https://rustsec.org/advisories/${advisory.id})` : ''}`;
    // Whatever it counts as an error is one, told or not.
    const found = told.length > 0 || summary.errors === 0 ? told.map(line) : [`${summary.errors} that cargo deny does not tell of`];
    return { asked: true, about: 'every crate', found };
  }
  const trouble = lines.filter(({ type, fields }) => type === 'log' && fields.level === 'ERROR').map(({ fields }) => fields.message);
  const unread = trouble.find((message) => /failed to fetch advisory database/.test(message));
  // git says why on a line of its own; before it stands how it was called.
  if (unread) return { asked: false, why: plain(/^fatal: (.*)$/m.exec(unread)?.[1] ?? unread) };
  throw new Error(plain(trouble[0] ?? err));
}

const { values } = parseArgs({ options: { limit: { type: 'string', default: '120' }, only: { type: 'string' }, deny: { type: 'string', default: 'deny.toml' } } });
const seconds = Number(values.limit);
if (!Number.isInteger(seconds) || seconds < 1 || ![undefined, 'cargo', 'npm'].includes(values.only)) {
  process.stderr.write('advisories: see dev/advisories --help\n');
  process.exit(2);
}

// Side by side, so that two servers that do not answer are waited for once.
const checks = { cargo: () => cargo(seconds, values.deny), npm: () => npm(seconds) };
const wanted = Object.entries(checks).filter(([name]) => name === (values.only ?? name));
const outcomes = await Promise.allSettled(wanted.map(([, check]) => check()));
outcomes.forEach(({ value, reason }, at) => {
  const [name] = wanted[at];
  const tell = (text) => process.stdout.write(`advisories: ${name}: ${text}\n`);
  if (reason) {
    tell(`does not work: ${plain(reason.message)}`);
    process.exitCode = 2;
  } else if (!value.asked) {
    tell(`not checked, because its server was not reached or has no such service: ${value.why}`);
  } else if (value.found.length === 0) {
    tell(`nothing known that counts, of ${value.about}`);
  } else {
    for (const line of value.found) tell(line);
    process.exitCode ||= 1;
  }
});
