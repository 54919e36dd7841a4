/** The simple API: whole gigabytes, for scripts. */
import { form, int, nul, one, only, op, record, ref, text } from '../dsl.mjs';
import { bytes } from './common.mjs';

const gigabytes = (more) => int(0, 8_388_607, 'Whole gigabytes of 1,024^3 bytes, 0 = unlimited', more);
/** What is told is rounded, so the largest quota that the other APIs take is one more. */
const told = () => int(0, 8_388_608, 'Whole gigabytes of 1,024^3 bytes, 0 = unlimited');
const done = { 200: ['It is done', record({ success: only(true) })] };
const day = int(1, 31, 'Day of the month on which usage begins anew');

export const simpleArea = {
  name: 'Simple API',
  description:
    "For scripts that speak whole gigabytes (1,024^3 bytes). Where Marzban's API has the same path, a bearer that does not begin with `weir_` is meant for that one.",
  face: 'simple',
  parameters: { name: ref('UserName') },
  schemas: {
    SimpleUser: record({
      username: ref('UserName'),
      password: text('That of trojan'),
      email: nul(text()),
      created_at: text('UTC', { examples: ['2026-11-23 09:30:00'] }),
      status: one(['active', 'disabled']),
      reason: nul(one(['month', 'total', 'expired', 'person', 'sharing'])),
      monthly_quota: told(),
      total_quota: told(),
      reset_day: day,
      monthly_used: bytes(),
      total_used: bytes(),
    }),
    SimpleUserChange: form(
      {
        'username?': nul(ref('UserName')),
        'email?': nul(ref('Email')),
        'monthly_quota?': nul(gigabytes()),
        'total_quota?': nul(gigabytes()),
        'reset_day?': nul(day),
        'status?': nul(one(['active', 'disabled'])),
        'reason?': nul(text()),
        'password?': nul(text('Only the present one')),
        'created_at?': nul(text()),
        'monthly_used?': nul(int(0, undefined)),
        'total_used?': nul(int(0, undefined)),
      },
      'What is missing stays. A user who was read and is sent back as he is stays as he is',
    ),
    NewSimpleUser: form({
      username: ref('UserName'),
      'email?': nul(ref('Email')),
      'monthly_quota?': gigabytes({ default: 100 }),
      'total_quota?': gigabytes({ default: 0 }),
      'reset_day?': day,
    }),
  },
  operations: [
    op('GET /api/user/{name}', 'getSimpleUser', 'One user', { may: 'users:links', gives: { 200: ['The user', ref('SimpleUser')] } }),
    op('PUT /api/user/{name}', 'changeSimpleUser', 'Change a user', {
      may: 'users:write',
      body: ref('SimpleUserChange'),
      examples: { 'Shut him out': { status: 'disabled' } },
      gives: done,
      refuses: { 409: 'The name is taken, or an allowance is used up' },
    }),
    op('DELETE /api/user/{name}', 'deleteSimpleUser', 'Delete a user', { may: 'users:write', gives: done }),
    op('POST /api/add_user', 'addSimpleUser', 'Create a user', {
      may: 'users:write',
      body: ref('NewSimpleUser'),
      examples: { '50 GB': { username: 'ann', monthly_quota: 50 } },
      gives: { 200: ['With the password of trojan', record({ success: only(true), password: text() })] },
      refuses: { 409: 'The name is taken, or an allowance is used up' },
    }),
    op('POST /api/reset_traffic/{name}', 'resetSimpleUser', 'Begin a new period now', {
      may: 'users:write',
      gives: done,
      refuses: { 409: 'An allowance is used up' },
    }),
    op('GET /api/stats', 'getSimpleStats', 'The whole in three numbers', {
      may: 'stats:read',
      gives: {
        200: ['Bytes of all time, up and down', record({ total_users: int(0, undefined), active_users: int(0, undefined), total_traffic: bytes() })],
      },
    }),
  ],
};
