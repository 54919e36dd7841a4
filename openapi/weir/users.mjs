/** Users, their packages, credentials, devices, and what is known of their traffic. */
import { any, as, bool, form, int, list, map, nul, one, op, page, record, ref, stream, text, whole } from '../dsl.mjs';
import { before, bytes, count, credentialFields, id, limit, optional, paging, second, STATUSES, strings, userFields, when, words } from './common.mjs';

const AT = '/api/v1/users';
const NAME = `${AT}/{name}`;
const user = (words = 'The user as he stands now') => [words, ref('User')];
const TAKEN = 'The name is taken, a credential is another user\'s (`taken`), or a reseller\'s allowance is used up (`user_allowance`, `byte_allowance`)';
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
  address_limit: nul(count('0 = unlimited; `null` = the deployment\'s own')),
  hwid_limit: nul(count('0 = any number; `null` = the deployment\'s own', 100)),
  hold_seconds: nul(int(1, undefined, '`null` when the account has begun')),
  hold_until: nul(second()),
  next_plan: nul(record({ plan: ref('PlanName'), add_remaining_traffic: bool(), fire_on_either: bool() })),
  delete_after_days: nul(count(undefined, 36_500)),
  last_seen_at: when('End of the newest report with bytes of his'),
  subscription_url: nul(text('The link for his apps; `null` for who may not use it')),
  owner_id: nul(id('The operator whose user he is; `null` = the panel\'s own')),
};

const chartQuery = {
  by: one(['hour', 'day', 'month'], 'Length of a bucket, in UTC'),
  from: int(0, 253_402_300_799, 'Unix seconds; buckets that touch `[from, to)` are told, whole'),
  to: int(0, 253_402_300_799, 'Unix seconds; now without it'),
};
export const chart = { query: chartQuery, split: one(['node', ''], 'Buckets apart by node') };

const stretch = record({ by: one(['hour', 'day', 'month']), start: second(), up: bytes(), down: bytes() });
const explanation = record({
  name: ref('UserName'),
  as_of: second(),
  status: ref('Status'),
  reason: told.reason,
  sentence: text('The same in words'),
  period: record({ start: second(), end: nul(second()), monthly_quota: bytes(), total_quota: bytes(), began: nul(one(['schedule', 'reset', 'first'])) }),
  charged: record({ month: bytes('To the monthly quota'), bonus: nul(bytes()), late: nul(bytes('To periods before, by reports that came late')), lifetime: bytes('Since the account was made, bonus included') }),
  external: record({ charged: bytes('Of clients\' reports, within the period'), shared: bytes('On the day on which it began') }),
  nodes: list(record({ node: count(undefined, undefined), name: nul(text()), coefficient: count('Per mille, today', undefined), up: bytes('The node\'s own'), down: bytes(), charged: bytes('What they make at it') })),
  timeline: list(stretch, 'Hours, days and months that lie in the period'),
  shared: list(stretch, 'Those in which it began'),
  bonus: record({ left: bytes(), spent: bytes('Since the account was made'), without_package: bytes(), packages: list(ref('Package')) }),
  periods: list(ref('Period')),
  held: record({ known: bytes(), out: bytes(), nodes: list(record({ node: count(undefined, undefined), unreported: bytes(), known: bytes(), spendable: bytes() })) }),
  remaining: nul(bytes('What he may still use; `null` without a quota')),
  free: nul(bytes('What of it no node holds')),
  check: record({ total: bytes(), explained: bytes(), remainder: int(undefined, undefined), because: strings() }),
});

const selection = form({
  'users?': list(ref('UserName'), 'Names; not together with a filter', { minItems: 1, maxItems: 1000 }),
  'search?': text(),
  'status?': ref('Status'),
  'plan?': ref('PlanName'),
  'all?': bool('`true`: everybody. Needed without names and filter, so that no misspelt filter deletes all'),
});
const { 'email?': _, ...shared } = userFields;
const action = {
  description: 'What is done to each',
  anyOf: [
    one(['reset', 'enable', 'disable', 'delete']),
    form({ extend: form({ days: int(-3650, 3650, 'Not 0; a negative number shortens') }) }),
    form({ change: form(shared, 'Fields of a user\'s change but `name` and `email`', { minProperties: 1 }) }),
  ],
};
const bulk = {
  id: id(), created_at: second(), entered_by: text(), selection: any('As it was asked for'), action: any('As it was asked for'),
  state: one(['running', 'done', 'stopped', 'undoing', 'undone']),
  total: count('Users that were chosen', undefined), done: count('Changed', undefined), skipped: count('Left as they were', undefined),
  undone: count('Restored', undefined), kept: count('Not restored, because somebody changed them since', undefined),
  ended_at: when('When it ended'), undo_until: when('Until when it can be undone'),
};
const left = nul(list(record({ user: id(), name: text(), why: text() })));

