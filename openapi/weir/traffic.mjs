/** What is known of users' traffic: charts, periods, explanations, and the addresses that it comes from. */
import { any, bool, int, list, nul, one, op, page, record, ref, stream, text } from '../dsl.mjs';
import { before, bytes, count, id, limit, paging, second, strings, when } from './common.mjs';

const NAME = '/api/v1/users/{name}';

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
  reason: nul(one(['month', 'total', 'expired', 'person', 'sharing'], 'Why he may not pass')),
  sentence: text('The same in words'),
  period: record({
    start: second(),
    end: nul(second()),
    monthly_quota: bytes(),
    total_quota: bytes(),
    began: nul(one(['schedule', 'reset', 'first'])),
  }),
  charged: record({
    month: bytes('To the monthly quota'),
    bonus: nul(bytes()),
    late: nul(bytes('To periods before, by reports that came late')),
    lifetime: bytes('Since the account was made, bonus included'),
  }),
  brought: bytes('What he brought along from another panel into this period'),
  external: record({ charged: bytes("Of clients' reports, within the period"), shared: bytes('On the day on which it began') }),
  nodes: list(
    record({
      node: count(undefined, undefined),
      name: nul(text()),
      coefficient: count('Per mille, today', undefined),
      up: bytes("The node's own"),
      down: bytes(),
      charged: bytes('What they make at it'),
    }),
  ),
  timeline: list(stretch, 'Hours, days and months that lie in the period'),
  shared: list(stretch, 'Those in which it began'),
  bonus: record({ left: bytes(), spent: bytes('Since the account was made'), without_package: bytes(), packages: list(ref('Package')) }),
  periods: list(ref('Period')),
  held: record({
    known: bytes(),
    out: bytes(),
    nodes: list(record({ node: count(undefined, undefined), unreported: bytes(), known: bytes(), spendable: bytes() })),
  }),
  remaining: nul(bytes('What he may still use; `null` without a quota')),
  free: nul(bytes('What of it no node holds')),
  check: record({ total: bytes(), explained: bytes(), remainder: int(undefined, undefined), because: strings() }),
});

export const schemas = {
  Period: record({
    start: second(),
    end: second(),
    quota: bytes(),
    bytes: bytes('Charged in it, without bonus'),
    reset: nul(bool('A person ended it before its time')),
  }),
  Chart: record({
    by: one(['hour', 'day', 'month']),
    from: second('Begin of the first bucket'),
    to: second('End of the last'),
    whole_since: int(0, undefined, 'Buckets from here on hold everything'),
    up: bytes(),
    down: bytes(),
    total: count(undefined, 1000),
    items: list(record({ start: second(), 'node?': count(undefined, undefined), up: bytes(), down: bytes() }), 'Those with bytes, the oldest first'),
    next: { type: 'null' },
  }),
  Explanation: explanation,
};

export const traffic = [
  op(`GET ${NAME}/usage`, 'getUserUsage', "A user's bytes over time", {
    may: 'users:read',
    text: 'As the nodes counted them, without coefficients.',
    query: { ...chartQuery, split: chart.split, node: count("One node's share", 4_294_967_295) },
    gives: { 200: ['At most 1,000 buckets, 200 with `split`', ref('Chart')] },
  }),
  op(`GET ${NAME}/periods`, 'listPeriods', 'Billing periods that have ended', {
    may: 'users:read',
    query: paging,
    gives: { 200: ['The newest first', page(ref('Period'))] },
  }),
  op(`GET ${NAME}/explain`, 'explainUser', 'Why a user stands where he stands', {
    may: 'users:read',
    text: 'All of one instant of the database.',
    gives: { 200: ['The explanation', ref('Explanation')] },
  }),
  op(`GET ${NAME}/addresses`, 'getUserAddresses', 'From how many addresses a user connects', {
    may: 'users:read',
    gives: {
      200: [
        'Counts and times, never an address',
        record({
          count: count(undefined, undefined),
          limit: count(undefined, undefined),
          window: int(1, undefined, 'Seconds'),
          last_seen_at: when('When one was told last'),
          nodes: list(record({ node: any(), count: count(undefined, undefined), told_at: second() })),
        }),
      ],
    },
  }),
  op('GET /api/v1/usage', 'getUsage', "Everybody's bytes over time", {
    may: 'stats:read',
    query: { ...chartQuery, split: chart.split },
    gives: { 200: ['At most 1,000 buckets, 200 with `split`', ref('Chart')] },
  }),
  op('GET /api/v1/suspicious', 'listSuspicious', 'Who had more addresses than he may', {
    may: 'users:read',
    all: true,
    query: { user: text("A user's name"), limit: limit(), before },
    gives: {
      200: [
        'The newest first',
        stream(
          record({
            id: id(),
            user: text(),
            at: second(),
            count: count(undefined, undefined),
            limit: count(undefined, undefined),
            nodes: any('The count by node'),
            cut_until: when('`null` when it was noted only'),
          }),
        ),
      ],
    },
    refuses: { 404: 'There is no such user' },
  }),
];
