/** What every refusal of the panel has to be: a status, a sentence that tells nothing of our insides, and no trace in the database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

import { sha256Hex } from './panel-secrets.mjs';

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
 * Every row of every table, by table. Sign-ins that failed and the last uses of keys are left out: they are noted on purpose.
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
  return Object.fromEntries(names.map((name, index) => [name, rows[index].results.map(({ last_used_at: _, ...row }) => row)]));
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
 * Send a request in one piece over a connection of its own, and read the answer even if the panel closes before it has read
 * everything: `fetch` may fail then, because it notices first that it cannot write any more.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} method
 * @param {string} where
 * @param {Record<string, string|number>} headers the length, or the coding, is the caller's
 * @param {string|Uint8Array} [body] without it only the head is sent: an answer cannot have waited for a body
 * @returns {Promise<{status: number, body: unknown}>}
 */
export function sendRaw(panel, method, where, headers, body = '') {
  return new Promise((resolve, reject) => {
    const socket = connect(panel.port, '127.0.0.1');
    socket.setTimeout(HANG_LIMIT_MS, () => socket.destroy(new Error(`${method} ${where}: no answer`)));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (data) => {
      text += data;
      const [head, rest] = text.split('\r\n\r\n', 2);
      const length = /^content-length: *(\d+)/im.exec(head)?.[1];
      if (rest === undefined || Buffer.byteLength(rest) < Number(length)) return;
      socket.destroy();
      resolve({ status: Number(head.split(' ')[1]), body: /^content-type: *application\/json/im.test(head) ? JSON.parse(rest) : undefined });
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${method} ${where}: closed after ${JSON.stringify(text)}`)));
    const lines = Object.entries({ host: `127.0.0.1:${panel.port}`, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(Buffer.concat([Buffer.from(`${method} ${where} HTTP/1.1\r\n${lines.join('')}\r\n`), Buffer.from(body)]));
  });
}

/**
 * A body in the chunked coding, so that no header tells its length.
 *
 * @param {number} length bytes of JSON white space
 * @returns {Buffer}
 */
export function chunked(length) {
  const chunk = Buffer.alloc(16 * 1024, 0x20);
  const chunks = Array.from({ length: Math.ceil(length / chunk.length) }, () => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
  return Buffer.concat([...chunks.flat(), Buffer.from('0\r\n\r\n')]);
}