export const schemas = {
  User: record(told, 'Bytes are integers, instants unix seconds'),
  NewUser: form({ name: ref('UserName'), 'credentials?': nul(ref('CredentialsByHand')), ...userFields }),
  UserChange: form({ 'name?': ref('UserName'), ...userFields }, 'What is missing stays. `null` clears what a user may be without; a quota is cleared by 0.'),
  CredentialsByHand: form(optional(credentialFields, (schema) => nul(schema)), 'What is missing or `null` is derived. No two users may have the same in one field, `tuic_password` apart.'),
  Credentials: record({ name: text('Under which he appears in the cores'), by_hand: strings(one(Object.keys(credentialFields))), ...credentialFields }),
  Package: record({
    order: text(), bytes: bytes(), left: bytes('Still to be used'), used: bytes(), note: text(), price: text(), entered_by: text(), bought_at: second(),
    expires_at: when('When what is left of it ends'), expired_at: when('When that was taken'), expired_bytes: nul(bytes()), refunded_at: when('When it was taken back'), refunded_bytes: nul(bytes()),
  }),
  NewPackage: form({
    order: text('The shop\'s own number; it makes a repetition harmless', { pattern: '^[A-Za-z0-9_.:#-]{1,64}$', examples: ['shop-1001'] }),
    bytes: int(1, 2 ** 53 - 1),
    'note?': userFields['note?'], 'price?': nul(words(64, 'What was paid, in the words of who sold it')), 'expires_at?': nul(second('When what is left of it ends; never without it')),
  }),
  Period: record({ start: second(), end: second(), quota: bytes(), bytes: bytes('Charged in it, without bonus'), reset: nul(bool('A person ended it before its time')) }),
  Chart: record({
    by: one(['hour', 'day', 'month']), from: second('Begin of the first bucket'), to: second('End of the last'), whole_since: int(0, undefined, 'Buckets from here on hold everything'),
    up: bytes(), down: bytes(), total: count(undefined, 1000), items: list(record({ start: second(), 'node?': count(undefined, undefined), up: bytes(), down: bytes() }), 'Those with bytes, the oldest first'), next: { type: 'null' },
  }),
  Explanation: explanation,
  Device: record({ id: text(), name: text(), os: text(), os_version: text(), model: text(), client: text(), first_seen_at: second(), last_seen_at: second() }),
  Bulk: record(bulk),
  BulkWanted: form({ selection, action, 'expect?': nul(count('The number of users that somebody has seen; another one answers 409', 4_294_967_295)) }),
};

