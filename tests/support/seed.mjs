/** Rows put straight into the database, for tests of one face that must not depend on another one. */
import { randomBytes } from 'node:crypto';

import { sha256Hex } from './panel-secrets.mjs';
import { now, PROTOCOL, randomSlot, ScriptedAgent } from './wire.mjs';

const TOKEN_LASTS = 3600;

/**
 * Enter a node with an enrolment token that is still to be used.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {{name?: string, coefficient?: number, createdAt?: number, expires?: number}} [node] coefficient in per mille
 * @returns {Promise<{id: number, token: string}>}
 */
export async function seedNode(panel, { name = `node-${randomSlot()}`, coefficient = 1000, createdAt = now() - 86_400 * 60, expires } = {}) {
  const token = randomBytes(16).toString('hex');
  const { results } = await panel.db
    .prepare(
      `INSERT INTO nodes (name, address, coefficient, token_hash, token_expires, created_at)
      VALUES (?1, '127.0.0.1', ?2, ?3, ?4, ?5) RETURNING id`,
    )
    .bind(name, coefficient, sha256Hex(token), expires ?? now() + TOKEN_LASTS, createdAt)
    .all();
  return { id: results[0].id, token };
}

/**
 * Enrol with a token, as an agent does.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} token
 * @param {string} [key] the node key; a new one without it
 * @returns {Promise<{key: string, answer: import('./panel.mjs').Answer}>}
 */
export async function enrol(panel, token, key = randomBytes(32).toString('hex')) {
  const body = JSON.stringify({ protocol: PROTOCOL, agent: 'test', token, key_hash: sha256Hex(key) });
  return { key, answer: await panel.request('POST', '/agent/v1/enroll', { body }) };
}

/**
 * A node that has enrolled, and a ledger of it that says what the test wants.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {Parameters<typeof seedNode>[1]} [node]
 * @returns {Promise<ScriptedAgent & {node: number}>}
 */
export async function seedAgent(panel, node) {
  const { id, token } = await seedNode(panel, node);
  const { key, answer } = await enrol(panel, token);
  if (answer.status !== 200) throw new Error(`enrolment failed: ${answer.status} ${answer.text}`);
  return Object.assign(new ScriptedAgent({ panel, key }), { node: id });
}

/**
 * Enter users with their usage rows and slots.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {number} count
 * @param {{monthlyQuota?: number, totalQuota?: number, month?: number, periodStart?: number, periodEnd?: number}} [usage] of each;
 *   the period is this UTC month unless told
 * @returns {Promise<Array<{id: number, name: string, slot: string}>>}
 */
export async function seedUsers(panel, count, usage = {}) {
  const today = new Date();
  const month = (by) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + by) / 1000;
  const { monthlyQuota = 0, totalQuota = 0, month: used = 0, periodStart = month(0), periodEnd = month(1) } = usage;
  const first = (await panel.db.prepare('SELECT coalesce(max(id), 0) + 1 AS id FROM users').first()).id;
  const users = Array.from({ length: count }, (_, index) => ({ id: first + index, name: `user-${first + index}`, slot: randomSlot() }));
  const json = JSON.stringify(users);
  const { db } = panel;
  const field = (name) => `value ->> '${name}'`;
  await db.batch([
    db.prepare(`INSERT INTO users (id, name, gate, slot, created_at)
      SELECT ${field('id')}, ${field('name')}, 'open', ${field('slot')}, unixepoch() FROM json_each(?1)`).bind(json),
    db.prepare(`INSERT INTO usage (user, monthly_quota, total_quota, month, lifetime, period_start, period_end)
      SELECT ${field('id')}, ?2, ?3, ?4, ?4, ?5, ?6 FROM json_each(?1)`).bind(json, monthlyQuota, totalQuota, used, periodStart, periodEnd),
    db.prepare(`INSERT INTO slots (name, user, gate, born, changed)
      SELECT ${field('slot')}, ${field('id')}, 'open', number + 1, number + 1 FROM json_each(?1),
        (SELECT max(number) AS number FROM roster_versions)`).bind(json),
    db.prepare('INSERT INTO roster_versions (number, salt) SELECT max(number) + 1, abs(random()) % 4294967296 FROM roster_versions'),
    db.prepare("UPDATE counters SET value = value + ?1 WHERE name = 'users_open'").bind(count),
  ]);
  return users;
}

/** @param {import('./panel.mjs').Panel} panel @param {number} user @returns {Promise<object>} his row of `usage` */
export async function usageOf(panel, user) {
  return panel.db.prepare('SELECT * FROM usage WHERE user = ?1').bind(user).first();
}

/**
 * A node whose agent offers one inbound, Trojan with TLS, as far as lists of links need one.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {string} name
 */
export async function seedTrojan(panel, name) {
  const node = await seedAgent(panel, { name });
  const { status, text } = await node.sync({ inbounds: [{ tag: 'in', protocol: 'trojan', port: 20_000, tls: true }] });
  if (status !== 200) throw new Error(`sync failed: ${status} ${text}`);
}
