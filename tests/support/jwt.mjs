/** JSON Web Tokens as a Marzban makes them. */
import { createHmac } from 'node:crypto';

const encoded = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/**
 * A token signed with HS256.
 *
 * @param {string} secret
 * @param {Record<string, unknown>} claims
 * @param {Record<string, unknown>} [header]
 */
export function jwt(secret, claims, header = { alg: 'HS256', typ: 'JWT' }) {
  const signed = `${encoded(header)}.${encoded(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
