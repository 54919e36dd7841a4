/** Nodes: hosts with a proxy core, what their agents tell, and the addresses by which clients reach them. */
import { as, bool, form, int, list, nul, one, op, record, ref, text, whole } from '../dsl.mjs';
import { bytes, count, HOST_NAME, id, second, strings, when, words } from './common.mjs';
import { chart } from './traffic.mjs';

const AT = '/api/v1/nodes';
const NODE = `${AT}/{id}`;
const total = int(0, undefined);
const host = text('A host name or an IP address, without scheme and port', {
  minLength: 1,
  maxLength: 253,
  pattern: `^(${HOST_NAME}|[0-9]+(\\.[0-9]+){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$`,
  examples: ['vpn.example.com'],
});
const serverName = nul(text('A host name, without scheme and port', { maxLength: 253, pattern: `^${HOST_NAME}$` }));
const nodeName = words(32, 'Unique without case', {
  minLength: 1,
  pattern: '^\\S([^\\u0000-\\u001f\\u007f-\\u009f]*\\S)?$',
  examples: ['Frankfurt'],
});
const country = nul(text('Two capital letters (ISO 3166-1)', { pattern: '^[A-Z]{2}$', examples: ['DE'] }));

const status = record(
  {
    core: text('`sing-box`, `v2ray`, `xray` or `nginx`; empty while none was found'),
    core_version: text(),
    incarnation: int(0, undefined, "The core's start in unix milliseconds; 0 while it does not answer"),
    uptime: int(0, undefined, 'Seconds since the agent started'),
    online: total,
    connections: total,
    rate_up: as(total, 'Bytes a second from clients'),
    rate_down: as(total, 'Bytes a second to clients'),
    gates_shut: total,
    held_back: as(total, 'Connections that were ended because their users had too many'),
    pending_reload: total,
    reloads: total,
    cut: total,
    'reloaded?': record({ at: second(), why: one(['first', 'users', 'template', 'credentials', 'quiet', 'other']), cut: total }),
    rejected: total,
    gaps: total,
    forks: total,
    unattributed: bytes(),
    foreign: bytes(),
    ambiguous: bytes(),
    lost_estimate: bytes(),
    'last_loss?': record({ at: second(), bytes: bytes() }),
    overshoot: bytes(),
    limits: strings(),
    bypasses: strings(),
    last_error: text(),
  },
  'What its agent last said; docs/api.md explains each',
);

const inboundFields = {
  tag: text(),
  protocol: text(undefined, { examples: ['vless'] }),
  port: count(),
  'loopback?': bool(),
  tls: bool(),
  'server_name?': text(),
  insecure: bool(),
  'alpn?': strings(),
  'reality?': record({ public_key: text(), short_ids: strings(), 'handshake?': text() }),
  'transport?': record({ type: text(), 'path?': text(), 'host?': text(), 'method?': text(), 'service?': text(), 'early_data?': total }),
  'flow?': text(),
  'multiplex?': bool(),
  'method?': text(),
  'server_key?': text(),
  'obfs?': record({ type: text(), password: text() }),
  'hop_ports?': text(),
  'hop_interval?': total,
  'congestion_control?': text(),
  'network?': text(),
};
const node = {
  id: id(),
  name: text(),
  address: text('What clients connect to'),
  country: nul(text()),
  coefficient: as(total, 'Per mille'),
  created_at: second(),
  enrolled: bool('The newest token was used'),
  seen_at: when('Its last sync'),
  clock_off: nul(int(undefined, undefined, "Its clock minus the panel's in seconds")),
  agent: nul(text("Its agent's version")),
  roster_held: nul(int(undefined, undefined)),
  roster_loaded: nul(int(undefined, undefined)),
  up: as(total, 'Bytes of users in all its ledgers'),
  down: total,
  unknown: as(total, 'Bytes of credentials that nobody has'),
  unattributed: as(total, 'Bytes that no connection told'),
  foreign: as(total, 'Bytes of users that the panel does not know'),
  two_hosts: bool('Two hosts use its key'),
  status: nul(ref('NodeStatus')),
  inbounds: list(ref('Inbound')),
};
const events = list(record({ at: second(), kind: one(['fork', 'gap', 'clock', 'restored']), detail: text() }), 'The last 20, the newest first');
const withToken = record({
  ...node,
  events,
  token: text('For one enrolment; shown once'),
  token_expires: second(),
  install: text('The command that installs the agent with it'),
});

const address = {
  remark: nul(
    words(128, "What clients' lists show, with variables such as `{USERNAME}`; `null` = the node's name and the protocol", { minLength: 1 }),
  ),
  address: nul(as(host, "`null` = the node's own")),
  port: nul(int(1, 65_535, "`null` = the inbound's")),
  security: nul(one(['none', 'tls'], 'What a proxy before the inbound makes of it; `null` = as the inbound has it')),
  sni: serverName,
  host: serverName,
  path: nul(text("Path, or the service's name of gRPC", { pattern: '^[!-~]{1,256}$' })),
  alpn: nul(list(one(['h3', 'h2', 'http/1.1']), 'An empty list leaves it to the client')),
  fingerprint: nul(one(['chrome', 'firefox', 'edge', 'safari', '360', 'qq', 'ios', 'android', 'random', 'randomized'])),
  insecure: nul(bool('Whether clients must not check the certificate')),
};
const changes = Object.fromEntries(Object.entries(address).map(([name, schema]) => [`${name}?`, schema]));
const more = { 'plans?': list(ref('PlanName'), 'Only their users get it; empty = everybody'), 'active?': bool('Whether it is in links') };
const inbound = text('Tag of the inbound', { minLength: 1, maxLength: 128 });

