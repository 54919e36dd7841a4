/** Plans: what users are given together. */
import { any, as, form, int, list, map, nul, op, record, ref, whole } from '../dsl.mjs';
import { bytes, count, paging } from './common.mjs';

const AT = '/api/v1/plans';
const GB = 1024 ** 3;
const version = count('Rises with every change', undefined);
const terms = {
  monthly_quota: bytes('In each period, 0 = unlimited'),
  total_quota: bytes('Over the lifetime, 0 = unlimited'),
  reset_strategy: ref('Strategy'),
  reset_day: nul(int(1, 31, '`null` leaves it to the user')),
  duration_days: count('How long a new account lasts, 0 = without end', 36_500),
  speed_limit: bytes('Bytes a second in each direction, 0 = unlimited'),
  device_limit: count('Client addresses with a live connection on a node, 0 = unlimited'),
  stream_limit: count('Live connections on a node, 0 = unlimited'),
  address_limit: nul(count("Client addresses in five minutes over all nodes, 0 = unlimited; `null` = the deployment's own limit")),
};
const fields = Object.fromEntries(Object.entries(terms).map(([name, schema]) => [`${name}?`, schema]));
const counts = ['monthly_quota', 'total_quota', 'reset_strategy', 'reset_day', 'speed_limit', 'device_limit', 'stream_limit', 'address_limit'];

export const plansArea = {
  name: 'Plans',
  description: 'What users are given together. Users keep what they have until a changed plan is applied to them.',
  parameters: { name: ref('PlanName') },
  schemas: {
    Plan: record({ name: ref('PlanName'), version, ...terms }),
    NewPlan: form({ name: ref('PlanName'), ...fields }, 'What is missing is unlimited'),
    PlanChange: form(fields, 'What is missing stays; the name stays in any case'),
  },
  operations: [
    op(`GET ${AT}`, 'listPlans', 'List plans', { may: 'plans:read', gives: { 200: ['All of them', whole(ref('Plan'))] } }),
    op(`POST ${AT}`, 'createPlan', 'Create a plan', {
      may: 'plans:write',
      body: ref('NewPlan'),
      examples: { 'Two devices': { name: 'duo', monthly_quota: 200 * GB, duration_days: 30, device_limit: 2 } },
      gives: { 201: ['The plan; `Location` is its address', ref('Plan')] },
      refuses: { 409: 'The name is taken' },
    }),
    op(`GET ${AT}/{name}`, 'getPlan', 'One plan', {
      may: 'plans:read',
      gives: {
        200: [
          'With how many have it, and how far a job is that gives it to them',
          record({
            name: ref('PlanName'),
            version,
            ...terms,
            users: count(undefined, undefined),
            outdated: count('Users who were last given an older version', undefined),
            applying: nul(record({ plan: ref('PlanName'), version, done: count('Users who have been given it', undefined) })),
          }),
        ],
      },
    }),
    op(`PATCH ${AT}/{name}`, 'changePlan', 'Change a plan', {
      may: 'plans:write',
      text: 'The version rises unless nothing is changed.',
      body: ref('PlanChange'),
      examples: { 'Faster': { speed_limit: 10_485_760 } },
      gives: { 200: ['The plan', ref('Plan')] },
    }),
    op(`DELETE ${AT}/{name}`, 'deletePlan', 'Delete a plan', {
      may: 'plans:write',
      gives: { 204: ['It is gone'] },
      refuses: { 409: 'Somebody has it, or it is queued for somebody (`in_use`)' },
    }),
    op(`GET ${AT}/{name}/changes`, 'previewPlan', 'What applying a plan would change', {
      may: 'plans:changes',
      query: paging,
      gives: {
        200: [
          'Users who were last given an older version',
          record({
            version,
            fields: record(
              Object.fromEntries(counts.map((name) => [name, count(undefined, undefined)])),
              'Of how many users each field would change',
            ),
            items: list(record({ user: ref('UserName'), before: map(any()), after: map(any()) })),
            total: count(undefined, undefined),
            next: nul(count(undefined, undefined)),
          }),
        ],
      },
    }),
    op(`POST ${AT}/{name}/apply`, 'applyPlan', "Give a plan's values to its users", {
      may: 'plans:write',
      body: form({ version: as(count(undefined, 4_294_967_295), 'The version whose changes somebody has seen') }),
      examples: { 'As it was looked at': { version: 1 } },
      gives: { 202: ['A job does it', record({ name: ref('PlanName'), version })] },
      refuses: { 409: 'The plan stands at another version (`plan_changed`)' },
    }),
  ],
};
