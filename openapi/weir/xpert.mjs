/** The Xpert API: traffic through other people's servers, and the links to them. */
import { any, as, bool, form, int, lenient, list, map, nul, number, one, only, op, record, ref, text } from '../dsl.mjs';
import { count, id, strings, words } from './common.mjs';

export const AT = '/api/xpert';
const days = (more) => int(1, 3650, 'Today and the UTC days before, so many in all', more);
const gb = (description) => number(description, { minimum: 0 });
export const total = int(0, undefined);
export const stamp = text('UTC', { pattern: '^\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}:\\d{2}$', examples: ['2026-11-23 09:30:00'] });
export const token = text('A subscription token or an alias', { minLength: 1 });
export const message = text();

/** GET is answered to HEAD as well, without a body. */
export const both = (where, id, summary, more) => [
  op(`GET ${AT}${where}`, id, summary, more),
  op(`HEAD ${AT}${where}`, `head${id[0].toUpperCase()}${id.slice(1)}`, `${summary}: the headers alone`, {
    ...more,
    face: 'none',
    gives: { 200: [more.gives[200][0], undefined, undefined, more.gives[200][3]] },
  }),
];
/** What a page of another host asks a path first. */
const preflight = (...paths) =>
  paths.map((where) =>
    op(
      `OPTIONS ${AT}${where}`,
      `preflight${where.replace(/[^a-z]+(\w)/g, (_, letter) => letter.toUpperCase()).replace(/\W/g, '')}`,
      'Whether a page of another host may call',
      {
        may: null,
        noQuery: true,
        path: { id: text(), user_token: text() },
        gives: { 204: ['The headers say so to origins that the operator lists'] },
      },
    ),
  );

const sums = { total_users: total, total_servers: total, total_gb_used: gb(), total_connections: total, total_protocols: total, period_days: total };
const settings = {
  tracking_enabled: bool(),
  retention_days: int(0, 3650, '0 = for good'),
  fetch_log_days: int(1, 3650),
  domain: text('Where clients reach the panel; empty: where they fetched the list', { maxLength: 260, pattern: '^[!#-;=?-\\[\\]-~]*$' }),
  title: words(60, undefined, { minLength: 1 }),
  direct_title: words(60, undefined, { minLength: 1 }),
  quota_counting: one(['none', 'trusted', 'all'], 'Which external bytes count towards the quota'),
};
const setHere = form(
  Object.fromEntries(Object.entries(settings).map(([name, schema]) => [`${name}?`, nul(schema)])),
  "What is missing or `null` is what the Worker's variable says",
);
const inForce = record({ settings: record(settings), set_here: map(any()), notes: strings() });