export const nodesArea = {
  name: 'Nodes',
  description: 'Hosts with a proxy core and an agent beside it, what the agents tell, and the addresses by which clients reach them.',
  parameters: { id: count("The node's number", 4_294_967_295), address: int(0, 2 ** 53 - 1, "The address's number") },
  schemas: {
    Node: record(node),
    NodeStatus: status,
    Inbound: record(inboundFields),
    NodeWithToken: withToken,
    NewNode: form({ name: nodeName, address: host, 'coefficient?': count('Per mille of what its bytes count', 100_000), 'country?': country }),
    NodeChange: form({ 'name?': nodeName, 'address?': host, 'country?': country }, 'What is missing stays'),
    Address: record({ id: id(), position: total, active: bool(), inbound: text(), ...address, plans: strings() }),
    NewAddress: form({ inbound, ...changes, ...more }, 'What is missing or `null` is as the inbound has it'),
    AddressChange: form({ 'inbound?': inbound, ...changes, ...more }, 'What is missing stays, `null` makes it as the inbound has it'),
  },
  operations: [
    op(`GET ${AT}`, 'listNodes', 'List nodes', { may: 'nodes:read', gives: { 200: ['All of them, without events', whole(ref('Node'))] } }),
    op(`POST ${AT}`, 'createNode', 'Create a node', {
      may: 'nodes:write',
      body: ref('NewNode'),
      examples: { 'In Germany': { name: 'Frankfurt', address: 'fra.example.com', country: 'DE' } },
      gives: { 201: ['The node, and the token for one enrolment within the hour', ref('NodeWithToken')] },
      refuses: { 409: 'The name is taken' },
    }),
    op(`GET ${NODE}`, 'getNode', 'One node', { may: 'nodes:read', gives: { 200: ['With its last events', record({ ...node, events })] } }),
    op(`PATCH ${NODE}`, 'changeNode', 'Change a node', {
      may: 'nodes:write',
      body: ref('NodeChange'),
      examples: { 'Another address': { address: '192.0.2.7' } },
      gives: { 200: ['The node', record({ ...node, events })] },
      refuses: { 409: 'Another node has the name' },
    }),
    op(`DELETE ${NODE}`, 'deleteNode', 'Delete a node', {
      may: 'nodes:write',
      text: 'For 25 hours its agent may still report.',
      gives: { 204: ['It is gone'] },
    }),
    op(`POST ${NODE}/rotate-key`, 'rotateNodeKey', 'A new enrolment token', {
      may: 'nodes:write',
      text: 'The old key works until the new one is used, a day at most.',
      gives: { 200: ['The node and the token', ref('NodeWithToken')] },
    }),
    op(`GET ${NODE}/usage`, 'getNodeUsage', 'Bytes of all its users over time', {
      may: 'nodes:read',
      text: 'Also of a node that was deleted.',
      query: { ...chart.query, split: as(chart.split, 'Checked, and of no effect: it is one node') },
      gives: { 200: ['At most 1,000 buckets', ref('Chart')] },
    }),
    op(`GET ${NODE}/inbounds`, 'listInbounds', 'Ways in, as the agent tells them', {
      may: 'nodes:read',
      gives: { 200: ['With why no link is made of one', whole(record({ ...inboundFields, addresses: total, why_not: nul(text()) }))] },
    }),
    op(`GET ${NODE}/addresses`, 'listAddresses', 'Addresses, in their order', {
      may: 'nodes:read',
      gives: { 200: ['All of them', whole(ref('Address'))] },
    }),
    op(`POST ${NODE}/addresses`, 'addAddress', 'Add an address behind the others', {
      may: 'nodes:write',
      body: ref('NewAddress'),
      examples: { 'Behind a CDN': { inbound: 'vless-in', address: 'cdn.example.com', port: 443, security: 'tls', sni: 'cdn.example.com' } },
      gives: { 201: ['The address', ref('Address')] },
      refuses: { 409: 'A node has 64 at most (`too_many`)' },
    }),
    op(`POST ${NODE}/addresses/reorder`, 'reorderAddresses', 'Another order', {
      may: 'nodes:write',
      body: form({ ids: list(int(undefined, undefined), "All of the node's, each once") }),
      examples: { 'The second first': { ids: [2, 1] } },
      gives: { 200: ['As they stand now', whole(ref('Address'))] },
    }),
    op(`GET ${NODE}/addresses/{address}`, 'getAddress', 'One address', { may: 'nodes:read', gives: { 200: ['The address', ref('Address')] } }),
    op(`PATCH ${NODE}/addresses/{address}`, 'changeAddress', 'Change an address', {
      may: 'nodes:write',
      body: ref('AddressChange'),
      examples: { 'Switched off': { active: false } },
      gives: { 200: ['The address', ref('Address')] },
    }),
    op(`DELETE ${NODE}/addresses/{address}`, 'deleteAddress', 'Delete an address', { may: 'nodes:write', gives: { 204: ['It is gone'] } }),
  ],
};
