/**
 * Limits of speed that the kernel holds by nftables, in network namespaces of their own: panel, agent, core and clients in one, the
 * target in another behind a line. What is tested is in `support/netns/nft.mjs`, which runs within. WEIR_REQUIRE_NETNS=1 makes it a
 * failure that there can be none.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { ip, missing, runWithin } from './support/netns/namespaces.mjs';
import { missing as noNft } from './support/netns/tables.mjs';

const WITHIN = path.join(import.meta.dirname, 'support/netns/nft.mjs');
const LIMIT_MS = 600_000;

const why = missing() || noNft();
if (why && process.env.WEIR_REQUIRE_NETNS === '1') throw new Error(`WEIR_REQUIRE_NETNS=1, and limits by nft cannot be tested: ${why}`);
if (why) process.stderr.write(`\n!!! SKIPPED: limits of speed by nft in network namespaces: ${why}\n\n`);

test('the kernel holds users to their speed by nftables', { skip: why || false, timeout: LIMIT_MS }, async (context) => {
  const [host, target] = [`weir-nft-${process.pid}`, `weir-target-${process.pid}`];
  try {
    for (const name of [host, target]) ip('netns', 'add', name);
    const { code, output } = await runWithin(host, WITHIN, target);
    for (const line of output.split('\n').filter(Boolean)) context.diagnostic(line);
    assert.equal(code, 0, output);
  } finally {
    for (const name of [host, target]) ip('netns', 'del', name);
  }
});
