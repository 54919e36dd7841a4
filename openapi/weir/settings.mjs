/** Settings, an area at a time, and the rules for clients. */
import { as, bool, form, int, list, map, nul, one, op, record, ref, text } from '../dsl.mjs';
import { count, FORMATS, optional, words } from './common.mjs';

/** Areas by name, with their fields. What a body lacks or is `null` has its default again (PUT), or stays (PATCH). */
const AREAS = {
  alerts: [
    'When an operator is warned',
    {
      quota_percent: list(int(1, 100), 'Percent of the monthly quota at which a user is worth a warning', { maxItems: 5, default: [80] }),
      expiring_days: list(int(1, 30), "Days before an account's expiry", { maxItems: 5, default: [3] }),
      silent_minutes: int(3, 1440, 'A node is silent after so many', { default: 10 }),
      report_hour: int(0, 23, 'Hour of the daily report', { default: 8 }),
      keep_days: int(7, 3650, 'For which events are kept; more than each of `expiring_days`', { default: 30 }),
    },
  ],
  backup: [
    'When the panel is backed up',
    {
      enabled: bool(undefined, { default: true }),
      keep: int(1, 60, 'Complete ones', { default: 14 }),
      hour: int(0, 23, undefined, { default: 4 }),
      queries: int(50, 1000, 'That one run may make', { default: 50 }),
    },
  ],
  devices: [
    'Whether devices are told apart',
    {
      enabled: bool(undefined, { default: false }),
      limit: int(0, 100, 'Of a user without a limit of his own, 0 = any number', { default: 0 }),
      without_id: one(['serve', 'refuse'], 'What clients get that send no id'),
    },
  ],
  retention: [
    'How long history is kept',
    {
      hours_days: int(2, 90, 'Hours are kept as hours for so many days', { default: 7 }),
      days_days: int(40, 3650, 'Days are kept as days for so many days', { default: 400 }),
    },
  ],
  sharing: [
    'When an account counts as shared',
    {
      limit: int(0, 1000, 'Addresses, 0 = no limit', { default: 3 }),
      action: one(['log', 'cut']),
      cut_minutes: int(15, 10_080, undefined, { default: 30 }),
      keep_days: int(1, 3650, undefined, { default: 90 }),
    },
  ],
  subscriptions: [
    'How subscriptions present themselves',
    {
      title: nul(
        words(64, '`null` = what `SUBSCRIPTION_TITLE` says', {
          pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$',
        }),
      ),
      update_hours: nul(int(1, 720, '`null` = what `SUBSCRIPTION_HOURS` says')),
      support_url: nul(text('`null` = what `SUPPORT_URL` says', { pattern: '^(https?://|mailto:|tg://)[!-~]*$', maxLength: 500 })),
      barred: one(['notice', 'empty'], 'What a user gets who may not pass'),
    },
  ],
};
const named = ([name]) => `Settings${name[0].toUpperCase()}${name.slice(1)}`;
const areaSchemas = Object.fromEntries(Object.entries(AREAS).map(([name, [words, fields]]) => [named([name]), record(fields, words)]));
const replaced = (fields) => form(optional(fields));
const changed = (fields) => form(optional(fields, (schema) => nul(schema)));
const secret = form({
  'jwt_secret_key?': nul(
    text("64 hexadecimal digits, as in the table `jwt` of that Marzban's database; `null` takes it back", { pattern: '^[0-9a-fA-F]{64}$' }),
  ),
});
const isSet = record({ jwt_secret_key_set: bool() });

