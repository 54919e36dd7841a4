/** Users, their packages, credentials, aliases, devices, and what is known of their traffic. */
import { as, bool, form, has, int, list, nul, one, op, page, record, ref, text, whole } from '../dsl.mjs';
import { bytes, count, credentialFields, id, limit, optional, paging, protocols, second, STATUSES, strings, userFields, when, words } from './common.mjs';
import { schemas as trafficSchemas, traffic } from './traffic.mjs';

const AT = '/api/v1/users';
const NAME = `${AT}/{name}`;
const user = (words = 'The user as he stands now') => [words, ref('User')];
const TAKEN =
  "The name is taken, a credential is another user's (`taken`), or a reseller's allowance is used up (`user_allowance`, `byte_allowance`)";
const GB = 1024 ** 3;

const told = {
  id: id(),
  name: ref('UserName'),
  email: nul(text()),
  note: text(),
  status: ref('Status'),
  reason: nul(one(['month', 'total', 'expired', 'person', 'sharing'], 'Why he may not pass')),
  created_at: second(),
  expires_at: nul(second('`null` while he is on hold, and when he never expires')),
  suspended_until: nul(second('Until when he is shut for sharing')),
  plan: nul(ref('PlanName')),
  plan_version: count('The version of the plan that he was last given', undefined),
  monthly_quota: bytes('In each period, 0 = unlimited'),
  total_quota: bytes('Over the lifetime, 0 = unlimited'),
  reset_strategy: ref('Strategy'),
  reset_day: int(1, 31),
  time_zone: text(),
  period_start: second(),
  period_end: when('End of the period; it may have passed a moment ago'),
  next_reset_at: nul(second('When usage begins anew')),
  monthly_used: bytes(),
  total_used: bytes(),
  bonus_left: bytes(),
  speed_limit: bytes('Bytes a second in each direction, 0 = unlimited'),
  device_limit: count('0 = unlimited'),
  stream_limit: count('0 = unlimited'),
  address_limit: nul(count("0 = unlimited; `null` = the deployment's own")),
  hwid_limit: nul(count("0 = any number; `null` = the deployment's own", 100)),
  hold_seconds: nul(int(1, undefined, '`null` when the account has begun')),
  hold_until: nul(second()),
  next_plan: nul(
    record({
      plan: nul(ref('PlanName'), '`null` if values begin instead'),
      'monthly_quota?': bytes('Of values, 0 = unlimited'),
      'expires_at?': second('Of values'),
      add_remaining_traffic: bool(),
      fire_on_either: bool(),
    }),
  ),
  protocols: nul(protocols, 'The protocols that he has; `null` = all of them'),
  delete_after_days: nul(count(undefined, 36_500)),
  last_seen_at: when('End of the newest report with bytes of his'),
  subscription_url: nul(text('The link for his apps; `null` for who may not use it')),
  owner_id: nul(id("The operator whose user he is; `null` = the panel's own")),
};

/** What a new user brings along from another panel. */
const past = {
  'owner?': nul(ref('OperatorName'), 'The operator whose user he is'),
  'created_at?': nul(second('Not in the future')),
  'period_start?': nul(second('When his present period began')),
  'monthly_used?': nul(bytes('Bytes that he has used in that period')),
  'total_used?': nul(bytes('Bytes that he has ever used, with those')),
  'links_since?': nul(second('Links of that panel from before do not work')),
  'disabled?': bool('A person has shut him out', { default: false }),
};

const schemas = {
  ...trafficSchemas,
  User: record(told, 'Bytes are integers, instants unix seconds'),
  NewUser: form({ name: ref('UserName'), 'credentials?': nul(ref('CredentialsByHand')), ...userFields, ...past }, undefined, {
    allOf: [
      { if: has('hold_until', 'integer'), then: has('hold_seconds', 'integer', { minimum: 1 }) },
      { if: has('hold_seconds', 'integer', { minimum: 1 }), then: { properties: { expires_at: { type: 'null' } } } },
    ],
  }),
  UserChange: form(
    { 'name?': ref('UserName'), ...userFields },
    'What is missing stays. `null` clears what a user may be without; a quota is cleared by 0.',
  ),
  CredentialsByHand: form(
    optional(credentialFields, (schema) => nul(schema)),
    'What is missing or `null` is derived. No two users may have the same in one field, `tuic_password` apart.',
  ),
  Credentials: record({
    name: text('Under which he appears in the cores'),
    by_hand: strings(one(Object.keys(credentialFields))),
    ...credentialFields,
  }),
  Package: record({
    order: text(),
    bytes: bytes(),
    left: bytes('Still to be used'),
    used: bytes(),
    note: text(),
    price: text(),
    entered_by: text(),
    bought_at: second(),
    expires_at: when('When what is left of it ends'),
    expired_at: when('When that was taken'),
    expired_bytes: nul(bytes()),
    refunded_at: when('When it was taken back'),
    refunded_bytes: nul(bytes()),
  }),
  NewPackage: form({
    order: text("The shop's own number; it makes a repetition harmless", { pattern: '^[A-Za-z0-9_.:#-]{1,64}$', examples: ['shop-1001'] }),
    bytes: int(1, 2 ** 53 - 1),
    'note?': userFields['note?'],
    'price?': nul(words(64, 'What was paid, in the words of who sold it')),
    'expires_at?': nul(second('When what is left of it ends; never without it')),
  }),
  Alias: record({ alias: ref('AliasText'), created_at: second() }),
  AliasText: text("What stands in the link in the token's place", {
    pattern: '^[A-Za-z0-9._~@:+=-]{1,256}$',
    not: { anyOf: [{ pattern: '^[A-Za-z0-9_-]{32}$' }, one(['global', 'server', 'database', 'cleanup'])] },
    examples: ['user123'],
  }),
  Device: record({
    id: text(),
    name: text(),
    os: text(),
    os_version: text(),
    model: text(),
    client: text(),
    first_seen_at: second(),
    last_seen_at: second(),
  }),
};

