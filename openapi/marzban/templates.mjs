/** Templates of users. */
import { list, op, ref } from '../dsl.mjs';
import { MISSING, paging } from './common.mjs';

export const templates = {
  name: 'Templates',
  description: 'What new users are made from.',
  operations: [
    op('GET /api/user_template', 'getUserTemplates', 'List templates', {
      level: 'A',
      query: paging,
      gives: { 200: ['A bare list', list(ref('UserTemplate'))] },
    }),
    op('POST /api/user_template', 'addUserTemplate', 'Create a template', {
      level: 'S',
      body: ref('UserTemplateFields'),
      gives: { 200: ['The template', ref('UserTemplate')] },
      refuses: { 409: 'Template by this name already exists' },
    }),
    op('GET /api/user_template/{id}', 'getUserTemplate', 'One template', {
      level: 'A',
      gives: { 200: ['The template', ref('UserTemplate')] },
      refuses: { 404: MISSING.template },
    }),
    op('PUT /api/user_template/{id}', 'modifyUserTemplate', 'Change a template', {
      level: 'S',
      body: ref('UserTemplateFields'),
      gives: { 200: ['The template', ref('UserTemplate')] },
      refuses: { 404: MISSING.template, 409: 'Template by this name already exists' },
    }),
    op('DELETE /api/user_template/{id}', 'removeUserTemplate', 'Delete a template', {
      level: 'S',
      gives: { 200: ['It is gone', { type: 'null' }] },
      refuses: { 404: MISSING.template },
    }),
  ],
};
