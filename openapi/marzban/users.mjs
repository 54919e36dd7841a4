/** Users. */
import { int, list, one, op, record, ref, text } from '../dsl.mjs';
import { at, dates, instant, one_, paging, say, usage, used, user, window } from './common.mjs';

export const users = {
  name: 'Users',
  description: "Accounts. A plain admin reaches his own; another one's answers 403.",
  operations: [
    op('POST /api/user', 'addUser', 'Create a user', {
      level: 'A',
      body: ref('UserCreate'),
      examples: {
        '10 GB until an instant': { username: 'ann', proxies: { vless: {} }, data_limit: 10 * 1024 ** 3, expire: 1_798_761_600 },
        'From the first use on': { username: 'cleo', proxies: { trojan: {} }, status: 'on_hold', on_hold_expire_duration: 2_592_000 },
      },
      gives: one_(),
      refuses: { 400: 'Protocol X is disabled on your server', 409: 'User already exists' },
    }),
    op(`GET ${at}`, 'getUser', 'One user', { level: 'U', gives: one_() }),
    op(`PUT ${at}`, 'modifyUser', 'Change a user', {
      level: 'U',
      body: ref('UserModify'),
      examples: { 'A raised limit': { data_limit: 20 * 1024 ** 3 } },
      gives: one_(),
      refuses: { 400: 'Protocol X is disabled on your server' },
    }),
    op(`DELETE ${at}`, 'removeUser', 'Delete a user', { level: 'U', gives: { 200: ['He is gone', say('User successfully deleted')] } }),
    op(`POST ${at}/reset`, 'resetUserDataUsage', 'Count usage anew', { level: 'U', gives: one_() }),
    op(`POST ${at}/revoke_sub`, 'revokeUserSubscription', 'Give new credentials and a new link', { level: 'U', gives: one_() }),
    op(`GET ${at}/usage`, 'getUserUsage', "A user's bytes by node", {
      level: 'U',
      query: window,
      gives: { 200: ['Nodes without bytes among them', record({ username: text(), usages: usage(used).properties.usages })] },
      refuses: dates,
    }),
    op(`POST ${at}/active-next`, 'activeNextPlan', 'Begin the queued plan now', {
      level: 'U',
      gives: one_(),
      refuses: { 404: "User not found, or User doesn't have next plan" },
    }),
    op(`PUT ${at}/set-owner`, 'setOwner', 'Give a user to an admin', {
      level: 'S',
      query: { 'admin_username!': text() },
      gives: one_(),
      refuses: { 404: 'Admin not found, or User not found' },
    }),
    op('GET /api/users', 'getUsers', 'List users', {
      level: 'A',
      query: {
        ...paging,
        username: list(text()),
        search: text('Part of name or note'),
        admin: list(text(), 'Of sudo admins alone'),
        status: one(user.status.enum),
        sort: text('`username`, `used_traffic`, `data_limit`, `expire`, `created_at`, separated by commas, with `-` before it the other way round'),
      },
      gives: { 200: ['`total` counts before paging', record({ users: list(ref('User')), total: int(0, undefined) })] },
      refuses: { 400: '"x" is not a valid sort option' },
    }),
    op('POST /api/users/reset', 'resetUsersDataUsage', "Count everybody's usage anew", {
      level: 'S',
      gives: { 200: ['It is so', say('Users successfully reset.')] },
    }),
    op('GET /api/users/usage', 'getUsersUsage', 'Bytes of all by node', {
      level: 'A',
      query: { ...window, admin: list(text()) },
      gives: { 200: ['By node', usage(used)] },
      refuses: dates,
    }),
    op('GET /api/users/expired', 'getExpiredUsers', 'Who has expired or is limited', {
      level: 'A',
      query: { expired_after: instant(), expired_before: instant() },
      gives: { 200: ['Names', list(text())] },
      refuses: dates,
    }),
    op('DELETE /api/users/expired', 'deleteExpiredUsers', 'Delete who has expired or is limited', {
      level: 'A',
      query: { expired_after: instant(), expired_before: instant() },
      gives: { 200: ['Names', list(text())] },
      refuses: { ...dates, 404: 'No expired users found in the specified date range' },
    }),
  ],
};
