/** Callers of Marzban's API, each with the token that its sign-in gave him. */
import assert from 'node:assert/strict';

import { addOperator, signInOwner } from './operators.mjs';

/** Addresses of those who sign in: attempts are counted per address. */
let callers = 0;

/** @param {import('./panel.mjs').Panel} panel @param {Record<string, string>} fields of the form @returns {Promise<import('./panel.mjs').Answer>} */
export function askAt(panel, fields) {
  callers += 1;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': `198.19.${Math.floor(callers / 256)}.${callers % 256}` };
  return panel.request('POST', '/api/admin/token', { body: new URLSearchParams(fields).toString(), headers });
}

/**
 * Somebody who calls with a token.
 *
 * @typedef {(method: string, where: string, body?: unknown) => Promise<import('./panel.mjs').Answer>} Caller
 */

/** @param {import('./panel.mjs').Panel} panel @param {string} username @param {string} password @returns {Promise<Caller & {token: string}>} */
export async function callerOf(panel, username, password) {
  const { status, body, text } = await askAt(panel, { username, password });
  assert.equal(status, 200, text);
  const token = body.access_token;
  const call = (method, where, sent) => panel.request(method, where, { key: token, body: sent === undefined ? undefined : JSON.stringify(sent) });
  return Object.assign(call, { token });
}

/**
 * One caller of each role. Marzban's sudo are `owner` and `admin`; `reseller` is its plain admin.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @returns {Promise<{owner: Caller, admin: Caller, reseller: Caller, viewer: Caller}>}
 */
export async function callersOfEachRole(panel) {
  const callers = { owner: await callerOf(panel, panel.operator.username, panel.operator.password) };
  const browser = await signInOwner(panel);
  for (const role of ['admin', 'reseller', 'viewer']) {
    const { password } = await addOperator(panel, browser, { name: `of-${role}`, role });
    callers[role] = await callerOf(panel, `of-${role}`, password);
  }
  return callers;
}

/** @param {import('./panel.mjs').Answer} answer @param {number} status @param {unknown} detail */
export function assertDetail(answer, status, detail) {
  assert.deepEqual([answer.status, answer.body], [status, { detail }], answer.text);
}

/** A rule of a field was broken. @param {import('./panel.mjs').Answer} answer @param {string} field */
export function assertBreaks(answer, field) {
  assert.equal(answer.status, 422, answer.text);
  assert.deepEqual(Object.keys(answer.body), ['detail']);
  assert.deepEqual(Object.keys(answer.body.detail), [field], answer.text);
  assert.equal(typeof answer.body.detail[field], 'string');
}

export const NOT_ALLOWED = "You're not allowed";
