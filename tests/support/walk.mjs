/** What a walk over the routes needs: a panel with something to find, strangers who look for it, and a look at every answer. */
import assert from 'node:assert/strict';

import { jwt } from './jwt.mjs';
import { addOperator, askToken, signIn } from './operators.mjs';
import { sha256Hex } from './panel-secrets.mjs';
import { keyWith } from './refusals.mjs';

/** What everything is named that a stranger must not learn of. */
export const SECRET = 'zebra';

/** What stands for a parameter where it matters that there is such a thing; `SECRET` where nothing else is said. */
const THINGS = [
  [/^(.*\/users?)\/\{x\}/, `$1/${SECRET}`],
  [/\/reset_traffic\/\{x\}/, `/reset_traffic/${SECRET}`],
  [/\/devices\/\{x\}|\/packages\/\{x\}/, (text) => text.replace('{x}', '1')],
  [/\/plans\/\{x\}/, '/plans/free'],
  [/\/settings\/\{x\}/, '/settings/sharing'],
  [/\/operators\/\{x\}/, `/operators/${SECRET}`],
  [/\/admin\/\{x\}/, `/admin/${SECRET}`],
  [/\/usage\/(reset\/)?\{x\}/, `/usage/$1${SECRET}`],
  [/\/jobs\/\{x\}/, '/jobs/pool'],
  [/\/deliveries\/\{x\}/, '/deliveries/1-1'],
  [/\{x\}/g, '1'],
];
/** @param {string} where of the table @returns {string} with things that there are in the place of its parameters */
export const real = (where) => THINGS.reduce((text, [pattern, thing]) => text.replace(pattern, thing), where);

/**
 * Enter one of everything, each with {@link SECRET} in it.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {{owner: import('./operators.mjs').Browser, token: string}} callers
 */
export async function furnish(panel, { owner, token }) {
  const made = async (where, body) => {
    const { status, text } = await owner.api('POST', where, body);
    assert.ok([200, 201].includes(status), `${where}: ${text}`);
  };
  await made('/api/v1/users', { name: SECRET, note: SECRET });
  await made('/api/v1/operators', { name: SECRET, role: 'viewer' });
  await made('/api/v1/channels', { name: SECRET, webhook: { url: `https://${SECRET}.example/hook` } });
  await made('/api/xpert/sources', { name: SECRET, url: `https://${SECRET}.example/list` });
  await made('/api/xpert/direct-configs', { raw: `trojan://${SECRET}@${SECRET}.example:443#${SECRET}` });
  const template = await panel.request('POST', '/api/user_template', { key: token, body: JSON.stringify({ name: SECRET, inbounds: {} }) });
  assert.equal(template.status, 200, template.text);
}

/**
 * Credentials that were good once, or look as if they were, by what is wrong with them.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {{owner: import('./operators.mjs').Browser, token: string, node: {key: string}}} good
 * @returns {Promise<{bearers: Record<string, string>, cookies: Record<string, string>}>}
 */
export async function strangers(panel, { owner, token, node }) {
  const person = await addOperator(panel, owner, { name: 'left', role: 'owner' });
  const [ended, expired] = [await signIn(panel, 'left', person.password), await signIn(panel, 'left', person.password)];
  const { body: { access_token: endedToken } } = await askToken(panel, { username: 'left', password: person.password });
  const gone = await keyWith(panel, 'users:read users:write');
  const hashOf = ({ cookie }) => sha256Hex(cookie.split('=')[1]);
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  await panel.db.batch([
    panel.db.prepare('DELETE FROM api_keys WHERE hash = ?1').bind(sha256Hex(gone)),
    panel.db.prepare('UPDATE sessions SET expires_at = unixepoch() WHERE hash = ?1').bind(hashOf(expired)),
    panel.db.prepare('DELETE FROM sessions WHERE hash = ?1 OR hash = ?2').bind(hashOf(ended), sha256Hex(JSON.parse(Buffer.from(endedToken.split('.')[1], 'base64url')).jti)),
  ]);
  const disabled = await addOperator(panel, owner, { name: 'shut', role: 'owner' });
  assert.equal((await owner.api('POST', '/api/v1/operators/shut/disable')).status, 200);
  const bearers = {
    'made up': 'weir_00000000000000000000000000000000',
    'of no form': 'nonsense',
    'expired': await keyWith(panel, 'users:read users:write nodes:read', 1),
    'deleted': gone,
    "a node's": node.key,
    'a token whose session ended': endedToken,
    'a token of another signer': jwt('0'.repeat(64), claims),
    'a token of none': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`,
  };
  const cookies = { 'made up': `sid=${'a'.repeat(64)}`, ended: ended.cookie, expired: expired.cookie, 'of a disabled operator': disabled.cookie };
  return { bearers, cookies };
}

/**
 * An answer carries what every answer has to, and tells nothing of our insides when it is a refusal.
 *
 * @param {string} method
 * @param {string} where
 * @param {import('./panel.mjs').Answer} answer
 * @param {string} [origin] the page of another host that is listed and has asked
 */
export function assertHardened(method, where, { headers, status, text }, origin) {
  const of = `${method} ${where}: ${status}`;
  assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.*frame-ancestors 'none'$/, of);
  assert.doesNotMatch(headers.get('content-security-policy'), /unsafe|\*/, of);
  const fixed = ['x-content-type-options', 'x-frame-options', 'strict-transport-security', 'cache-control'].map((name) => headers.get(name));
  assert.deepEqual(fixed, ['nosniff', 'DENY', 'max-age=31536000', 'no-store'], of);
  assert.match(headers.get('referrer-policy'), /^(no-referrer|same-origin)$/, of);
  for (const name of ['server', 'x-powered-by', 'via']) assert.equal(headers.get(name), null, `${of} has ${name}`);
  assert.equal(headers.get('access-control-allow-credentials'), null, of);
  assert.equal(headers.get('access-control-allow-origin'), /^\/api\/xpert(\/|$)/.test(where) && origin ? origin : null, of);
  assert.ok(status < 500, `${of} ${text}`);
  if (status >= 400) assert.doesNotMatch(text, /\bD1\b|SQL|panicked|\.rs:|constraint|stack|wasm|worker::|JsValue/i, of);
}
