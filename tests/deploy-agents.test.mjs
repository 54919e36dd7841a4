/** The agents that `make deploy` uploads, as `dev/agent-files` puts them there; what builds one is played, because it takes minutes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';

import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT } from './support/panel.mjs';

const run = promisify(execFile);
const [OWN, OTHER] = process.arch === 'arm64' ? ['aarch64', 'x86_64'] : ['x86_64', 'aarch64'];

let checkout;

beforeEach(async () => {
  checkout = await mkdtemp(path.join(tmpdir(), 'weir-checkout-'));
  for (const folder of ['dev', '.weir']) await mkdir(path.join(checkout, folder));
  for (const file of ['dev/agent-files', 'dev/lib.sh']) await cp(path.join(ROOT, file), path.join(checkout, file));
});
afterEach(() => rm(checkout, { recursive: true, force: true }));

/** Put the agents of a version there. @returns {Promise<string>} what was said */
async function agentFiles(version, machines) {
  const { WEIR_AGENT_MACHINES: _, ...env } = process.env;
  const builder = path.join(checkout, 'dev/agent-static');
  await writeFile(builder, `#!/bin/sh\nprintf '%s' "$1 ${version}" >built && printf '%s/built\\n' "$PWD"\n`);
  await chmod(builder, 0o755);
  const { stderr } = await run(path.join(checkout, 'dev/agent-files'), { env: { ...env, ...(machines && { WEIR_AGENT_MACHINES: machines }) } });
  return stderr;
}

/** What the panel would serve. */
async function assertServed(version, machines) {
  const folder = path.join(checkout, 'public/agent');
  const names = machines.map((machine) => `weir-agent-${machine}-linux`);
  assert.deepEqual((await readdir(folder)).sort(), names.flatMap((name) => [name, `${name}.sha256`]).sort());
  for (const [index, name] of names.entries()) {
    const program = await readFile(path.join(folder, name), 'utf8');
    assert.equal(program, `${machines[index]} ${version}`);
    assert.equal(await readFile(path.join(folder, `${name}.sha256`), 'utf8'), `${sha256Hex(program)}  ${name}\n`);
  }
}

test('an agent that is served for another machine is built anew with each version, without being named again', async () => {
  await agentFiles('one');
  await assertServed('one', [OWN]);
  await agentFiles('two', `${OWN} ${OTHER}`);
  await agentFiles('three');
  await assertServed('three', [OWN, OTHER]);
});

test('an agent of a machine that is not named any more is taken away, which is said', async () => {
  await agentFiles('one', `${OWN} ${OTHER}`);
  const said = await agentFiles('two', OTHER);
  await assertServed('two', [OTHER]);
  assert.match(said, new RegExp(`weir-agent-${OWN}-linux is gone: .*WEIR_AGENT_MACHINES does not name ${OWN}\n`));
});
