/** The requests that more than one part measures. Each is made anew when it is sent: some may not repeat. */
import { askAt } from '../tests/support/marzban-bearer.mjs';
import { authKeyOf, BASE, reportOf, tokenOf } from '../tests/support/xpert.mjs';
import { signIn } from './panels.mjs';

/** @typedef {() => Parameters<import('./client.mjs').Connection['send']>[0]} Next the request, and the next one */

/**
 * @param {import('../tests/support/panel.mjs').Panel} panel
 * @param {Awaited<ReturnType<typeof import('../tests/support/seed.mjs').seedUsers>>} users
 * @returns {Promise<Record<string, Next>>} by what a table calls it
 */
export async function requestsOf(panel, users) {
  const cookie = await signIn(panel);
  const { body } = await askAt(panel, { username: panel.operator.username, password: panel.operator.password });
  const marzban = { authorization: `Bearer ${body.access_token}` };
  const key = { authorization: `Bearer ${panel.apiKey}` };
  const authKey = await authKeyOf(panel);
  const [{ name }] = users;
  const get = (path, headers) => () => ({ path, headers });
  return {
    // What the panel costs without the database, and what one small query adds: the simulated database is most of the rest.
    'subscription, forged token: no query': () => ({ path: `/sub/${'A'.repeat(32)}`, expect: 404 }),
    'health: one query': get('/health'),
    'webhook of a client': () => webhook(users, authKey),
    'webhook with an Idempotency-Key': () => webhook(users, authKey, { 'idempotency-key': String(another()) }),
    dashboard: get('/', { cookie }),
    'users page, 50 of 10,000': get('/users', { cookie }),
    'users, a search': get('/users?q=user', { cookie }),
    'users, the most used': get('/users?sort=used', { cookie }),
    'page of one user': get(`/users/${name}`, { cookie }),
    settings: get('/settings', { cookie }),
    'API: list of 50 of 10,000': get('/api/v1/users?limit=50', key),
    'API: one user': get(`/api/v1/users/${name}`, key),
    'Marzban: list of 50 with 5 links each': get('/api/users?limit=50', marzban),
    'Marzban: one user': get(`/api/user/${name}`, marzban),
  };
}

/**
 * @param {import('../tests/support/wire.mjs').ScriptedAgent} agent
 * @param {Array<{slot: string}>} users whom each of its syncs reports; with none it has nothing to say
 * @returns {Next}
 */
export function syncOf(agent, users) {
  const headers = { authorization: `Bearer ${agent.key}`, 'content-type': 'application/json' };
  const lines = users.map(({ slot }) => [slot, 1, 2]);
  let seq = 0;
  return () => {
    seq += 1;
    const fields = lines.length > 0 ? { report: agent.report({ seq, users: lines }) } : {};
    return { method: 'POST', path: '/agent/v1/sync', headers, body: JSON.stringify(agent.message(fields)) };
  };
}

let counter = 0;
/** @returns {number} one that was not used yet */
export const another = () => (counter += 1);

/** What a client tells of another server's traffic, each time another user's. */
function webhook(users, authKey, headers = {}) {
  const body = JSON.stringify(reportOf(tokenOf(authKey, users[another() % users.length])));
  return { method: 'POST', path: `${BASE}/traffic-webhook`, headers: { 'content-type': 'application/json', ...headers }, body };
}