/** A path of its own for each area, so that each has its own schema. */
const settings = [
  ...Object.entries(AREAS).flatMap(([name, [words, fields]]) => {
    const at = `/api/v1/settings/${name}`;
    const Name = named([name]);
    const gives = { 200: ['The area as it is then', ref(Name)] };
    return [
      op(`GET ${at}`, `get${Name}`, words, { may: 'settings:read', gives: { 200: ['The area', ref(Name)] } }),
      op(`PUT ${at}`, `replace${Name}`, `${words}: replace the area`, {
        may: 'settings:write',
        text: 'A field that the body lacks has its default again.',
        body: replaced(fields),
        examples: { Defaults: {} },
        gives,
      }),
      op(`PATCH ${at}`, `change${Name}`, `${words}: change some fields`, {
        may: 'settings:write',
        text: 'A field that the body lacks stays, one that is `null` has its default again.',
        body: changed(fields),
        examples: { Nothing: {} },
        gives,
      }),
    ];
  }),
  op('GET /api/v1/settings/marzban', 'getSettingsMarzban', "Whether a Marzban's secret was imported", {
    may: 'settings:read',
    gives: { 200: ['The secret itself is never told', isSet] },
  }),
  ...['PUT', 'PATCH'].map((method) =>
    op(`${method} /api/v1/settings/marzban`, `${method === 'PUT' ? 'replace' : 'change'}SettingsMarzban`, "Import a Marzban's secret", {
      may: 'settings:write',
      body: secret,
      examples: { 'Take it back': { jwt_secret_key: null } },
      gives: { 200: ['Whether there is one', isSet] },
    }),
  ),
];

const headerName = text(undefined, { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$" });
const texts = list(text(undefined, { minLength: 1, maxLength: 200 }), undefined, { maxItems: 64 });
const versions = list(int(0, 4_294_967_295), 'Major and minor', { minItems: 2, maxItems: 2 });
const given = one(['page', ...FORMATS], 'A format, or the page for people');
const condition = {
  'header?': as(headerName, 'Without it `user-agent`'),
  'equals?': texts,
  'starts?': texts,
  'contains?': texts,
  'before?': nul(
    form({ product: text(undefined, { minLength: 1, maxLength: 200 }), version: versions }, 'It names this product in a version before that one'),
  ),
};
const extra = map(text(undefined, { pattern: '^[ -~]{0,2000}$' }), 'Headers for such a client', {
  maxProperties: 16,
  propertyNames: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$" },
});
const inForce = record({ rules: ref('ClientRules'), shipped: bool('They are the shipped ones') });
export const settingsArea = {
  name: 'Settings',
  description: 'What an operator sets, an area at a time, and which client gets which format.',
  schemas: {
    ...areaSchemas,
    ClientRules: list(
      form({
        'name?': words(64),
        when: list(
          form(condition, 'At least one of `equals`, `starts`, `contains` and `before`', {
            anyOf: ['equals', 'starts', 'contains']
              .map((name) => ({ required: [name], properties: { [name]: { minItems: 1 } } }))
              .concat({ required: ['before'], properties: { before: { type: 'object' } } }),
          }),
          'All of them must hold; without any the rule always does',
          { maxItems: 16 },
        ),
        format: given,
        'headers?': extra,
      }),
      'The first that fits counts',
      { maxItems: 100 },
    ),
  },
  operations: [
    ...settings,
    op('GET /api/v1/client-rules', 'getClientRules', 'The rules in force', { may: 'settings:read', gives: { 200: ['The rules', inForce] } }),
    op('PUT /api/v1/client-rules', 'replaceClientRules', 'Replace the rules', {
      may: 'settings:write',
      body: form({ rules: ref('ClientRules') }),
      examples: { 'Everybody gets links': { rules: [{ when: [], format: 'links' }] } },
      gives: { 200: ['The rules', inForce] },
    }),
    op('DELETE /api/v1/client-rules', 'resetClientRules', 'The shipped rules again', {
      may: 'settings:write',
      gives: { 200: ['The rules', inForce] },
    }),
    op('POST /api/v1/client-rules/try', 'tryClientRules', 'Which rule a client meets', {
      may: 'settings:read',
      text: 'Nothing is changed.',
      body: form({ user_agent: text(), 'headers?': map(text()), 'rules?': nul(ref('ClientRules')) }),
      examples: { 'A phone': { user_agent: 'v2rayNG/1.10.5' } },
      gives: {
        200: [
          'What it would get',
          record({ rule: nul(record({ index: count(undefined, 99), name: text() })), format: text(), content_type: text(), headers: map(text()) }),
        ],
      },
    }),
  ],
};
