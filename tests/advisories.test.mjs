/** `dev/advisories` against servers of this machine: what is found fails, what cannot be asked is one line, and neither is taken for the other. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { ROOT } from './support/panel.mjs';
import { freePort } from './support/ports.mjs';

const run = promisify(execFile);
/** What a registry tells of a weakness. */
const HIGH = { id: 9_000_001, url: 'https://advisories.example/1', title: 'Reads what it should not', severity: 'high', vulnerable_versions: '<999.0.0', cwe: [], cvss: { score: 8, vectorString: null } };

const URL_OF_DATABASE = 'https://advisories.example/database';

/** @returns {Promise<{code: number, out: string}>} */
async function advisories(args, env = {}) {
  const { code = 0, stdout, stderr } = await run(path.join(ROOT, 'dev/advisories'), args, { env: { ...process.env, ...env } }).catch((error) => error);
  assert.equal(stderr, '');
  return { code, out: stdout };
}

/** One line, without a stack. */
function assertPlain({ code, out }, tool, why) {
  assert.equal(code, 0, out);
  assert.match(out, new RegExp(`^advisories: ${tool}: not checked, because its server was not reached or has no such service: .*${why}.*\\n$`));
}

describe('npm', () => {
  /** What the registry answers to the question for weaknesses; every other path is a package. */
  let answer;
  let registry;
  let asked = [];
  /** npm keeps what it was told: not among what it knows of the world. */
  let cache;

  before(async () => {
    cache = await mkdtemp(path.join(tmpdir(), 'weir-npm-'));
    registry = createServer(async (request, response) => {
      for await (const chunk of request) void chunk;
      asked.push(`${request.method} ${request.url}`);
      const isAudit = request.url.includes('/security/');
      const name = decodeURIComponent(request.url.slice(1));
      const version = { name, version: '8.20.0', dependencies: {} };
      const [status, body] = isAudit ? answer() : [200, { name, 'dist-tags': { latest: '8.20.0' }, versions: { '8.20.0': version } }];
      if (status === undefined) return;
      response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    await new Promise((resolve) => registry.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    registry.closeAllConnections();
    registry.close();
    await rm(cache, { recursive: true, force: true });
  });

  const audit = (given, args = []) => {
    answer = given;
    asked = [];
    return advisories(['--only', 'npm', ...args], { npm_config_registry: `http://127.0.0.1:${registry.address().port}/`, npm_config_cache: cache, NODE_ENV: 'production', npm_config_offline: 'true' });
  };

  test('nothing is known: it says of how many packages, and they were asked for whatever the configuration says', async () => {
    const { code, out } = await audit(() => [200, {}]);
    assert.equal(code, 0, out);
    assert.match(out, /^advisories: npm: nothing known that counts, of (\d{2,}) packages\n$/);
    assert.ok(asked.some((request) => request.startsWith('POST ')), `${asked}`);
  });

  test('one that is high fails, with what it is', async () => {
    const { code, out } = await audit(() => [200, { ajv: [HIGH] }]);
    assert.equal(code, 1, out);
    assert.match(out, /^advisories: npm: ajv [^\n]*: high: Reads what it should not \(https:\/\/advisories\.example\/1\)/m);
  });

  test('a lesser one is counted and does not fail', async () => {
    const { code, out } = await audit(() => [200, { ajv: [{ ...HIGH, id: HIGH.id + 1, severity: 'moderate' }] }]);
    assert.equal(code, 0, out);
    assert.match(out, /nothing known that counts, of \d+ packages, [1-9]\d* of them weak in a lesser way\n$/);
  });

  for (const [what, given, why] of [
    ['has no such service (404)', () => [404, { error: 'not found' }], '404'],
    ['takes no such method (405)', () => [405, 'no'], '405'],
    ['fails (503)', () => [503, 'down'], '503'],
    ['answers with a page', () => [200, '<html>hello</html>'], 'json'],
  ]) {
    test(`a registry that ${what} is one line`, async () => assertPlain(await audit(given), 'npm', why));
  }

  test('a registry that never answers is waited for as long as was told', async () => {
    const began = Date.now();
    assertPlain(await audit(() => [], ['--limit', '2']), 'npm', '');
    assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`);
  });

  test('a refused connection is one line', async () => {
    const port = await freePort();
    assertPlain(await advisories(['--only', 'npm'], { npm_config_registry: `http://127.0.0.1:${port}/` }), 'npm', `127\\.0\\.0\\.1:${port}`);
  });
});

describe('cargo', () => {
  let folder;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'weir-advisories-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** A database of one advisory. */
  async function database(name, crate) {
    const where = path.join(folder, name);
    await mkdir(path.join(where, 'crates', crate), { recursive: true });
    const advisory = ['[advisory]', 'id = "RUSTSEC-2020-0001"', `package = "${crate}"`, 'date = "2020-01-01"', 'url = "https://advisories.example/2"', '', '[versions]', 'patched = [">= 999.0.0"]'];
    await writeFile(path.join(where, 'crates', crate, 'RUSTSEC-2020-0001.md'), ['```toml', ...advisory, '```', '', '# Reads what it should not', '', 'It does.', ''].join('\n'));
    const git = (...args) => run('git', ['-C', where, '-c', 'user.name=weir', '-c', 'user.email=weir@localhost', ...args]);
    await git('init', '-q', '-b', 'main');
    await git('add', '.');
    await git('commit', '-q', '-m', 'An advisory');
    // cargo deny wants the name of a host; git is told where that is.
    return { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: `url.file://${where}.insteadOf`, GIT_CONFIG_VALUE_0: URL_OF_DATABASE };
  }

  /** `deny.toml` with another database. */
  async function check(env, url = URL_OF_DATABASE) {
    const config = path.join(folder, 'deny.toml');
    const own = await readFile(path.join(ROOT, 'deny.toml'), 'utf8');
    assert.doesNotMatch(own, /^\[advisories\]/m, 'it would stand there twice');
    const lines = ['[advisories]', `db-urls = ["${url}"]`, `db-path = "${await mkdtemp(path.join(folder, 'databases-'))}"`];
    await writeFile(config, `${own}\n${lines.join('\n')}\n`);
    return advisories(['--only', 'cargo', '--deny', config], env);
  }

  test('nothing is known of our crates', async () => {
    const { code, out } = await check(await database('of-others', 'a-crate-that-nobody-uses'));
    assert.deepEqual([code, out], [0, 'advisories: cargo: nothing known that counts, of every crate\n']);
  });

  test('one that is known fails, with what it is', async () => {
    const { code, out } = await check(await database('of-ours', 'serde_json'));
    assert.equal(code, 1, out);
    assert.match(out, /^advisories: cargo: .*serde_json.*RUSTSEC-2020-0001: Reads what it should not/m);
  });

  test('a database that is not there is one line', async () => {
    assertPlain(await check({}, `https://localhost.localdomain:${await freePort()}/advisories`), 'cargo', 'localhost');
  });
});
