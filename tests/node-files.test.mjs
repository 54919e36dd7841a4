/**
 * A template that cannot be used, a port that is taken, and a core that passes its check and then exits: the running core and its
 * file stay or are put back byte for byte, and the reason stands on the nodes page until it is mended.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';

import { startLoop, until } from './support/loop.mjs';
import { signIn } from './support/machine.mjs';
import { leftOut } from './support/selection.mjs';

/** A file that the core did not take is tried again after 30 s. */
const LIMIT_MS = 300_000;
const timeout = 2 * LIMIT_MS;
const USERS = ['anna', 'boris', 'clara'];
/** His traffic brings a report each second, and with each the panel stores at once what the node says of itself. */
const PULSE = 'pulse';
const PROTOCOLS = ['trojan', 'vless'];
const RATE = 50_000;

let loop;
let cookie;

before(async () => {
  loop = await startLoop({ users: [...USERS, PULSE].map((name) => ({ name })), protocols: PROTOCOLS });
  cookie = (await signIn(loop.panel, loop.panel.operator)).cookie;
});
after(() => loop?.stop());

const inNode = (name) => path.join(loop.node.folder, name);
const coreFile = () => readFile(inNode('core/config.json'), 'utf8');
const lastError = async () => {
  // Whether it passes does not matter.
  await loop.lab.tcp({ user: PULSE, protocol: 'trojan', up: 10, down: 10 });
  return (await loop.nodeInPanel()).status.last_error;
};

/** The problems on the nodes page of an operator who is signed in, as a reader sees them. */
async function problems() {
  const { status, text } = await loop.panel.request('GET', '/nodes', { headers: { cookie } });
  assert.equal(status, 200);
  const entities = { lt: '<', gt: '>', amp: '&', quot: '"' };
  const plain = (html) => html.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replace(/&(lt|gt|amp|quot);/g, (_, name) => entities[name]);
  return [...text.matchAll(/<p class="problem" dir="auto">([^]*?)<\/p>/g)].map(([, problem]) => plain(problem));
}

/** Wait until the reason is what the API tells, and see it on the page. */
async function isTold(reason) {
  const told = await until(`told: ${reason}`, async () => [await lastError()].find((error) => reason.test(error)), { limitMs: LIMIT_MS });
  const shown = await until('on the nodes page', async () => (await problems()).find((problem) => reason.test(problem)), { limitMs: LIMIT_MS });
  assert.match(shown, /\(since \d{4}-/, told);
}

async function isOver() {
  await until('nothing is wrong', async () => (await lastError()) === '', { limitMs: LIMIT_MS });
  assert.deepEqual(await problems(), []);
}

/** The template with a change; the one that is there is not touched. */
function changed(change) {
  const template = structuredClone(loop.node.template);
  change(template);
  return template;
}

async function passes(user) {
  const { outcome } = await loop.lab.tcp({ user, protocol: 'trojan', up: 1000, down: 1000 });
  return outcome === 'complete';
}

/** The file beside the gates' states. */
function withoutGates(text) {
  const file = JSON.parse(text);
  for (const outbound of file.outbounds) if (outbound.type === 'selector') delete outbound.default;
  return file;
}

/** The panel has what the laboratory counted, to the byte. */
async function isExact() {
  const differences = async () => {
    const history = await loop.history();
    return USERS.flatMap((user) => {
      const { up, down } = loop.lab.account.sum({ user });
      const found = history.get(user);
      return found?.up === up.low && found?.down === down.low ? [] : [{ user, up, down, found }];
    });
  };
  await until('all bytes are in the panel', async () => (await differences()).length === 0).catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await differences())}`, { cause: error });
  });
}

test('a template that is broken while all runs cuts nobody, and gates go on in the file that is there', { timeout }, async () => {
  const { lab, node } = loop;
  const downloads = USERS.slice(1).map((user, index) => lab.download({ user, protocol: PROTOCOLS[index], rate: RATE }));
  await until('all download', () => downloads.every(({ startedAt }) => startedAt !== null));
  const [good, before] = [node.template, await loop.incarnation()];
  let file = await coreFile();
  const broken = [
    // What only we find, what a parser finds, and what only the core's own check finds.
    [JSON.stringify(changed((template) => (template.route.final = 'gone'))), /gone/],
    ['{ "inbounds": [', /the template is not a JSON object/],
    [JSON.stringify(changed((template) => (template.route.no_such_key = 1))), /no_such_key/],
  ];
  for (const [text, reason] of broken) {
    await writeFile(inNode('template.json'), text);
    await isTold(reason);
    assert.equal(await coreFile(), file, 'byte for byte');
    await loop.api('POST', '/api/v1/users/anna/disable');
    await until('anna is cut', async () => !(await passes('anna')));
    await until('and in the file', async () => (await coreFile()) !== file);
    assert.deepEqual(withoutGates(await coreFile()), withoutGates(file), 'all else stays');
    await loop.api('POST', '/api/v1/users/anna/enable');
    await until('anna passes', () => passes('anna'));
    await until('as before', async () => (await coreFile()) === file);
  }
  assert.deepEqual(await readdir(inNode('core')), ['config.json'], 'no half of another one');
  await node.writeTemplate(good);
  await isOver();
  assert.deepEqual(await loop.incarnation(), before, 'the core was never touched');
  await Promise.all(downloads.map((download) => download.stop()));
  assert.deepEqual(downloads.map((download) => download.broken), [null, null]);
  await loop.settled();
});

test('a port that is taken brings the old file and the core back, and is taken up when it is free', { timeout, skip: leftOut('port', 30) }, async () => {
  const { node } = loop;
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address();
  const [file, old] = [await coreFile(), await loop.incarnation()];
  await node.writeTemplate(changed(({ inbounds }) => inbounds.push({ type: 'mixed', tag: 'second', listen: '127.0.0.1', listen_port: port })));
  await isTold(/the last good one is back/);
  assert.equal(await coreFile(), file, 'byte for byte');
  assert.notDeepEqual(await loop.incarnation(), old, 'a core that could not start was started again');
  await until('anna passes', () => passes('anna'));
  await new Promise((resolve) => taken.close(resolve));
  await until('the core has the second inbound', async () => (await coreFile()).includes('"second"'), { limitMs: LIMIT_MS });
  await isOver();
  assert.ok(await passes('anna'));
});

test('a core that passes the check and then exits is put back, and the old template ends it as it was', { timeout, skip: leftOut('exits', 30) }, async () => {
  const { node } = loop;
  const [good, file] = [node.template, await coreFile()];
  const { atime, mtime } = await stat(inNode('template.json'));
  // The core opens its log when it starts, not when it checks.
  const exits = changed((template) => (template.log.output = '/nonexistent/core.log'));
  await writeFile(inNode('exits.json'), JSON.stringify(exits));
  await node.writeTemplate(exits);
  await isTold(/the last good one is back/);
  assert.equal(await coreFile(), file, 'byte for byte');
  await until('anna passes', () => passes('anna'));
  // As `mv` puts a copy back: nothing about the file is new.
  const back = await loop.incarnation();
  await node.writeTemplate(good);
  await utimes(inNode('template.json'), atime, mtime);
  await isOver();
  assert.deepEqual(await loop.incarnation(), back, 'for that nobody is cut');
  assert.equal(await coreFile(), file);
  await isExact();
});
