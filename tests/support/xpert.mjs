/** What tests of the Xpert API share: tokens, reports, and settings put straight into the database. */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

export const BASE = '/api/xpert';

/** @param {import('./panel.mjs').Panel} panel @returns {Promise<string>} the secret that seals subscription tokens */
export async function authKeyOf(panel) {
  return JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8')).AUTH_KEY;
}

/**
 * A user's subscription token as the documentation describes it, written a second time.
 *
 * @param {string} authKey
 * @param {{id: number}} user
 * @param {number} [generation]
 * @returns {string}
 */
export function tokenOf(authKey, user, generation = 1) {
  const claim = Buffer.alloc(8);
  claim.writeUInt32BE(user.id, 0);
  claim.writeUInt32BE(generation, 4);
  const seal = createHmac('sha256', authKey).update('weir/sub/1:').update(claim).digest().subarray(0, 16);
  return Buffer.concat([claim, seal]).toString('base64url');
}

/** @returns {object} the body of a report, right unless told otherwise */
export function reportOf(token, fields = {}) {
  return { user_token: token, server: 'vpn.example.com', port: 443, protocol: 'vless', bytes_uploaded: 1, bytes_downloaded: 2, ...fields };
}

/** @returns {Promise<import('./panel.mjs').Answer>} */
export function send(panel, body, headers = {}) {
  return panel.request('POST', `${BASE}/traffic-webhook`, { body: typeof body === 'string' ? body : JSON.stringify(body), headers });
}

/** Set what the panel's settings say, in place of the API. */
export async function setSettings(panel, settings) {
  await panel.db.prepare('UPDATE xpert_state SET settings = ?1').bind(JSON.stringify(settings)).run();
}

/** Seconds that are left of this minute. Limits are counted per minute of the clock. */
export const leftOfMinute = () => 60 - (Date.now() / 1000) % 60;

/** Wait until a minute begins, if less than `seconds` of this one are left. */
export async function roomInMinute(seconds) {
  const left = leftOfMinute();
  if (left < seconds) await new Promise((resolve) => setTimeout(resolve, left * 1000 + 50));
}
