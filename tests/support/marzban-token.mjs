/** Tokens of subscriptions as a Marzban makes them. */
import { createHash } from 'node:crypto';

import { jwt } from './jwt.mjs';

/**
 * @param {string} secret `jwt.secret_key` of its database
 * @param {string} name
 * @param {number} at unix seconds
 * @returns {string}
 */
export function marzbanToken(secret, name, at) {
  const data = Buffer.from(`${name},${Math.ceil(at)}`).toString('base64url');
  return data + createHash('sha256').update(data + secret).digest('base64url').slice(0, 10);
}

/** The form that its first releases made. @param {string} secret @param {string} name @param {number} at @returns {string} */
export function legacyToken(secret, name, at) {
  return jwt(secret, { sub: name, access: 'subscription', iat: at });
}
