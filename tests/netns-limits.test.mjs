/**
 * Limits over a line of 20 ms each way, in network namespaces of their own: panel, agent and core in one, clients in another.
 * What is tested is in `support/netns/limits.mjs`, which runs within. WEIR_REQUIRE_NETNS=1 makes it a failure that there can be none.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { ip, missing, runWithin } from './support/netns/namespaces.mjs';

const WITHIN = path.join(import.meta.dirname, 'support/netns/limits.mjs');
const LIMIT_MS = 600_000;

const why = missing();
if (why && process.env.WEIR_REQUIRE_NETNS === '1') throw new Error(`WEIR_REQUIRE_NETNS=1, and there can be no network namespaces: ${why}`);
if (why) process.stderr.write(`\n!!! SKIPPED: limits over a line in network namespaces: ${why}\n\n`);

test('limits of speed and of devices hold over a line with a delay', { skip: why || false, timeout: LIMIT_MS }, async (context) => {
  const [host, client] = [`weir-host-${process.pid}`, `weir-client-${process.pid}`];
  try {
    for (const name of [host, client]) ip('netns', 'add', name);
    const { code, output } = await runWithin(host, WITHIN, client);
    for (const line of output.split('\n').filter(Boolean)) context.diagnostic(line);
    assert.equal(code, 0, output);
  } finally {
    for (const name of [host, client]) ip('netns', 'del', name);
  }
});
