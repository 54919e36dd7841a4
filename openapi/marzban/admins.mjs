/** Signing in, and who may. */
import { bool, lenient, list, nul, one, op, ref, text } from '../dsl.mjs';
import { adminBody, bytes, MISSING, paging, say } from './common.mjs';

export const admins = {
  name: 'Admins',
  description: 'Signing in, and who may. `is_sudo` is an owner or admin of this panel, a plain admin a reseller.',
  operations: [
    op('POST /api/admin/token', 'adminToken', 'Sign in', {
      level: null,
      media: 'application/x-www-form-urlencoded',
      body: lenient({
        username: text(undefined, { minLength: 1 }),
        password: text(undefined, { minLength: 1 }),
        'grant_type?': one(['password', '']),
        'scope?': text(),
        'client_id?': text(),
        'client_secret?': text(),
        'totp?': text('Code of the second factor, for whoever has one'),
      }),
      gives: { 200: ['A bearer for a day', ref('Token')] },
      refuses: { 401: 'Incorrect username or password', 429: 'Too many guesses' },
    }),
    op('GET /api/admin', 'getCurrentAdmin', 'Oneself', { level: 'A', gives: { 200: ['The admin', ref('Admin')] } }),
    op('POST /api/admin', 'createAdmin', 'Create an admin', {
      level: 'S',
      body: lenient({ username: text(), password: text(), is_sudo: bool(), ...adminBody }),
      gives: { 200: ['The admin', ref('Admin')] },
      refuses: { 409: 'Admin already exists' },
    }),
    op('PUT /api/admin/{username}', 'modifyAdmin', 'Change an admin', {
      level: 'S',
      body: lenient({ is_sudo: bool(), 'password?': nul(text()), ...adminBody }),
      gives: { 200: ['The admin', ref('Admin')] },
      refuses: { 403: "You're not allowed to edit another sudoer's account. Use marzban-cli instead.", 404: MISSING.admin },
    }),
    op('DELETE /api/admin/{username}', 'removeAdmin', 'Delete an admin', {
      level: 'S',
      gives: { 200: ['He is gone', say('Admin removed successfully')] },
      refuses: { 404: MISSING.admin },
    }),
    op('GET /api/admins', 'getAdmins', 'List admins', {
      level: 'S',
      query: { ...paging, username: text('Part of the name') },
      gives: { 200: ['A bare list', list(ref('Admin'))] },
    }),
    op('POST /api/admin/{username}/users/disable', 'disableAllActiveUsers', "Shut out an admin's users", {
      level: 'S',
      gives: { 200: ['It is so', say('Users successfully disabled')] },
      refuses: { 404: MISSING.admin },
    }),
    op('POST /api/admin/{username}/users/activate', 'activateAllDisabledUsers', "Let an admin's users in again", {
      level: 'S',
      gives: { 200: ['It is so', say('Users successfully activated')] },
      refuses: { 404: MISSING.admin },
    }),
    op('POST /api/admin/usage/reset/{username}', 'resetAdminUsage', "Count an admin's usage anew", {
      level: 'S',
      gives: { 200: ['The admin', ref('Admin')] },
      refuses: { 404: MISSING.admin },
    }),
    op('GET /api/admin/usage/{username}', 'getAdminUsage', "An admin's usage", {
      level: 'S',
      gives: { 200: ['Bytes, a bare number', bytes()] },
      refuses: { 404: MISSING.admin },
    }),
  ],
};
