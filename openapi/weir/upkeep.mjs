/** Settings, rules for clients, the audit log, jobs, backups, and whether the panel works. */
import { any, as, bool, form, int, list, map, nul, one, only, op, record, ref, stream, text, whole } from '../dsl.mjs';
import { count, FORMATS, limit, optional, second, strings, when, words } from './common.mjs';

const LAST = 2 ** 53 - 1;
/** Areas by name, with their fields. What a body lacks or is `null` has its default again (PUT), or stays (PATCH). */
const AREAS = {
  alerts: ['When an operator is warned', {
    quota_percent: list(int(1, 100), 'Percent of the monthly quota at which a user is worth a warning', { maxItems: 5, default: [80] }), expiring_days: list(int(1, 30), 'Days before an account\'s expiry', { maxItems: 5, default: [3] }),
    silent_minutes: int(3, 1440, 'A node is silent after so many', { default: 10 }), report_hour: int(0, 23, 'Hour of the daily report', { default: 8 }), keep_days: int(7, 3650, 'For which events are kept; more than each of `expiring_days`', { default: 30 }),
  }],
  backup: ['When the panel is backed up', { enabled: bool(undefined, { default: true }), keep: int(1, 60, 'Complete ones', { default: 14 }), hour: int(0, 23, undefined, { default: 4 }), queries: int(50, 1000, 'That one run may make', { default: 50 }) }],
  devices: ['Whether devices are told apart', { enabled: bool(undefined, { default: false }), limit: int(0, 100, 'Of a user without a limit of his own, 0 = any number', { default: 0 }), without_id: one(['serve', 'refuse'], 'What clients get that send no id') }],
  retention: ['How long history is kept', { hours_days: int(2, 90, 'Hours are kept as hours for so many days', { default: 7 }), days_days: int(40, 3650, 'Days are kept as days for so many days', { default: 400 }) }],
  sharing: ['When an account counts as shared', { limit: int(0, 1000, 'Addresses, 0 = no limit', { default: 3 }), action: one(['log', 'cut']), cut_minutes: int(15, 10_080, undefined, { default: 30 }), keep_days: int(1, 3650, undefined, { default: 90 }) }],
  subscriptions: ['How subscriptions present themselves', {
    title: nul(words(64, '`null` = what `SUBSCRIPTION_TITLE` says', { pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$' })), update_hours: nul(int(1, 720, '`null` = what `SUBSCRIPTION_HOURS` says')),
    support_url: nul(text('`null` = what `SUPPORT_URL` says', { pattern: '^(https?://|mailto:|tg://)[!-~]*$', maxLength: 500 })), barred: one(['notice', 'empty'], 'What a user gets who may not pass'),
  }],
};
const named = ([name]) => `Settings${name[0].toUpperCase()}${name.slice(1)}`;
const areaSchemas = Object.fromEntries(Object.entries(AREAS).map(([name, [words, fields]]) => [named([name]), record(fields, words)]));
const replaced = (fields) => form(optional(fields));
const changed = (fields) => form(optional(fields, (schema) => nul(schema)));
const secret = form({ 'jwt_secret_key?': nul(text('64 hexadecimal digits, as in the table `jwt` of that Marzban\'s database; `null` takes it back', { pattern: '^[0-9a-fA-F]{64}$' })) });
const isSet = record({ jwt_secret_key_set: bool() });

/** A path of its own for each area, so that each has its own schema. */
const settings = [
  ...Object.entries(AREAS).flatMap(([name, [words, fields]]) => {
    const at = `/api/v1/settings/${name}`;
    const Name = named([name]);
    const gives = { 200: ['The area as it is then', ref(Name)] };
    return [
      op(`GET ${at}`, `get${Name}`, words, { may: 'settings:read', gives: { 200: ['The area', ref(Name)] } }),
      op(`PUT ${at}`, `replace${Name}`, `${words}: replace the area`, { may: 'settings:write', text: 'A field that the body lacks has its default again.', body: replaced(fields), examples: { Defaults: {} }, gives }),
      op(`PATCH ${at}`, `change${Name}`, `${words}: change some fields`, { may: 'settings:write', text: 'A field that the body lacks stays, one that is `null` has its default again.', body: changed(fields), examples: { Nothing: {} }, gives }),
    ];
  }),
  op('GET /api/v1/settings/marzban', 'getSettingsMarzban', 'Whether a Marzban\'s secret was imported', { may: 'settings:read', gives: { 200: ['The secret itself is never told', isSet] } }),
  ...['PUT', 'PATCH'].map((method) => op(`${method} /api/v1/settings/marzban`, `${method === 'PUT' ? 'replace' : 'change'}SettingsMarzban`, 'Import a Marzban\'s secret', { may: 'settings:write', body: secret, examples: { 'Take it back': { jwt_secret_key: null } }, gives: { 200: ['Whether there is one', isSet] } })),
];

const headerName = text(undefined, { pattern: '^[A-Za-z0-9!#$%&\'*+.^_`|~-]{1,64}$' });
const texts = list(text(undefined, { minLength: 1, maxLength: 200 }), undefined, { maxItems: 64 });
const versions = list(int(0, 4_294_967_295), 'Major and minor', { minItems: 2, maxItems: 2 });
const given = one(['page', ...FORMATS], 'A format, or the page for people');
const condition = { 'header?': as(headerName, 'Without it `user-agent`'), 'equals?': texts, 'starts?': texts, 'contains?': texts, 'before?': nul(form({ product: text(undefined, { minLength: 1, maxLength: 200 }), version: versions }, 'It names this product in a version before that one')) };
const extra = map(text(undefined, { pattern: '^[ -~]{0,2000}$' }), 'Headers for such a client', { maxProperties: 16, propertyNames: { pattern: '^[A-Za-z0-9!#$%&\'*+.^_`|~-]{1,64}$' } });
const inForce = record({ rules: ref('ClientRules'), shipped: bool('They are the shipped ones') });
export const settingsArea = {
  name: 'Settings',
  description: 'What an operator sets, an area at a time, and which client gets which format.',
  schemas: {
    ...areaSchemas,
    ClientRules: list(
      form({
        'name?': words(64), when: list(form(condition, 'At least one of `equals`, `starts`, `contains` and `before`', { anyOf: ['equals', 'starts', 'contains'].map((name) => ({ required: [name], properties: { [name]: { minItems: 1 } } })).concat({ required: ['before'], properties: { before: { type: 'object' } } }) }), 'All of them must hold; without any the rule always does', { maxItems: 16 }),
        format: given, 'headers?': extra,
      }),
      'The first that fits counts', { maxItems: 100 },
    ),
  },
  operations: [
    ...settings,
    op('GET /api/v1/client-rules', 'getClientRules', 'The rules in force', { may: 'settings:read', gives: { 200: ['The rules', inForce] } }),
    op('PUT /api/v1/client-rules', 'replaceClientRules', 'Replace the rules', { may: 'settings:write', body: form({ rules: ref('ClientRules') }), examples: { 'Everybody gets links': { rules: [{ when: [], format: 'links' }] } }, gives: { 200: ['The rules', inForce] } }),
    op('DELETE /api/v1/client-rules', 'resetClientRules', 'The shipped rules again', { may: 'settings:write', gives: { 200: ['The rules', inForce] } }),
    op('POST /api/v1/client-rules/try', 'tryClientRules', 'Which rule a client meets', {
      may: 'settings:read', text: 'Nothing is changed.', body: form({ user_agent: text(), 'headers?': map(text()), 'rules?': nul(ref('ClientRules')) }), examples: { 'A phone': { user_agent: 'v2rayNG/1.10.5' } },
      gives: { 200: ['What it would get', record({ rule: nul(record({ index: count(undefined, 99), name: text() })), format: text(), content_type: text(), headers: map(text()) })] },
    }),
  ],
};

const instant = (words) => int(0, LAST, words);
export const auditArea = {
  name: 'Audit log',
  description: 'Who did what, in a chain that shows when somebody has changed it.',
  schemas: {
    AuditRow: record({
      number: int(1, undefined), at: second(), actor_kind: one(['api_key', 'operator', 'marzban', 'job', 'stranger']), actor: text(), action: text(undefined, { examples: ['user.change'] }), subject: text(undefined, { examples: ['users/ann'] }),
      before: any('Fields that change, as they were'), after: any('As they are then'), origin: nul(text('The caller\'s address')), request: text('The id of the request'), link: text(),
    }),
  },
  operations: [
    op('GET /api/v1/audit', 'listAudit', 'Read the log', {
      may: 'audit:read', text: 'A call looks at 2,000 rows at most: go on with `before` while `next` is a number, also after a page without items.',
      query: { actor: text('Exactly'), action: text('Exactly'), subject: text('Exactly'), from: instant('Unix seconds'), to: instant('Unix seconds, exclusive'), limit: limit(), before: instant('Only rows below this number') },
      gives: { 200: ['The newest first', stream(ref('AuditRow'))] },
    }),
    op('GET /api/v1/audit/verify', 'verifyAudit', 'Whether the log is as it was written', {
      may: 'audit:read', query: { from: as(instant(), 'Number of the first row to look at', { default: 1 }), limit: limit(1000, 200), head: text('`count:link`, as an earlier answer gave them') },
      gives: {
        200: ['docs/audit.md explains it', record({
          ok: bool('Nothing is wrong with what was looked at'), checked: count(undefined, undefined), first_broken: nul(record({ number: int(undefined, undefined), kind: one(['edited', 'rewritten', 'missing', 'cut', 'beyond', 'unsealed']) })),
          tail: one(['ok', 'cut', 'unknown']), head: one(['ok', 'forged', 'new', 'missing']), next: nul(int(1, undefined)), kept: nul(one(['ok', 'differs', 'missing'])), count: nul(int(0, undefined)), link: nul(text()), since: when('When row 1 was written'),
        })],
      },
    }),
  ],
};

export const jobsArea = {
  name: 'Jobs and backups',
  description: 'What the panel does by the clock. Without a bucket for backups they answer 503.',
  parameters: { name: text('A job\'s name', { examples: ['sweep'] }), instant: text('The second in which the backup began'), part: text('Name of the part') },
  operations: [
    op('GET /api/v1/jobs', 'listJobs', 'List jobs', {
      may: 'settings:read',
      gives: { 200: ['How each went', whole(record({ name: text(), next_at: int(0, undefined), started_at: when('Begin of the last run'), ended_at: when('End of the last that came to one'), lasted_ms: int(0, undefined), queries: count(undefined, undefined), rows_read: count(undefined, undefined), rows_written: count(undefined, undefined), failures: count('Runs in a row that failed', undefined), error: nul(text()), note: nul(text()) }))] },
    }),
    op('POST /api/v1/jobs/{name}/run', 'runJob', 'Run a job now', { may: 'settings:write', gives: { 202: ['The next trigger, within a minute, runs it'] } }),
    op('GET /api/v1/backups', 'listBackups', 'List backups', { may: 'backup:read', gives: { 200: ['The newest first', whole(record({ instant: second('Its name'), complete: bool(), at: when('The instant that it shows'), rows: nul(int(0, undefined)), bytes: nul(int(0, undefined)) }))] } }),
    op('POST /api/v1/backups', 'makeBackup', 'Make a backup', { may: 'backup:write', gives: { 202: ['The next triggers make it'] } }),
    op('GET /api/v1/backups/{instant}', 'getBackup', 'A backup\'s manifest', { may: 'backup:read', gives: { 200: ['docs/backup.md explains it', map(any())] } }),
    op('GET /api/v1/backups/{instant}/{part}', 'getBackupPart', 'A part of a backup', { may: 'backup:read', gives: { 200: ['Its first line tells table and columns, every other one is a row', text(), 'application/x-ndjson'] } }),
  ],
};

export const operationsArea = {
  name: 'Operations',
  description: 'For monitors and hosts.',
  operations: [
    op('GET /health', 'getHealth', 'Whether the panel works', { may: null, gives: { 200: ['Database and secrets are there', record({ status: only('ok'), version: text() })] } }),
    op('HEAD /health', 'headHealth', 'The same, without a body', { may: null, face: 'none', gives: { 200: ['Database and secrets are there'] }, refuses: { 503: 'They are not' } }),
    op('GET /install.sh', 'getInstaller', 'The script that installs an agent', { may: null, face: 'text', gives: { 200: ['It holds no secret', text(), 'text/plain'] } }),
    op('HEAD /install.sh', 'headInstaller', 'The same, without a body', { may: null, face: 'none', gives: { 200: ['It is there'] } }),
  ],
};
