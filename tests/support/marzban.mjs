/** Marzban's API as its clients call it: with the bearer of somebody, and refusals of its form. */
import assert from 'node:assert/strict';

import { addOperator, askToken, signInOwner } from './operators.mjs';

/**
 * Calls with the token of somebody.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} token
 * @returns {(method: string, where: string, body?: unknown) => Promise<import('./panel.mjs').Answer>}
 */
export const caller = (panel, token) => (method, where, body) =>
  panel.request(method, where, { key: token, body: body === undefined ? undefined : JSON.stringify(body) });

/**
 * The operators of the tests, each with his token: a sudo, two resellers (`shop`, `rival`) and a viewer.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @returns {Promise<Record<'sudo'|'shop'|'rival'|'viewer', string>>}
 */
export async function tokensOf(panel) {
  const owner = await signInOwner(panel);
  const token = async (fields) => (await askToken(panel, fields)).body.access_token;
  const add = async (name, role) => {
    const { password } = await addOperator(panel, owner, { name, role });
    return token({ username: name, password });
  };
  return { sudo: await token(), shop: await add('shop', 'reseller'), rival: await add('rival', 'reseller'), viewer: await add('looker', 'viewer') };
}

/** What a call answers that must work. @param {Promise<import('./panel.mjs').Answer>} answer */
export async function ok(answer) {
  const { status, body, text } = await answer;
  assert.equal(status, 200, text);
  return body;
}

/** A call that must be refused, with the whole body of the refusal. @returns {Promise<{detail: unknown}>} */
export async function refused(answer, status, detail) {
  const { status: got, body, text } = await answer;
  assert.equal(got, status, text);
  if (detail !== undefined) assert.deepEqual(body, { detail }, text);
  return body;
}

/** A call that must be refused for a field. @returns {Promise<string>} the rule */
export async function refusedFor(answer, field) {
  const { detail } = await refused(answer, 422);
  assert.deepEqual(Object.keys(detail), [field], JSON.stringify(detail));
  return detail[field];
}

export const NOT_ALLOWED = "You're not allowed";