export const usersArea = {
  name: 'Users',
  description: 'Accounts: limits, periods, packages, credentials, aliases, devices. A reseller reaches his own users alone.',
  schemas,
  operations: [
    op(`GET ${AT}`, 'listUsers', 'List users', {
      may: 'users:read',
      query: {
        search: text('Part of name, note or e-mail address, in any case'),
        status: one([...STATUSES, '']),
        plan: text('Name of a plan'),
        node: count('The number of a node that they have used', 4_294_967_295),
        sort: one(['name', '-name', 'used', '-used', 'created', '-created', ''], 'With `-` the other way round'),
        owner: count("An operator's number", 4_294_967_295),
        ...paging,
      },
      gives: { 200: ['A page of users', page(ref('User'))] },
    }),
    op(`POST ${AT}`, 'createUser', 'Create a user', {
      may: 'users:write',
      body: ref('NewUser'),
      examples: {
        'With a plan': { name: 'ann', plan: 'basic' },
        'With limits of his own': { name: 'bob', monthly_quota: 50 * GB, reset_day: 15, time_zone: 'Asia/Tehran', device_limit: 2 },
        'From the first use on': { name: 'cleo', hold_seconds: 2_592_000 },
      },
      gives: { 201: ['The user; `Location` is his address', ref('User')] },
      refuses: { 409: TAKEN },
    }),
    op(`GET ${NAME}`, 'getUser', 'One user', { may: 'users:read', gives: { 200: user() } }),
    op(`PATCH ${NAME}`, 'changeUser', 'Change a user', {
      may: 'users:write',
      body: ref('UserChange'),
      examples: { 'Another quota': { monthly_quota: 100 * GB }, 'A month longer': { expires_at: 1_798_761_600 }, 'No plan': { plan: null } },
      gives: { 200: user() },
      refuses: { 409: TAKEN },
    }),
    op(`DELETE ${NAME}`, 'deleteUser', 'Delete a user', { may: 'users:write', text: 'His history stays.', gives: { 204: ['He is gone'] } }),
    op(`POST ${NAME}/reset`, 'resetUser', 'Begin a new period now', {
      may: 'users:write',
      text: 'The lifetime total stays.',
      gives: { 200: user() },
      refuses: { 409: TAKEN },
    }),
    op(`POST ${NAME}/enable`, 'enableUser', 'Let a user in again', {
      may: 'users:write',
      text: 'Ends what a person disabled, and a cut for sharing.',
      gives: { 200: user() },
    }),
    op(`POST ${NAME}/disable`, 'disableUser', 'Shut a user out', { may: 'users:write', text: 'No job undoes it.', gives: { 200: user() } }),
    op(`POST ${NAME}/revoke`, 'revokeUser', 'Give new credentials and a new link', {
      may: 'users:write',
      text: 'The old ones end.',
      gives: { 200: user() },
    }),
    op(`GET ${NAME}/resets`, 'listResets', 'When usage will begin anew', {
      may: 'users:read',
      text: 'As he is set, or as a change would set him. Nothing is changed.',
      query: {
        reset_strategy: one(['calendar_month', 'no_reset', 'day', 'week', 'month', 'year', '']),
        reset_day: int(1, 31),
        time_zone: text('A zone of the IANA database'),
        limit: limit(60, 12),
      },
      gives: { 200: ['The instants, the next one first', record({ items: list(second()) })] },
    }),
    op(`PUT ${NAME}/owner`, 'setOwner', 'Give a user to an operator', {
      may: 'users:own',
      body: form({ 'operator?': nul(as(ref('OperatorName'), "`null`, or without it: the panel's own")) }),
      examples: { 'To a reseller': { operator: 'shop' }, 'Back to the panel': { operator: null } },
      gives: { 204: ['It is so'] },
      refuses: { 409: "The reseller's allowance is used up (`user_allowance`, `byte_allowance`)" },
    }),
    op(`GET ${NAME}/packages`, 'listPackages', "A user's packages", {
      may: 'users:read',
      gives: { 200: ['The newest first, 100 at most', whole(ref('Package'))] },
    }),
    op(`POST ${NAME}/packages`, 'buyPackage', 'Sell traffic on top of the quotas', {
      may: 'users:write',
      body: ref('NewPackage'),
      examples: { '10 GB': { order: 'shop-1001', bytes: 10 * GB, price: '5 EUR' } },
      gives: { 200: ['This very purchase was entered before', ref('Package')], 201: ['The package', ref('Package')] },
      refuses: { 409: "The order was entered with other contents (`order_differs`), or a reseller's allowance is used up (`byte_allowance`)" },
    }),
    op(`POST ${NAME}/packages/{order}/refund`, 'refundPackage', 'Take back what is left of a package', {
      may: 'users:write',
      gives: { 200: ['The package', ref('Package')] },
    }),
    op(`GET ${NAME}/subscription`, 'showSubscription', "What a user's link answers", {
      may: 'users:links',
      text: 'It is no fetch: nothing is logged.',
      gives: {
        200: [
          'Each format, with what is left out of it and why',
          record({
            url: text(),
            reason: nul(text('Why he gets none of it now')),
            servers: strings(),
            lists: list(
              record({
                format: text(),
                url: text(),
                content_type: text(),
                bytes: count(undefined, undefined),
                servers: count(undefined, undefined),
                left_out: list(record({ name: text(), code: text(), why: text() })),
              }),
            ),
          }),
        ],
      },
    }),
    op(`GET ${NAME}/credentials`, 'getCredentials', 'What a user proves himself with', {
      may: 'users:links',
      gives: { 200: ['All of them, and which were set by hand', ref('Credentials')] },
    }),
    op(`PUT ${NAME}/credentials`, 'setCredentials', 'Set credentials by hand', {
      may: 'users:write',
      text: 'Replaces what was set. The old ones end at once on every node.',
      body: ref('CredentialsByHand'),
      examples: { 'Of an old panel': { vless_uuid: '11111111-2222-4333-8444-555555555555', trojan_password: 'correct horse' } },
      gives: { 200: ['All of them', ref('Credentials')] },
      refuses: { 409: 'Another user has the same (`taken`)' },
    }),
    op(`DELETE ${NAME}/credentials`, 'forgetCredentials', 'Derive all credentials again', {
      may: 'users:write',
      gives: { 200: ['All of them', ref('Credentials')] },
    }),
    op(`GET ${NAME}/aliases`, 'listAliases', "Aliases of a user's link", {
      may: 'users:links',
      text: 'Links of an old panel that go on to work: `/sub/{alias}`, and `user_token` of the Xpert API. Each is as good as the link.',
      gives: { 200: ['In their order', record({ total: count(undefined, 16), items: list(ref('Alias')), next: { type: 'null' } })] },
    }),
    op(`POST ${NAME}/aliases`, 'addAlias', 'Give a user an alias', {
      may: 'users:write',
      text: 'At most 16. One that he has is no error. Whoever revokes his link ends them.',
      body: form({ alias: ref('AliasText') }),
      examples: { 'Of an old panel': { alias: 'user123' } },
      gives: { 201: ['The alias', ref('Alias')] },
      refuses: { 409: 'It is another user\'s (`taken`), or he has 16 (`too_many`)' },
    }),
    op(`DELETE ${NAME}/aliases`, 'removeAliases', 'End all aliases', { may: 'users:write', gives: { 204: ['They have ended'] } }),
    op(`DELETE ${NAME}/aliases/{alias}`, 'removeAlias', 'End an alias', {
      may: 'users:write',
      path: { alias: text('The alias') },
      gives: { 204: ['It has ended'] },
    }),
    op(`GET ${NAME}/devices`, 'listDevices', 'Devices that fetched with an id', {
      may: 'users:read',
      gives: {
        200: [
          'The oldest first',
          record({
            enabled: bool('Whether devices are told apart'),
            limit: count(undefined, 100),
            total: count(undefined, undefined),
            items: list(ref('Device')),
            next: { type: 'null' },
          }),
        ],
      },
    }),
    op(`DELETE ${NAME}/devices`, 'forgetDevices', 'Forget all devices', { may: 'users:write', gives: { 204: ['They are forgotten'] } }),
    op(`PATCH ${NAME}/devices/{id}`, 'renameDevice', 'Name a device', {
      may: 'users:write',
      path: { id: text("The device's id") },
      body: form({ name: words(64) }),
      examples: { 'A phone': { name: "Ann's phone" } },
      gives: { 200: ['The device', ref('Device')] },
    }),
    op(`DELETE ${NAME}/devices/{id}`, 'forgetDevice', 'Forget a device', {
      may: 'users:write',
      path: { id: text("The device's id") },
      gives: { 204: ['It is forgotten'] },
    }),
    ...traffic,
  ],
  parameters: { name: ref('UserName'), order: text("The shop's number of the order") },
};