export const xpertArea = {
  name: 'Xpert: traffic',
  description:
    'Traffic through other people\'s servers, as clients report it. Errors are `{"detail"}`. Pages of other hosts may call, if `XPERT_ORIGINS` lists them: every path answers their browsers\' OPTIONS.',
  face: 'xpert',
  parameters: { user_token: token },
  schemas: {
    Report: lenient(
      {
        user_token: as(token, undefined, { maxLength: 256 }),
        server: text('Host name or address', { minLength: 1, maxLength: 253, pattern: '^[^\\s\\u0000-\\u001f\\u007f-\\u009f]+$' }),
        port: int(1, 65_535),
        protocol: text(undefined, { pattern: '^[A-Za-z0-9._+-]{1,32}$' }),
        bytes_uploaded: int(0, 2 ** 44),
        bytes_downloaded: int(0, 2 ** 44),
      },
      'Other fields are tolerated',
    ),
    XpertSettings: inForce,
  },
  operations: [
    op(`POST ${AT}/traffic-webhook`, 'reportTraffic', 'Report traffic', {
      may: null,
      text: 'Whoever knows a valid token may. A signature in `X-Webhook-Signature` marks the report as trusted.',
      body: ref('Report'),
      examples: {
        'Ten megabytes down': {
          user_token: 'user123',
          server: 'vpn.example.com',
          port: 443,
          protocol: 'vless',
          bytes_uploaded: 1000,
          bytes_downloaded: 10_000_000,
        },
      },
      header: {
        'Idempotency-Key': text('Makes a retry harmless', { maxLength: 255 }),
        'X-Webhook-Signature': text('`sha256=` and the HMAC-SHA256 of the body in hex'),
      },
      gives: { 200: ['It was recorded, or tracking is off', record({ status: one(['success', 'disabled']), message })] },
      refuses: { 401: 'The signature is wrong', 404: 'The token is unknown', 429: 'More than 60 a minute of a token, or 600 of an address' },
    }),
    ...both('/traffic-stats/{user_token}', 'getTrafficStats', 'What was reported of a user', {
      may: null,
      text: 'The token is the credential.',
      query: { days: days({ default: 30 }) },
      gives: {
        200: [
          'By server',
          record({
            user_token: text(),
            total_gb_used: gb(),
            period_days: total,
            servers: list(
              record({
                server: text(),
                port: count(),
                protocol: text(),
                upload_gb: gb(),
                download_gb: gb(),
                total_gb: gb(),
                connections: as(total, 'Days'),
                last_used: stamp,
              }),
            ),
          }),
        ],
      },
    }),
    ...both('/traffic-stats/global', 'getGlobalStats', 'What was reported of all', {
      may: 'stats:read',
      marzban: true,
      query: { days: days({ default: 30 }) },
      gives: {
        200: [
          'With the ten servers that moved most',
          record({
            ...sums,
            top_servers: list(record({ server: text(), port: count(), protocol: text(), total_gb: gb() }), undefined, { maxItems: 10 }),
          }),
        ],
      },
    }),
    ...both('/marzban-traffic-stats', 'getMarzbanStats', 'The same for a Marzban dashboard', {
      may: 'stats:read',
      marzban: true,
      query: { days: days({ default: 30 }) },
      gives: {
        200: [
          'Sums',
          record({
            users_traffic: record({
              ...sums,
              external_servers: only(true),
              integration_type: only('xpert_panel'),
              data_source: only('traffic_monitoring_system'),
            }),
          }),
        ],
      },
    }),
    op(`POST ${AT}/traffic-stats/cleanup`, 'cleanUpTraffic', 'Forget what is old', {
      may: 'nodes:write',
      marzban: true,
      query: { days: days() },
      gives: { 200: ['How much it was', record({ status: only('success'), deleted_rows: total, cleanup_days: total })] },
    }),
    ...both('/traffic-stats/database/info', 'getDatabaseInfo', 'How much is stored', {
      may: 'stats:read',
      marzban: true,
      gives: {
        200: [
          'Sizes',
          record({
            database_path: text(),
            total_records: total,
            unique_users: total,
            unique_servers: total,
            database_size_mb: gb(),
            retention_days: total,
          }),
        ],
      },
    }),
    ...both('/fetches', 'listFetches', 'Who fetched his subscription', {
      may: 'nodes:read',
      query: { days: days({ default: 1 }), user: text("A user's name") },
      gives: { 200: ['The newest hour first', record({ fetches: list(record({ user: text(), at: total, client: text(), format: text() })) })] },
      refuses: { 404: 'There is no such user' },
    }),
    ...both('/settings', 'getXpertSettings', 'The settings in force', {
      may: 'nodes:read',
      gives: { 200: ['What is in force, and what of it was set here', ref('XpertSettings')] },
    }),
    op(`PUT ${AT}/settings`, 'replaceXpertSettings', 'Replace what was set', {
      may: 'nodes:write',
      body: setHere,
      examples: { 'As the variables say': {} },
      gives: { 200: ['As it is then', ref('XpertSettings')] },
    }),
    op(`PATCH ${AT}/settings`, 'changeXpertSettings', 'Change some of what was set', {
      may: 'nodes:write',
      body: setHere,
      examples: { 'Keep a year': { retention_days: 365 } },
      gives: { 200: ['As it is then', ref('XpertSettings')] },
    }),
    ...preflight(
      '/traffic-webhook',
      '/traffic-stats/{user_token}',
      '/traffic-stats/global',
      '/traffic-stats/cleanup',
      '/traffic-stats/database/info',
      '/marzban-traffic-stats',
      '/settings',
      '/sub',
      '/fetches',
      '/direct-configs',
      '/direct-configs/sub',
      '/direct-configs/batch',
      '/direct-configs/validate',
      '/direct-configs/reorder',
      '/direct-configs/{id}',
      '/direct-configs/{id}/toggle',
      '/direct-configs/{id}/permanent',
      '/sources',
      '/sources/{id}',
      '/sources/{id}/toggle',
      '/update',
      '/test-url',
    ),
  ],
};
xpertArea.parameters.id = count('Its number', 4_294_967_295);
