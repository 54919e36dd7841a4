/** Marzban's API as its clients call it: with the bearer of somebody, and refusals of its form. */
import assert from 'node:assert/strict';

import { addOperator, askToken, signInOwner } from './operators.mjs';

/**
 * Who calls in tests of users, each as `(method, where, body)`: `by(token)` anybody, `sudo`, `plain` the reseller `shop`; `make` adds a user as the sudo does.
 *
 * @param {() => {panel: import('./panel.mjs').Panel, tokens: Record<string, string>}} scene asked with each call: it is there before the panel is
 */
export function callers(scene) {
  const by = (token) => (method, where, body) => scene().panel.request(method, where, { key: token, body: body === undefined ? undefined : JSON.stringify(body) });
  const sudo = (...call) => by(scene().tokens.sudo)(...call);
  const plain = (...call) => by(scene().tokens.shop)(...call);
  const make = (username, more = {}) => ok(sudo('POST', '/api/user', { username, proxies: { vless: {} }, ...more }));
  return { by, sudo, plain, make };
}

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
