/** Panels with many users, and agents that have settled there, for the parts that measure the Worker. */
import { startPanel } from '../tests/support/panel.mjs';
import { seedAgent, seedUsers } from '../tests/support/seed.mjs';

/** A request's JSON of so many users stays below what D1 takes as one value. */
const SEED_CHUNK = 2500;
/** What the nodes of the benchmark offer: the protocols of the demo. */
export const INBOUNDS = [
  { protocol: 'trojan', tls: true, server_name: 'weir.test' },
  { protocol: 'vless', tls: true, server_name: 'weir.test' },
  { protocol: 'vmess' },
  { protocol: 'shadowsocks', method: '2022-blake3-aes-128-gcm', server_key: Buffer.alloc(16, 1).toString('base64') },
  { protocol: 'hysteria2', tls: true, server_name: 'weir.test' },
].map((inbound, index) => ({ tag: `in-${index}`, port: 20_000 + index, ...inbound }));

/**
 * @param {number} count of users, without a quota
 * @param {Parameters<typeof startPanel>[0]} [options]
 * @returns {Promise<{panel: import('../tests/support/panel.mjs').Panel, users: Awaited<ReturnType<typeof seedUsers>>}>}
 */
export async function panelWithUsers(count, options) {
  const panel = await startPanel(options);
  const users = [];
  while (users.length < count) users.push(...(await seedUsers(panel, Math.min(SEED_CHUNK, count - users.length))));
  return { panel, users };
}

/**
 * A node that holds the whole roster and whose state was just stored, so that its next sync has nothing to say.
 *
 * @param {import('../tests/support/panel.mjs').Panel} panel
 * @param {object[]} [inbounds] five unless told
 * @returns {ReturnType<typeof seedAgent>}
 */
export async function settledAgent(panel, inbounds = INBOUNDS) {
  const agent = await seedAgent(panel);
  let { body } = await agent.sync({ inbounds });
  while (body.roster?.more) {
    const { version, upserts } = body.roster;
    ({ body } = await agent.sync({ roster_after: { version, after: upserts.at(-1).slot } }));
  }
  await agent.sync();
  return agent;
}

/**
 * @param {import('../tests/support/panel.mjs').Panel} panel
 * @returns {Promise<string>} the `Cookie` header of the operator's new session
 */
export async function signIn(panel) {
  const { username, password } = panel.operator;
  const { status, headers } = await panel.request('POST', '/login', {
    body: new URLSearchParams({ name: username, password }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: panel.url },
  });
  if (status !== 303) throw new Error(`POST /login: ${status}`);
  return headers.get('set-cookie').split(';')[0];
}

/** @param {import('../tests/support/panel.mjs').Panel} panel @param {string} name @returns {Promise<string>} path of his subscription */
export async function subscriptionPath(panel, name) {
  const { body } = await panel.api('GET', `/api/v1/users/${name}`);
  return new URL(body.subscription_url).pathname;
}

/**
 * Nodes that have reported, each of 200 users of its own.
 *
 * @param {import('../tests/support/panel.mjs').Panel} panel
 * @param {Awaited<ReturnType<typeof seedUsers>>} users
 * @param {number} count of nodes
 * @param {object} [status] what each tells of its core
 */
export async function reportingNodes(panel, users, count, status) {
  for (let index = 0; index < count; index += 1) {
    const agent = await seedAgent(panel, { name: `node ${index}` });
    const share = users.slice(index * 200, (index + 1) * 200).map(({ slot }, place) => [slot, place * 1000, place * 9000]);
    const answer = await agent.sync({ inbounds: INBOUNDS, ...(status && { status }), report: agent.report({ seq: 1, users: share }) });
    if (answer.status !== 200) throw new Error(`node ${index}: ${answer.status} ${answer.text}`);
  }
}

/** @param {string} line of the Worker's log @returns {Array<{job: string, queries: number, read: number, written: number}>} what a job has cost, if it tells that */
export function jobCosts(line) {
  const found = /^job done job=(\w+) queries=(\d+) read=(\d+) written=(\d+)/.exec(line);
  return found ? [{ job: found[1], queries: Number(found[2]), read: Number(found[3]), written: Number(found[4]) }] : [];
}