export const usersArea = {
  name: 'Users',
  description: 'Accounts: limits, periods, packages, credentials, devices. A reseller reaches his own users alone.',
  schemas,
  operations: [
    op(`GET ${AT}`, 'listUsers', 'List users', {
      may: 'users:read',
      query: {
        search: text('Part of name, note or e-mail address, in any case'), status: one([...STATUSES, '']), plan: text('Name of a plan'),
        sort: one(['name', '-name', 'used', '-used', 'created', '-created', ''], 'With `-` the other way round'), owner: count('An operator\'s number', 4_294_967_295), ...paging,
      },
      gives: { 200: ['A page of users', page(ref('User'))] },
    }),
    op(`POST ${AT}`, 'createUser', 'Create a user', {
      may: 'users:write', body: ref('NewUser'),
      examples: { 'With a plan': { name: 'ann', plan: 'basic' }, 'With limits of his own': { name: 'bob', monthly_quota: 50 * GB, reset_day: 15, time_zone: 'Asia/Tehran', device_limit: 2 }, 'From the first use on': { name: 'cleo', hold_seconds: 2_592_000 } },
      gives: { 201: ['The user; `Location` is his address', ref('User')] }, refuses: { 409: TAKEN },
    }),
    op(`GET ${NAME}`, 'getUser', 'One user', { may: 'users:read', gives: { 200: user() } }),
    op(`PATCH ${NAME}`, 'changeUser', 'Change a user', {
      may: 'users:write', body: ref('UserChange'), examples: { 'Another quota': { monthly_quota: 100 * GB }, 'A month longer': { expires_at: 1_798_761_600 }, 'No plan': { plan: null } },
      gives: { 200: user() }, refuses: { 409: TAKEN },
    }),
    op(`DELETE ${NAME}`, 'deleteUser', 'Delete a user', { may: 'users:write', text: 'His history stays.', gives: { 204: ['He is gone'] } }),
    op(`POST ${NAME}/reset`, 'resetUser', 'Begin a new period now', { may: 'users:write', text: 'The lifetime total stays.', gives: { 200: user() }, refuses: { 409: TAKEN } }),
    op(`POST ${NAME}/enable`, 'enableUser', 'Let a user in again', { may: 'users:write', text: 'Ends what a person disabled, and a cut for sharing.', gives: { 200: user() } }),
    op(`POST ${NAME}/disable`, 'disableUser', 'Shut a user out', { may: 'users:write', text: 'No job undoes it.', gives: { 200: user() } }),
    op(`POST ${NAME}/revoke`, 'revokeUser', 'Give new credentials and a new link', { may: 'users:write', text: 'The old ones end.', gives: { 200: user() } }),
    op(`GET ${NAME}/resets`, 'listResets', 'When usage will begin anew', {
      may: 'users:read', text: 'As he is set, or as a change would set him. Nothing is changed.',
      query: { reset_strategy: one(['calendar_month', 'no_reset', 'day', 'week', 'month', 'year', '']), reset_day: int(1, 31), time_zone: text('A zone of the IANA database'), limit: limit(60, 12) },
      gives: { 200: ['The instants, the next one first', record({ items: list(second()) })] },
    }),
    op(`PUT ${NAME}/owner`, 'setOwner', 'Give a user to an operator', {
      may: 'users:own', body: form({ 'operator?': nul(as(ref('OperatorName'), '`null`, or without it: the panel\'s own')) }), examples: { 'To a reseller': { operator: 'shop' }, 'Back to the panel': { operator: null } },
      gives: { 204: ['It is so'] }, refuses: { 409: 'The reseller\'s allowance is used up (`user_allowance`, `byte_allowance`)' },
    }),
    op(`GET ${NAME}/packages`, 'listPackages', 'A user\'s packages', { may: 'users:read', gives: { 200: ['The newest first, 100 at most', whole(ref('Package'))] } }),
    op(`POST ${NAME}/packages`, 'buyPackage', 'Sell traffic on top of the quotas', {
      may: 'users:write', body: ref('NewPackage'), examples: { '10 GB': { order: 'shop-1001', bytes: 10 * GB, price: '5 EUR' } },
      gives: { 200: ['This very purchase was entered before', ref('Package')], 201: ['The package', ref('Package')] },
      refuses: { 409: 'The order was entered with other contents (`order_differs`), or a reseller\'s allowance is used up (`byte_allowance`)' },
    }),
    op(`POST ${NAME}/packages/{order}/refund`, 'refundPackage', 'Take back what is left of a package', { may: 'users:write', gives: { 200: ['The package', ref('Package')] } }),
    op(`GET ${NAME}/usage`, 'getUserUsage', 'A user\'s bytes over time', {
      may: 'users:read', text: 'As the nodes counted them, without coefficients.', query: { ...chartQuery, split: chart.split, node: count('One node\'s share', 4_294_967_295) }, gives: { 200: ['At most 1,000 buckets, 200 with `split`', ref('Chart')] },
    }),
    op(`GET ${NAME}/periods`, 'listPeriods', 'Billing periods that have ended', { may: 'users:read', query: paging, gives: { 200: ['The newest first', page(ref('Period'))] } }),
    op(`GET ${NAME}/explain`, 'explainUser', 'Why a user stands where he stands', { may: 'users:read', text: 'All of one instant of the database.', gives: { 200: ['The explanation', ref('Explanation')] } }),
    op(`GET ${NAME}/addresses`, 'getUserAddresses', 'From how many addresses a user connects', {
      may: 'users:read',
      gives: { 200: ['Counts and times, never an address', record({ count: count(undefined, undefined), limit: count(undefined, undefined), window: int(1, undefined, 'Seconds'), last_seen_at: when('When one was told last'), nodes: list(record({ node: any(), count: count(undefined, undefined), told_at: second() })) })] },
    }),
    op(`GET ${NAME}/subscription`, 'showSubscription', 'What a user\'s link answers', {
      may: 'users:links', text: 'It is no fetch: nothing is logged.',
      gives: {
        200: ['Each format, with what is left out of it and why', record({
          url: text(), reason: nul(text('Why he gets none of it now')), servers: strings(),
          lists: list(record({ format: text(), url: text(), content_type: text(), bytes: count(undefined, undefined), servers: count(undefined, undefined), left_out: list(record({ name: text(), code: text(), why: text() })) })),
        })],
      },
    }),
    op(`GET ${NAME}/credentials`, 'getCredentials', 'What a user proves himself with', { may: 'users:links', gives: { 200: ['All of them, and which were set by hand', ref('Credentials')] } }),
    op(`PUT ${NAME}/credentials`, 'setCredentials', 'Set credentials by hand', {
      may: 'users:write', text: 'Replaces what was set. The old ones end at once on every node.', body: ref('CredentialsByHand'), examples: { 'Of an old panel': { vless_uuid: '11111111-2222-4333-8444-555555555555', trojan_password: 'correct horse' } },
      gives: { 200: ['All of them', ref('Credentials')] }, refuses: { 409: 'Another user has the same (`taken`)' },
    }),
    op(`DELETE ${NAME}/credentials`, 'forgetCredentials', 'Derive all credentials again', { may: 'users:write', gives: { 200: ['All of them', ref('Credentials')] } }),
    op(`GET ${NAME}/devices`, 'listDevices', 'Devices that fetched with an id', {
      may: 'users:read', gives: { 200: ['The oldest first', record({ enabled: bool('Whether devices are told apart'), limit: count(undefined, 100), total: count(undefined, undefined), items: list(ref('Device')), next: { type: 'null' } })] },
    }),
    op(`DELETE ${NAME}/devices`, 'forgetDevices', 'Forget all devices', { may: 'users:write', gives: { 204: ['They are forgotten'] } }),
    op(`PATCH ${NAME}/devices/{id}`, 'renameDevice', 'Name a device', { may: 'users:write', path: { id: text('The device\'s id') }, body: form({ name: words(64) }), examples: { 'A phone': { name: 'Ann\'s phone' } }, gives: { 200: ['The device', ref('Device')] } }),
    op(`DELETE ${NAME}/devices/{id}`, 'forgetDevice', 'Forget a device', { may: 'users:write', path: { id: text('The device\'s id') }, gives: { 204: ['It is forgotten'] } }),
    op('GET /api/v1/usage', 'getUsage', 'Everybody\'s bytes over time', { may: 'stats:read', query: { ...chartQuery, split: chart.split }, gives: { 200: ['At most 1,000 buckets, 200 with `split`', ref('Chart')] } }),
    op('GET /api/v1/suspicious', 'listSuspicious', 'Who had more addresses than he may', {
      may: 'users:read', all: true, query: { user: text('A user\'s name'), limit: limit(), before },
      gives: { 200: ['The newest first', stream(record({ id: id(), user: text(), at: second(), count: count(undefined, undefined), limit: count(undefined, undefined), nodes: any('The count by node'), cut_until: when('`null` when it was noted only') }))] },
      refuses: { 404: 'There is no such user' },
    }),
  ],
  parameters: { name: ref('UserName'), order: text('The shop\'s number of the order') },
};

