/** What every refusal of the panel has to be: a status, a sentence that tells nothing of our insides, and no trace in the database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

import { sha256Hex } from './panel.mjs';

/** Ten times what an answer takes on a busy machine. */
const HANG_LIMIT_MS = 30_000;

/** @param {string} message */
export function assertSentence(message) {
  assert.match(message, /\w+ \w+/, 'a sentence');
  assert.ok(message.length <= 400, `a sentence, not ${message.length} letters`);
  assert.doesNotMatch(message, /\bD1|SQL|panicked|\.rs\b|stack|struct |\b[iu](8|16|32|64)\b/i, 'nothing of our insides');
}

/**
 * The own API's answer is a refusal of this kind.
 *
 * @param {import('./panel.mjs').Answer} answer
 * @param {number} status
 * @param {string} code
 * @param {string} [field] the path that is wrong; without it there must be none
 */
export function assertRefused(answer, status, code, field) {
  const { error, ...rest } = answer.body ?? {};
  assert.deepEqual([answer.status, error?.code, error?.field], [status, code, field], answer.text);
  assert.deepEqual([Object.keys(rest), Object.keys(error).filter((key) => !['code', 'message', 'field'].includes(key))], [[], []]);
  assertSentence(error.message);
  if (status === 401) assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  assert.match(answer.headers.get('x-request-id'), /^[0-9a-f]{16}$/);
}

/**
 * Every row of every table, by table. Sign-ins that failed are left out: they are counted on purpose.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @returns {Promise<Record<string, object[]>>}
 */
export async function dump(panel) {
  const tables = await panel.db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name <> 'sign_ins' ORDER BY name")
    .all();
  const names = tables.results.map(({ name }) => name).filter((name) => !name.startsWith('sqlite_'));
  const rows = await panel.db.batch(names.map((name) => panel.db.prepare(`SELECT * FROM "${name}"`)));
  return Object.fromEntries(names.map((name, index) => [name, rows[index].results]));
}

/**
 * An API key of these scopes, entered as the operator would.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} scopes separated by spaces
 * @param {number|null} [expires] unix second
 * @returns {Promise<string>}
 */
export async function keyWith(panel, scopes, expires = null) {
  const key = `weir_${randomBytes(16).toString('hex')}`;
  await panel.db
    .prepare("INSERT INTO api_keys (hash, name, scopes, created_at, expires_at) VALUES (?1, 'test', ?2, 1, ?3)")
    .bind(sha256Hex(key), scopes, expires)
    .run();
  return key;
}

/**
 * Send the head of a request that announces a body, and nothing of the body: an answer cannot have waited for it.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} method
 * @param {string} where
 * @param {Record<string, string|number>} headers
 * @returns {Promise<number>} the status
 */
export function statusOfHead(panel, method, where, headers) {
  return new Promise((resolve, reject) => {
    const socket = connect(panel.port, '127.0.0.1');
    socket.setTimeout(HANG_LIMIT_MS, () => socket.destroy(new Error(`${method} ${where}: no answer to the head of a request`)));
    socket.once('data', (bytes) => {
      resolve(Number(bytes.toString('latin1').split(' ')[1]));
      socket.destroy();
    });
    socket.once('error', reject);
    const lines = Object.entries({ host: `127.0.0.1:${panel.port}`, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${where} HTTP/1.1\r\n${lines.join('')}\r\n`);
  });
}

/**
 * A body without a declared length, so many bytes of JSON white space.
 *
 * @param {number} length
 * @returns {ReadableStream<Uint8Array>}
 */
export function endless(length) {
  let left = length;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      const size = Math.min(left, 16 * 1024);
      left -= size;
      return controller.enqueue(new Uint8Array(size).fill(0x20));
    },
  });
}
