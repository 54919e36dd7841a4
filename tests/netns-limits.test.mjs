/**
 * Limits over a line of 20 ms each way, in network namespaces of their own: panel, agent and core in one, clients in another.
 * What is tested is in `support/netns/limits.mjs`, which runs within. WEIR_REQUIRE_NETNS=1 makes it a failure that there can be none.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { ip, missing } from './support/netns/namespaces.mjs';

const WITHIN = path.join(import.meta.dirname, 'support/netns/limits.mjs');
const LIMIT_MS = 600_000;

const why = missing();
if (why && process.env.WEIR_REQUIRE_NETNS === '1') throw new Error(`WEIR_REQUIRE_NETNS=1, and there can be no network namespaces: ${why}`);
if (why) process.stderr.write(`\n!!! SKIPPED: limits over a line in network namespaces: ${why}\n\n`);

test('limits of speed and of devices hold over a line with a delay', { skip: why || false, timeout: LIMIT_MS }, async (context) => {
  const [host, client] = [`weir-host-${process.pid}`, `weir-client-${process.pid}`];
  try {
    for (const name of [host, client]) ip('netns', 'add', name);
    const { code, output } = await run('ip', ['netns', 'exec', host, process.execPath, '--test-reporter=spec', WITHIN, client]);
    for (const line of output.split('\n').filter(Boolean)) context.diagnostic(line);
    assert.equal(code, 0, output);
  } finally {
    for (const name of [host, client]) ip('netns', 'del', name);
  }
});

function run(program, args) {
  // Told that it is a test of its own, not a part of this one: its report is for people.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
