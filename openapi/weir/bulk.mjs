/** Actions on many users at once. */
import { any, bool, form, has, int, list, map, nul, one, only, op, record, ref, stream, text } from '../dsl.mjs';
import { before, count, id, limit, paging, second, userFields, when } from './common.mjs';

const filters = [has('search', 'string', { minLength: 1 }), has('status', 'string'), has('plan', 'string'), has('node', 'integer')];
const selection = form(
  {
    'users?': nul(list(ref('UserName'), 'Names; not together with a filter', { minItems: 1, maxItems: 1000 })),
    'search?': nul(text('Part of name, note or e-mail address')),
    'status?': nul(ref('Status')),
    'plan?': nul(ref('PlanName')),
    'node?': nul(count('The number of a node that they have used', 4_294_967_295)),
    'all?': nul(bool('`true`: everybody')),
  },
  'Whom it is for: names, a filter, or everybody, which must be said, so that no misspelt filter deletes all',
  { oneOf: [has('users', 'array'), { anyOf: filters }, { required: ['all'], properties: { all: only(true) } }] },
);
const { 'email?': _, ...shared } = userFields;
const action = {
  description: 'What is done to each',
  anyOf: [
    one(['reset', 'enable', 'disable', 'delete']),
    form({ extend: form({ days: int(-3650, 3650, 'A negative number shortens', { not: only(0) }) }) }),
    form({ change: form(shared, "Fields of a user's change but `name` and `email`", { minProperties: 1 }) }),
  ],
};
const bulk = {
  id: id(),
  created_at: second(),
  entered_by: text(),
  selection: any('As it was asked for'),
  action: any('As it was asked for'),
  state: one(['running', 'done', 'stopped', 'undoing', 'undone']),
  total: count('Users that were chosen', undefined),
  done: count('Changed', undefined),
  skipped: count('Left as they were', undefined),
  undone: count('Restored', undefined),
  kept: count('Not restored, because somebody changed them since', undefined),
  ended_at: when('When it ended'),
  undo_until: when('Until when it can be undone'),
};
const left = nul(list(record({ user: id(), name: text(), why: text() })));

export const bulkArea = {
  name: 'Many users at once',
  description: 'Looked at before, done 250 at a time by a job, undone for a day.',
  parameters: { id: int(0, 2 ** 53 - 1, 'Its number') },
  schemas: {
    Bulk: record(bulk),
    BulkWanted: form({
      selection,
      action,
      'expect?': nul(count('The number of users that somebody has seen; another one answers 409', 4_294_967_295)),
    }),
  },
  operations: [
    op('POST /api/v1/bulk/preview', 'previewBulk', 'What would change for whom', {
      may: 'users:read',
      all: true,
      query: paging,
      body: ref('BulkWanted'),
      examples: { 'A month longer': { selection: { plan: 'basic' }, action: { extend: { days: 30 } } } },
      gives: {
        200: [
          'Nothing is changed',
          record({
            total: count(undefined, undefined),
            rows_written_at_most: count(undefined, undefined),
            items: list({
              anyOf: [record({ user: id(), name: text(), before: map(any()), after: map(any()) }), record({ user: id(), name: text(), why: text() })],
            }),
            next: nul(count(undefined, undefined)),
          }),
        ],
      },
    }),
    op('GET /api/v1/bulk', 'listBulk', 'What was done to many', {
      may: 'users:read',
      all: true,
      query: { limit: limit(), before },
      gives: { 200: ['The newest first', stream(ref('Bulk'))] },
    }),
    op('POST /api/v1/bulk', 'startBulk', 'Do something to many users', {
      may: 'users:write',
      all: true,
      body: ref('BulkWanted'),
      examples: {
        'Disable two': { selection: { users: ['ann', 'bob'] }, action: 'disable', expect: 2 },
        'Another speed for a plan': { selection: { plan: 'free' }, action: { change: { speed_limit: 2_097_152 } } },
      },
      gives: { 202: ['How far it is', ref('Bulk')] },
      refuses: { 409: 'There are other users than `expect` says (`selection_changed`)' },
    }),
    op('GET /api/v1/bulk/{id}', 'getBulk', 'How far it is', {
      may: 'users:read',
      all: true,
      gives: {
        200: [
          'With the first 200 users who were left as they were, and who were not restored',
          record({ ...bulk, skipped_users: left, kept_users: left }),
        ],
      },
    }),
    op('POST /api/v1/bulk/{id}/stop', 'stopBulk', 'Go no further', {
      may: 'users:write',
      all: true,
      gives: { 200: ['How far it is', ref('Bulk')] },
      refuses: { 409: 'It does not go on (`not_running`)' },
    }),
    op('POST /api/v1/bulk/{id}/undo', 'undoBulk', 'Take it back', {
      may: 'users:write',
      all: true,
      gives: { 202: ['How far it is', ref('Bulk')] },
      refuses: { 409: 'It was undone, or ended more than a day ago (`not_undoable`)' },
    }),
  ],
};
