/** A panel with something on every page, and where the pages are. */
import { addOperator, signInOwner } from './operators.mjs';
import { startPanel } from './panel.mjs';
import { seedAgent } from './seed.mjs';
import { now } from './wire.mjs';

const MB = 2 ** 20;
const GB = 2 ** 30;

/** Every page of the panel. `signedIn: false`: of whoever is not. */
export const PAGES = [
  { name: 'the sign-in', where: '/login', signedIn: false },
  { name: 'the dashboard', where: '/' },
  { name: 'the users', where: '/users' },
  { name: 'a user', where: '/users/ann' },
  { name: 'his details', where: '/users/ann/details' },
  { name: 'his form', where: '/users/ann/edit' },
  { name: 'the form of a new user', where: '/new/user' },
  { name: 'the bulk changes', where: '/bulk' },
  { name: 'the nodes', where: '/nodes' },
  { name: 'a node', where: '/nodes/1' },
  { name: 'its form', where: '/nodes/1/edit' },
  { name: 'an address', where: '/nodes/1/addresses/1' },
  { name: 'the form of a new node', where: '/new/node' },
  { name: 'the plans', where: '/plans' },
  { name: 'a plan', where: '/plans/basic' },
  { name: 'the form of a new plan', where: '/new/plan' },
  { name: 'the sources', where: '/sources' },
  { name: 'a source', where: '/sources/1' },
  { name: 'the form of a new source', where: '/new/source' },
  { name: 'the alerts', where: '/alerts' },
  { name: 'a channel', where: '/alerts/1' },
  { name: 'the form of a new channel', where: '/new/channel?type=webhook' },
  { name: 'the audit log', where: '/audit' },
  { name: 'the settings', where: '/settings' },
  { name: 'the clients', where: '/settings/clients' },
  { name: 'a rule for clients', where: '/settings/clients/1' },
  { name: 'the form of a new rule', where: '/new/rule' },
  { name: 'the operators', where: '/settings/operators' },
  { name: 'an operator', where: '/settings/operators/looker' },
  { name: 'the form of a new operator', where: '/new/operator' },
  { name: 'the form of a new key', where: '/new/key' },
  { name: 'the jobs', where: '/settings/jobs' },
  { name: 'the backups', where: '/settings/backups' },
  { name: 'one\'s own sign-in', where: '/account' },
];

/** @returns {Promise<import('./panel.mjs').Panel>} with users, nodes and traffic */
export async function fullPanel() {
  const panel = await startPanel({ vars: { SYNC_SECONDS: '1', REPORT_SECONDS: '1' } });
  const node = await seedAgent(panel, { name: 'Frankfurt' });
  const ask = async (method, where, body) => {
    const { status, text } = await panel.api(method, where, body);
    if (status >= 300) throw new Error(`${method} ${where}: ${status} ${text}`);
  };
  for (const [name, more] of [['ann', { plan: 'basic', note: 'Hall 3' }], ['bea', { monthly_quota: 10 * MB }], ['cay', { expires_at: now() + 60 }]]) {
    await ask('POST', '/api/v1/users', { name, ...more });
  }
  await node.sync({
    status: { core: 'sing-box', core_version: '1.14.4', last_error: 'listen tcp :443: address already in use' },
    inbounds: [{ tag: 'vless-in', protocol: 'vless', port: 443, transport: { type: 'tcp' } }],
  });
  const { results } = await panel.db.prepare('SELECT slot FROM users ORDER BY id').all();
  await node.sync({ report: node.report({ seq: 1, users: results.map(({ slot }, place) => [slot, place * MB, 20 * MB]) }) });
  await ask('POST', '/api/v1/users/ann/packages', { order: 'shop-1', bytes: GB });
  await ask('POST', '/api/v1/bulk', { selection: { users: ['cay'] }, action: 'disable' });
  await ask('POST', '/api/v1/channels', { name: 'shop', webhook: { url: 'https://shop.example/hook' } });
  await ask('POST', '/api/xpert/sources', { name: 'friends', url: 'https://friends.example/list' });
  await ask('POST', '/api/xpert/direct-configs/batch', { configs: ['trojan://secret@one.example:443#One', 'trojan://secret@two.example:443#Two'] });
  await addOperator(panel, await signInOwner(panel), { name: 'looker', role: 'viewer' });
  await ask('POST', `/api/v1/nodes/${node.node}/addresses`, { inbound: 'vless-in', address: 'cdn.example', plans: ['premium'] });
  return panel;
}
