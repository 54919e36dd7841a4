/** Marzban's API, version 0.8.4, as this panel speaks it (docs/marzban.md). */
import { any, bool, document, either, int, lenient, list, map, nul, number, one, only, op, record, ref, text } from './dsl.mjs';

const LAST = 2 ** 53 - 1;
const PROTOCOLS = ['vmess', 'vless', 'trojan', 'shadowsocks'];
const STRATEGIES = ['no_reset', 'day', 'week', 'month', 'year'];
const bytes = (words, more) => int(0, LAST, words, more);
const unix = (words) => int(0, LAST, words ?? 'Unix seconds');
const id = int(1, undefined);
/** As Marzban writes an instant: without offset, in UTC. */
const naive = (words) => text(words ?? 'UTC, without offset', { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?$', examples: ['2026-11-23T09:30:00'] });
const instant = (words) => text(words ?? 'An instant in ISO 8601', { examples: ['2026-11-23T09:30:00'] });
const say = (detail) => record({ detail: only(detail) });
const empty = record({}, 'Nothing');
const window = { start: instant('Without it 30 days before `end`'), end: instant('Without it now') };
const paging = { offset: int(0, undefined), limit: int(0, undefined) };

const perProtocol = (schema, words) => ({ type: 'object', properties: Object.fromEntries(PROTOCOLS.map((name) => [name, typeof schema === 'function' ? schema(name) : schema])), ...(words && { description: words }) });
const uuid = text('Made if it is missing', { format: 'uuid' });
const flow = one(['', 'xtls-rprx-vision']);
const password = text('Made if it is missing');
const settings = {
  vmess: lenient({ 'id?': uuid }), vless: lenient({ 'id?': uuid, 'flow?': flow }), trojan: lenient({ 'password?': password, 'flow?': flow }),
  shadowsocks: lenient({ 'password?': password, 'method?': one(['aes-128-gcm', 'aes-256-gcm', 'chacha20-ietf-poly1305']) }),
};
const proxies = perProtocol((name) => settings[name], 'By protocol; what is named is what the user has');
const inbounds = perProtocol(list(text()), 'Tags by protocol; none of a protocol means all');
const nextPlan = { data_limit: nul(bytes()), expire: nul(unix('An instant that is given to the user then')), add_remaining_traffic: bool(), fire_on_either: bool() };
const optional = (fields) => Object.fromEntries(Object.entries(fields).map(([name, schema]) => [`${name}?`, schema]));

/** What a creation and a change share. Fractions of a byte are cut. */
const fields = {
  proxies, inbounds,
  expire: nul(unix('0 = never')), data_limit: nul(number('Bytes, 0 = unlimited; a fraction is cut', { minimum: 0 })), data_limit_reset_strategy: nul(one(STRATEGIES)), note: nul(text(undefined, { maxLength: 500 })),
  on_hold_expire_duration: nul(int(0, undefined, 'Seconds from the first use on')), on_hold_timeout: nul(either(instant(), only(0))), auto_delete_in_days: nul(int(undefined, undefined, 'A negative number: never')),
  next_plan: nul(lenient(optional(nextPlan))),
};
const user = {
  username: text(), status: one(['active', 'disabled', 'limited', 'expired', 'on_hold']), proxies: perProtocol((name) => settings[name]), used_traffic: bytes(), lifetime_used_traffic: bytes(), created_at: naive(),
  expire: nul(unix()), data_limit: nul(bytes('`null` = unlimited')), data_limit_reset_strategy: one(STRATEGIES), inbounds: map(list(text())), excluded_inbounds: map(list(text())), note: nul(text()),
  sub_updated_at: nul(naive()), sub_last_user_agent: nul(text()), online_at: nul(naive()), on_hold_expire_duration: nul(int(0, undefined)), on_hold_timeout: nul(naive()), auto_delete_in_days: nul(int(undefined, undefined)),
  next_plan: nul(record(nextPlan)), links: list(text('A share link')), subscription_url: text('Absolute, and the same on every read'), admin: nul(ref('Admin')),
};
const { admin: _admin, excluded_inbounds: _excluded, note: _note, inbounds: _inbounds, auto_delete_in_days: _days, ...subscriber } = user;
const admin = { username: text(), is_sudo: bool(), telegram_id: nul(int(undefined, undefined)), discord_webhook: nul(text('It begins with https://discord.com')), users_usage: nul(bytes()) };
const node = { name: text(), address: text(), port: int(1, 65_535), api_port: int(1, 65_535), usage_coefficient: number(undefined, { minimum: 0 }) };
const nodeFields = { 'port?': int(1, 65_535, undefined, { default: 62_050 }), 'api_port?': int(1, 65_535, undefined, { default: 62_051 }), 'usage_coefficient?': number(undefined, { exclusiveMinimum: 0, default: 1 }) };
const template = { name: nul(text()), data_limit: nul(bytes()), expire_duration: nul(int(0, undefined, 'Seconds')), username_prefix: nul(text(undefined, { minLength: 1, maxLength: 20 })), username_suffix: nul(text(undefined, { minLength: 1, maxLength: 20 })), inbounds: map(list(text())) };
const host = {
  remark: text(), address: text(), 'port?': nul(int(1, 65_535)), 'sni?': nul(text()), 'host?': nul(text()), 'path?': nul(text()), 'security?': one(['inbound_default', 'none', 'tls']),
  'alpn?': one(['', 'h3', 'h2', 'http/1.1', 'h3,h2,http/1.1', 'h3,h2', 'h2,http/1.1']), 'fingerprint?': one(['', 'chrome', 'firefox', 'safari', 'ios', 'android', 'edge', '360', 'qq', 'random', 'randomized']),
  'allowinsecure?': nul(bool()), 'is_disabled?': nul(bool()), 'mux_enable?': nul(bool()), 'fragment_setting?': nul(text()), 'noise_setting?': nul(text(undefined, { maxLength: 2000 })), 'random_user_agent?': nul(bool()), 'use_sni_as_host?': nul(bool()),
};
const usage = (direction) => record({ usages: list(record({ node_id: nul(id), node_name: text(), ...direction })) });
const used = { used_traffic: bytes() };

const schemas = {
  Error: record({ detail: text(undefined, { examples: ['User not found'] }) }),
  Invalid: record({ detail: map(text(), 'The rule by field') }, 'A field breaks its rule. Nothing was changed.'),
  Token: record({ access_token: text(), token_type: only('bearer') }),
  Admin: record(admin),
  User: record(user), Subscriber: record(subscriber),
  UserCreate: lenient({ username: text(undefined, { pattern: '^[A-Za-z0-9_.@-]{3,32}$' }), 'status?': nul(one(['active', 'on_hold'])), ...optional(fields) }, 'Other fields are ignored'),
  UserModify: lenient({ 'status?': nul(one(['active', 'disabled', 'on_hold'])), ...optional(fields) }, 'What is missing or `null` stays; 0 clears `expire` and `data_limit`, an empty `note` clears it; other fields are ignored'),
  Node: record({ ...node, id, xray_version: nul(text()), status: one(['connected', 'connecting', 'error', 'disabled']), message: nul(text()) }),
  NodeCreate: lenient({ name: text(), address: text(), ...nodeFields, 'add_as_new_host?': bool() }),
  NodeModify: lenient({ 'name?': nul(text()), 'address?': nul(text()), ...Object.fromEntries(Object.entries(nodeFields).map(([name, schema]) => [name, nul(schema)])), 'status?': nul(one(['connected', 'connecting', 'error', 'disabled'])) }),
  Host: lenient(host),
  UserTemplate: record({ id, ...template }),
  UserTemplateFields: lenient(optional({ ...template, inbounds: map(list(text())) })),
  System: record({
    version: text(), ...Object.fromEntries(['mem_total', 'mem_used', 'cpu_cores', 'total_user', 'online_users', 'users_active', 'users_on_hold', 'users_disabled', 'users_expired', 'users_limited', 'incoming_bandwidth', 'outgoing_bandwidth', 'incoming_bandwidth_speed', 'outgoing_bandwidth_speed'].map((name) => [name, int(0, undefined)])), cpu_usage: number(),
  }),
};

const one_ = (words = 'The user') => ({ 200: [words, ref('User')] });
const at = '/api/user/{username}';
const MISSING = { user: 'User not found', admin: 'Admin not found', node: 'Node not found', template: 'User Template not found' };
const dates = { 400: 'Invalid date range or format, or the start is after the end' };
const adminBody = { 'telegram_id?': admin.telegram_id, 'discord_webhook?': admin.discord_webhook };

const areas = [
  {
    name: 'Admins',
    description: 'Signing in, and who may. `is_sudo` is an owner or admin of this panel, a plain admin a reseller.',
    operations: [
      op('POST /api/admin/token', 'adminToken', 'Sign in', {
        level: null, media: 'application/x-www-form-urlencoded', body: lenient({ username: text(undefined, { minLength: 1 }), password: text(undefined, { minLength: 1 }), 'grant_type?': one(['password', '']), 'scope?': text(), 'client_id?': text(), 'client_secret?': text(), 'totp?': text('Code of the second factor, for whoever has one') }),
        gives: { 200: ['A bearer for a day', ref('Token')] }, refuses: { 401: 'Incorrect username or password', 429: 'Too many guesses' },
      }),
      op('GET /api/admin', 'getCurrentAdmin', 'Oneself', { level: 'A', gives: { 200: ['The admin', ref('Admin')] } }),
      op('POST /api/admin', 'createAdmin', 'Create an admin', { level: 'S', body: lenient({ username: text(), password: text(), is_sudo: bool(), ...adminBody }), gives: { 200: ['The admin', ref('Admin')] }, refuses: { 409: 'Admin already exists' } }),
      op('PUT /api/admin/{username}', 'modifyAdmin', 'Change an admin', { level: 'S', body: lenient({ is_sudo: bool(), 'password?': nul(text()), ...adminBody }), gives: { 200: ['The admin', ref('Admin')] }, refuses: { 403: 'You\'re not allowed to edit another sudoer\'s account. Use marzban-cli instead.', 404: MISSING.admin } }),
      op('DELETE /api/admin/{username}', 'removeAdmin', 'Delete an admin', { level: 'S', gives: { 200: ['He is gone', say('Admin removed successfully')] }, refuses: { 404: MISSING.admin } }),
      op('GET /api/admins', 'getAdmins', 'List admins', { level: 'S', query: { ...paging, username: text('Part of the name') }, gives: { 200: ['A bare list', list(ref('Admin'))] } }),
      op('POST /api/admin/{username}/users/disable', 'disableAllActiveUsers', 'Shut out an admin\'s users', { level: 'S', gives: { 200: ['It is so', say('Users successfully disabled')] }, refuses: { 404: MISSING.admin } }),
      op('POST /api/admin/{username}/users/activate', 'activateAllDisabledUsers', 'Let an admin\'s users in again', { level: 'S', gives: { 200: ['It is so', say('Users successfully activated')] }, refuses: { 404: MISSING.admin } }),
      op('POST /api/admin/usage/reset/{username}', 'resetAdminUsage', 'Count an admin\'s usage anew', { level: 'S', gives: { 200: ['The admin', ref('Admin')] }, refuses: { 404: MISSING.admin } }),
      op('GET /api/admin/usage/{username}', 'getAdminUsage', 'An admin\'s usage', { level: 'S', gives: { 200: ['Bytes, a bare number', bytes()] }, refuses: { 404: MISSING.admin } }),
    ],
  },
  {
    name: 'Core and system',
    description: 'What the nodes\' cores run, and how the whole is.',
    operations: [
      op('GET /api/core', 'getCoreStats', 'How the core is', { level: 'A', gives: { 200: ['Where its log is', record({ version: nul(text()), started: bool(), logs_websocket: only('/api/core/logs') })] } }),
      op('POST /api/core/restart', 'restartCore', 'Restart the core', { level: 'S', gives: { 200: ['It is asked for', empty] } }),
      op('GET /api/core/config', 'getCoreConfig', 'The core\'s configuration', { level: 'S', gives: { 200: ['A JSON object', map(any())] } }),
      op('PUT /api/core/config', 'modifyCoreConfig', 'Change the core\'s configuration', { level: 'S', body: map(any()), gives: { 200: ['The same object', map(any())] }, refuses: { 400: 'It cannot be, for the reason that is told' } }),
      op('GET /api/core/logs', 'coreLogs', 'Follow the core\'s log', { level: 'A', socket: true, query: { token: text('A bearer, for who cannot send a header'), interval: number('Seconds between two messages', { maximum: 10 }) }, gives: { 101: ['A WebSocket of text lines; closed with 4401, 4403 or 4400'] } }),
      op('GET /api/system', 'getSystemStats', 'The whole in numbers', { level: 'A', text: 'A plain admin is told of his own users.', gives: { 200: ['Numbers', ref('System')] } }),
      op('GET /api/inbounds', 'getInbounds', 'Ways in, by protocol', { level: 'A', gives: { 200: ['By protocol', map(list(record({ tag: text(), protocol: text(), network: text(), tls: text(), port: either(int(0, 65_535), text()) })))] } }),
      op('GET /api/hosts', 'getHosts', 'Addresses, by inbound', { level: 'S', gives: { 200: ['By tag', map(list(ref('Host')))] } }),
      op('PUT /api/hosts', 'modifyHosts', 'Change addresses', { level: 'S', text: 'A tag that is left out stays; an empty list clears it.', body: map(list(ref('Host'))), gives: { 200: ['All of them', map(list(ref('Host')))] }, refuses: { 400: 'Inbound X doesn\'t exist' } }),
    ],
  },
  {
    name: 'Nodes',
    description: 'Hosts. A new one is `connecting`, with the command that installs its agent as the message.',
    operations: [
      op('GET /api/node/settings', 'getNodeSettings', 'What nodes need', { level: 'S', gives: { 200: ['Versions and certificate', record({ min_node_version: text(), certificate: text() })] } }),
      op('POST /api/node', 'addNode', 'Create a node', { level: 'S', body: ref('NodeCreate'), gives: { 200: ['The node', ref('Node')] }, refuses: { 409: 'Node "x" already exists' } }),
      op('GET /api/node/{id}', 'getNode', 'One node', { level: 'S', gives: { 200: ['The node', ref('Node')] }, refuses: { 404: MISSING.node } }),
      op('PUT /api/node/{id}', 'modifyNode', 'Change a node', { level: 'S', body: ref('NodeModify'), gives: { 200: ['The node', ref('Node')] }, refuses: { 404: MISSING.node, 409: 'Another node has the name' } }),
      op('DELETE /api/node/{id}', 'removeNode', 'Delete a node', { level: 'S', gives: { 200: ['It is gone', empty] }, refuses: { 404: MISSING.node } }),
      op('POST /api/node/{id}/reconnect', 'reconnectNode', 'Ask a node to connect', { level: 'S', gives: { 200: ['It is asked', say('Reconnection task scheduled')] }, refuses: { 404: MISSING.node } }),
      op('GET /api/node/{id}/logs', 'nodeLogs', 'Follow a node\'s log', { level: 'S', socket: true, query: { token: text('A bearer, for who cannot send a header'), interval: number('Seconds between two messages', { maximum: 10 }) }, gives: { 101: ['A WebSocket of text lines; closed with 4401, 4403, 4404 or 4400'] } }),
      op('GET /api/nodes', 'getNodes', 'List nodes', { level: 'S', gives: { 200: ['A bare list', list(ref('Node'))] } }),
      op('GET /api/nodes/usage', 'getNodesUsage', 'Bytes by node', { level: 'S', query: window, gives: { 200: ['By node', usage({ uplink: bytes(), downlink: bytes() })] }, refuses: dates }),
    ],
  },
  {
    name: 'Templates',
    description: 'What new users are made from.',
    operations: [
      op('GET /api/user_template', 'getUserTemplates', 'List templates', { level: 'A', query: paging, gives: { 200: ['A bare list', list(ref('UserTemplate'))] } }),
      op('POST /api/user_template', 'addUserTemplate', 'Create a template', { level: 'S', body: ref('UserTemplateFields'), gives: { 200: ['The template', ref('UserTemplate')] }, refuses: { 409: 'Template by this name already exists' } }),
      op('GET /api/user_template/{id}', 'getUserTemplate', 'One template', { level: 'A', gives: { 200: ['The template', ref('UserTemplate')] }, refuses: { 404: MISSING.template } }),
      op('PUT /api/user_template/{id}', 'modifyUserTemplate', 'Change a template', { level: 'S', body: ref('UserTemplateFields'), gives: { 200: ['The template', ref('UserTemplate')] }, refuses: { 404: MISSING.template, 409: 'Template by this name already exists' } }),
      op('DELETE /api/user_template/{id}', 'removeUserTemplate', 'Delete a template', { level: 'S', gives: { 200: ['It is gone', { type: 'null' }] }, refuses: { 404: MISSING.template } }),
    ],
  },
  {
    name: 'Users',
    description: 'Accounts. A plain admin reaches his own; another one\'s answers 403.',
    operations: [
      op('POST /api/user', 'addUser', 'Create a user', { level: 'A', body: ref('UserCreate'), examples: { '10 GB until an instant': { username: 'ann', proxies: { vless: {} }, data_limit: 10 * 1024 ** 3, expire: 1_798_761_600 }, 'From the first use on': { username: 'cleo', proxies: { trojan: {} }, status: 'on_hold', on_hold_expire_duration: 2_592_000 } }, gives: one_(), refuses: { 400: 'Protocol X is disabled on your server', 409: 'User already exists' } }),
      op(`GET ${at}`, 'getUser', 'One user', { level: 'U', gives: one_() }),
      op(`PUT ${at}`, 'modifyUser', 'Change a user', { level: 'U', body: ref('UserModify'), examples: { 'A raised limit': { data_limit: 20 * 1024 ** 3 } }, gives: one_(), refuses: { 400: 'Protocol X is disabled on your server' } }),
      op(`DELETE ${at}`, 'removeUser', 'Delete a user', { level: 'U', gives: { 200: ['He is gone', say('User successfully deleted')] } }),
      op(`POST ${at}/reset`, 'resetUserDataUsage', 'Count usage anew', { level: 'U', gives: one_() }),
      op(`POST ${at}/revoke_sub`, 'revokeUserSubscription', 'Give new credentials and a new link', { level: 'U', gives: one_() }),
      op(`GET ${at}/usage`, 'getUserUsage', 'A user\'s bytes by node', { level: 'U', query: window, gives: { 200: ['Nodes without bytes among them', record({ username: text(), usages: usage(used).properties.usages })] }, refuses: dates }),
      op(`POST ${at}/active-next`, 'activeNextPlan', 'Begin the queued plan now', { level: 'U', gives: one_(), refuses: { 404: 'User not found, or User doesn\'t have next plan' } }),
      op(`PUT ${at}/set-owner`, 'setOwner', 'Give a user to an admin', { level: 'S', query: { 'admin_username!': text() }, gives: one_(), refuses: { 404: 'Admin not found, or User not found' } }),
      op('GET /api/users', 'getUsers', 'List users', {
        level: 'A', query: { ...paging, username: list(text()), search: text('Part of name or note'), admin: list(text(), 'Of sudo admins alone'), status: one(user.status.enum), sort: text('`username`, `used_traffic`, `data_limit`, `expire`, `created_at`, separated by commas, with `-` before it the other way round') },
        gives: { 200: ['`total` counts before paging', record({ users: list(ref('User')), total: int(0, undefined) })] }, refuses: { 400: '"x" is not a valid sort option' },
      }),
      op('POST /api/users/reset', 'resetUsersDataUsage', 'Count everybody\'s usage anew', { level: 'S', gives: { 200: ['It is so', say('Users successfully reset.')] } }),
      op('GET /api/users/usage', 'getUsersUsage', 'Bytes of all by node', { level: 'A', query: { ...window, admin: list(text()) }, gives: { 200: ['By node', usage(used)] }, refuses: dates }),
      op('GET /api/users/expired', 'getExpiredUsers', 'Who has expired or is limited', { level: 'A', query: { expired_after: instant(), expired_before: instant() }, gives: { 200: ['Names', list(text())] }, refuses: dates }),
      op('DELETE /api/users/expired', 'deleteExpiredUsers', 'Delete who has expired or is limited', { level: 'A', query: { expired_after: instant(), expired_before: instant() }, gives: { 200: ['Names', list(text())] }, refuses: { ...dates, 404: 'No expired users found in the specified date range' } }),
    ],
  },
  {
    name: 'Subscriptions',
    description: 'The token is the credential.',
    face: 'text',
    operations: [
      op('GET /sub/{token}', 'userSubscription', 'A user\'s list, or the page for a browser', { level: null, gives: { 200: ['In the client\'s format', any('The list, or the page'), ['text/plain', 'text/yaml', 'application/json', 'text/html']], 304: ['It is the one that `If-None-Match` names'] } }),
      op('GET /sub/{token}/info', 'userSubscriptionInfo', 'A user, as his link tells him', { level: null, gives: { 200: ['The user', ref('Subscriber')] } }),
      op('GET /sub/{token}/usage', 'userGetUsage', 'A user\'s bytes by node', { level: null, query: window, gives: { 200: ['By node', record({ username: text(), usages: usage(used).properties.usages })] } }),
      op('GET /sub/{token}/{client_type}', 'userSubscriptionWithClientType', 'A user\'s list in a format', { level: null, path: { client_type: one(['sing-box', 'clash-meta', 'clash', 'outline', 'v2ray', 'v2ray-json']) }, gives: { 200: ['The list', any('The list'), ['text/plain', 'text/yaml', 'application/json']], 304: ['It is the one that `If-None-Match` names'] } }),
      op('GET /', 'home', 'The panel for a browser', { level: null, gives: { 200: ['A page', text(), 'text/html'], 303: ['To the sign-in, for who is not signed in'] } }),
    ],
  },
];

const LEVELS = { A: 'Any admin.', S: 'A sudo admin.', U: 'The user\'s own admin, or a sudo admin.' };
const credentials = ({ level }) => (level === null ? { security: [] } : { security: [{ token: [] }], text: LEVELS[level] });

function error(status, area, { level }) {
  if (level === null && area.face === 'text') return { 'text/plain': { schema: text() } };
  return { 'application/json': { schema: ref(status === 422 ? 'Invalid' : 'Error') } };
}

function refusals({ where, level, body, query, socket }) {
  return {
    401: level !== null && 'Not authenticated, or Could not validate credentials',
    403: level !== null && (level !== 'A' || where.includes('{')) && 'You\'re not allowed',
    404: level === 'U' ? MISSING.user : where.includes('{') && 'Not Found',
    413: body && 'The body is too large; it was not read',
    422: (body || query) && !socket && 'A field breaks its rule',
    429: false,
    503: 'A secret is not configured, or the database is busy: try again',
  };
}

/** @returns {object} */
export const marzban = () =>
  document({
    info: {
      title: 'Marzban\'s API',
      version: '0.8.4',
      summary: 'What bots, shops and dashboards made for Marzban call',
      description: [
        'Every success is 200 with JSON. Bytes are integers below 2^53, instants ISO 8601 in UTC without offset; `start` and `end` may have one. Errors are `{"detail": "<sentence>"}`, and for 422 `{"detail": {"<field>": "<rule>"}}`.',
        'Fields that are not known are ignored. Where this panel differs from Marzban 0.8.4, docs/marzban.md says so. Our own API is described [apart](/openapi).',
      ].join('\n\n'),
      license: { name: 'MIT OR Apache-2.0', identifier: 'MIT OR Apache-2.0' },
    },
    areas, schemas, credentials, error, refusals,
    parameters: { username: text(undefined, { examples: ['ann'] }), id: int(0, 4_294_967_295), token: text('The token of a user\'s link') },
    servers: [{ url: '/', description: 'This panel' }],
    securitySchemes: { token: { type: 'oauth2', description: 'A bearer from `POST /api/admin/token`', flows: { password: { tokenUrl: '/api/admin/token', scopes: {} } } } },
  });
