/** Operators of each role, and their sessions as a browser has them. */
import assert from 'node:assert/strict';

/** Addresses of people who sign in: attempts are counted per address. */
let people = 0;

/**
 * Send the form of the login page, as a page of the panel's own and from an address of its own unless told.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {Record<string, string>} fields
 * @param {Record<string, string>} [headers]
 * @returns {Promise<import('./panel.mjs').Answer>}
 */
export function sendLogin(panel, fields, headers = {}) {
  people += 1;
  const address = `198.18.${Math.floor(people / 256) % 256}.${people % 256}`;
  const own = { origin: panel.url, 'cf-connecting-ip': address, 'content-type': 'application/x-www-form-urlencoded' };
  return panel.request('POST', '/login', { body: new URLSearchParams(fields).toString(), headers: { ...own, ...headers } });
}

/**
 * Somebody who is signed in.
 *
 * @typedef {{cookie: string, api: (method: string, where: string, body?: unknown, headers?: Record<string, string>) => Promise<import('./panel.mjs').Answer>}} Browser
 * `api` sends JSON as a page of the panel's own does
 */

/** @param {import('./panel.mjs').Panel} panel @param {import('./panel.mjs').Answer} answer of a sign-in @returns {Browser} */
export function browserOf(panel, answer) {
  assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/'], answer.text);
  const cookie = answer.headers.get('set-cookie').split(';')[0];
  const api = (method, where, body, headers = {}) =>
    panel.request(method, where, { body: body === undefined ? undefined : JSON.stringify(body), headers: { cookie, origin: panel.url, ...headers } });
  return { cookie, api };
}

/** @param {import('./panel.mjs').Panel} panel @param {string} name @param {string} password @returns {Promise<Browser>} */
export async function signIn(panel, name, password, headers = {}) {
  return browserOf(panel, await sendLogin(panel, { name, password }, headers));
}

/** @param {import('./panel.mjs').Panel} panel @returns {Promise<Browser>} the first operator, who is an owner */
export function signInOwner(panel) {
  return signIn(panel, panel.operator.username, panel.operator.password);
}

/**
 * Create an operator and sign him in.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {Browser} owner
 * @param {{name: string, role: string, user_allowance?: number, byte_allowance?: number}} operator
 * @returns {Promise<Browser & {id: number, name: string, password: string}>}
 */
export async function addOperator(panel, owner, operator) {
  const { status, body, text } = await owner.api('POST', '/api/v1/operators', operator);
  assert.equal(status, 201, text);
  return { ...(await signIn(panel, body.name, body.password)), id: body.id, name: body.name, password: body.password };
}

/**
 * Signs in as Marzban's clients do; `access_token` of the answer's body is the bearer.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {Record<string, string>} [fields] the first operator's unless told
 * @returns {Promise<import('./panel.mjs').Answer>}
 */
export function askToken(panel, fields = { username: panel.operator.username, password: panel.operator.password }) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return panel.request('POST', '/api/admin/token', { body: new URLSearchParams(fields).toString(), headers });
}