export const bulkArea = {
  name: 'Many users at once',
  description: 'Looked at before, done 250 at a time by a job, undone for a day.',
  operations: [
    op('POST /api/v1/bulk/preview', 'previewBulk', 'What would change for whom', {
      may: 'users:read', all: true, query: paging, body: ref('BulkWanted'), examples: { 'A month longer': { selection: { plan: 'basic' }, action: { extend: { days: 30 } } } },
      gives: { 200: ['Nothing is changed', record({ total: count(undefined, undefined), rows_written_at_most: count(undefined, undefined), items: list({ anyOf: [record({ user: id(), name: text(), before: map(any()), after: map(any()) }), record({ user: id(), name: text(), why: text() })] }), next: nul(count(undefined, undefined)) })] },
    }),
    op('GET /api/v1/bulk', 'listBulk', 'What was done to many', { may: 'users:read', all: true, query: { limit: limit(), before }, gives: { 200: ['The newest first', stream(ref('Bulk'))] } }),
    op('POST /api/v1/bulk', 'startBulk', 'Do something to many users', {
      may: 'users:write', all: true, body: ref('BulkWanted'), examples: { 'Disable two': { selection: { users: ['ann', 'bob'] }, action: 'disable', expect: 2 }, 'Another speed for a plan': { selection: { plan: 'free' }, action: { change: { speed_limit: 2_097_152 } } } },
      gives: { 202: ['How far it is', ref('Bulk')] }, refuses: { 409: 'There are other users than `expect` says (`selection_changed`)' },
    }),
    op('GET /api/v1/bulk/{id}', 'getBulk', 'How far it is', { may: 'users:read', all: true, gives: { 200: ['With the first 200 users who were left as they were, and who were not restored', record({ ...bulk, skipped_users: left, kept_users: left })] } }),
    op('POST /api/v1/bulk/{id}/stop', 'stopBulk', 'Go no further', { may: 'users:write', all: true, gives: { 200: ['How far it is', ref('Bulk')] }, refuses: { 409: 'It does not go on (`not_running`)' } }),
    op('POST /api/v1/bulk/{id}/undo', 'undoBulk', 'Take it back', { may: 'users:write', all: true, gives: { 202: ['How far it is', ref('Bulk')] }, refuses: { 409: 'It was undone, or ended more than a day ago (`not_undoable`)' } }),
  ],
};

