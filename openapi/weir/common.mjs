/** What several areas of our own API speak of: sizes, instants, names, errors. The rules are those of wire/ and src/domain/. */
import { as, bool, form, has, int, list, nul, one, record, ref, text } from '../dsl.mjs';

const LAST = 2 ** 53 - 1;

export const bytes = (description) => int(0, LAST, description);
export const second = (description) => int(0, LAST, description ? `${description} (unix seconds, UTC)` : 'Unix seconds, UTC');
/** A moment in the past or future that somebody was told, or none. */
export const when = (description) => nul(int(undefined, undefined, `${description} (unix seconds, UTC)`));
export const id = (description) => int(1, undefined, description);
export const count = (description, most = 65_535) => int(0, most, description);
/** Free text of at most so many characters, without control characters. */
export const words = (most, description, more = {}) =>
  text(description, { maxLength: most, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$', ...more });

export const limit = (most = 200, usual = 50) => int(1, most, 'Items at most', { default: usual });
const offset = int(0, 4_294_967_295, 'Items to leave out before the first', { default: 0 });
export const before = int(1, 4_294_967_295, 'Only older ones: the `next` of the page before');
export const paging = { limit: limit(), offset };

const STRATEGIES = ['calendar_month', 'no_reset', 'day', 'week', 'month', 'year'];
export const STATUSES = ['active', 'on_hold', 'limited', 'expired', 'disabled'];
export const FORMATS = [
  'base64',
  'v2ray',
  'links',
  'plain',
  'mihomo',
  'clash-meta',
  'stash',
  'clash',
  'sing-box',
  'singbox',
  'sing-box-legacy',
  'singbox-legacy',
  'xray',
  'v2ray-json',
  'outline',
  'sip008',
  'surge',
  'surfboard',
  'loon',
  'quanx',
  'quantumultx',
  'quantumult-x',
];

/** A label of a host name, and the last one: in figures alone the whole would be an IP address. */
const LABEL = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const LETTERED = '[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
export const HOST_NAME = `(${LABEL}\\.)*${LETTERED}`;

export const schemas = {
  UserName: text('Unique without case', { pattern: '^[A-Za-z0-9_.@-]{3,32}$', examples: ['ann'] }),
  PlanName: text('Unique without case', { pattern: '^[A-Za-z0-9_.-]{1,32}$', examples: ['basic'] }),
  OperatorName: text('Unique without case', { pattern: '^[A-Za-z0-9_.@-]{1,32}$', examples: ['shop'] }),
  /** Letters at both ends: no blank there. */
  Title: text('1 to 64 printable characters, no blank at either end', {
    minLength: 1,
    maxLength: 64,
    pattern: '^\\S([^\\u0000-\\u001f\\u007f-\\u009f]*\\S)?$',
    examples: ['Shop'],
  }),
  Email: text('An e-mail address, as far as its form tells', {
    maxLength: 254,
    pattern: `^[!-?A-~]+@${LABEL}(\\.${LABEL})*\\.${LETTERED}$`,
    examples: ['ann@example.org'],
  }),
  Strategy: one(STRATEGIES, 'How usage begins anew: with the calendar, never, or so long after it last began (`month` is 30 days)'),
  Status: one(STATUSES),
  Role: one(['owner', 'admin', 'reseller', 'viewer']),
  Error: record(
    {
      error: record({
        code: text('For programs', { examples: ['invalid'] }),
        message: text('For people', { examples: ['monthly_quota: invalid value: integer `-1`, expected an integer from 0'] }),
        'field?': text('The field that breaks its rule; with 422 alone', { examples: ['monthly_quota'] }),
      }),
    },
    'Why a request was not done. Nothing was changed.',
  ),
  SimpleError: record({
    error: text(undefined, { examples: ['User not found'] }),
    'field?': text('With 422 alone'),
    'detail?': text("Where Marzban's API has the path too"),
  }),
  XpertError: record({ detail: text(undefined, { examples: ['user token not found'] }) }),
};

/** The fields of a user that may be set, as `null`able as a change has them. */
/** What a user has of Marzban's four protocols. */
export const protocols = form(
  Object.fromEntries(
    ['vmess', 'vless', 'trojan', 'shadowsocks'].map((name) => [
      `${name}?`,
      form({
        'flow?': one(['', 'xtls-rprx-vision']),
        'method?': nul(text('Of Shadowsocks', { maxLength: 128 })),
        'excluded?': list(text(undefined, { maxLength: 128 }), 'Tags of inbounds', { maxItems: 100 }),
      }),
    ]),
  ),
);

export const userFields = {
  'email?': nul(ref('Email')),
  'note?': nul(text('May have line breaks', { maxLength: 1000, pattern: '^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f]*$' })),
  'plan?': nul(as(ref('PlanName'), 'A plan that exists; its values stand for the fields that the body lacks')),
  'monthly_quota?': bytes('Bytes in each period, 0 = unlimited'),
  'total_quota?': bytes('Bytes over the lifetime, 0 = unlimited'),
  'reset_strategy?': ref('Strategy'),
  'reset_day?': int(1, 31, "Day of the month on which usage begins anew; beyond a month's length its last day"),
  'time_zone?': text('A zone of the IANA database', { examples: ['Asia/Tehran'] }),
  'expires_at?': nul(second('When the account expires; `null` = never')),
  'speed_limit?': bytes('Bytes a second in each direction, 0 = unlimited'),
  'device_limit?': count('Client addresses with a live connection on a node, 0 = unlimited'),
  'stream_limit?': count('Live connections on a node, 0 = unlimited'),
  'address_limit?': nul(count("Client addresses in five minutes over all nodes, 0 = unlimited; `null` = the deployment's own limit")),
  'hwid_limit?': nul(count("Devices that may fetch the subscription, 0 = any number; `null` = the deployment's own limit", 100)),
  'hold_seconds?': nul(count('How long the account lasts from its first use on; not together with `expires_at`', 3_153_600_000)),
  'hold_until?': nul(second('When it begins unused; only with `hold_seconds`')),
  'delete_after_days?': nul(count('Days after the expiry at which the account is deleted; `null` = never', 36_500)),
  'next_plan?': nul(
    form(
      {
        'plan?': nul(ref('PlanName')),
        'monthly_quota?': nul(bytes('Instead of a plan: bytes in each period, 0 = unlimited')),
        'expires_at?': nul(second('Instead of a plan: when the account expires then')),
        'add_remaining_traffic?': bool('What is left of the quota becomes a bonus', { default: false }),
        'fire_on_either?': bool('When the account is used up or has expired; otherwise when it is both', { default: true }),
      },
      'The plan, or the values, that begin when the account is used up or has expired',
      { oneOf: [has('plan', 'string'), { anyOf: [has('monthly_quota', 'integer'), has('expires_at', 'integer')] }] },
    ),
  ),
  'protocols?': nul(
    as(protocols, 'The protocols that he has, with what of their inbounds he has not; it shapes links and lists. `null` = all of them', { minProperties: 1 }),
  ),
};

/** Texts of credentials by name, as they are set and as they are told. */
const uuid = text(undefined, { pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' });
const secret = words(128, undefined, { minLength: 1 });
const key = (bytesOf) =>
  text(`${bytesOf} bytes in standard base64`, { pattern: bytesOf === 16 ? '^[A-Za-z0-9+/]{21}[AQgw]==$' : '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$' });
export const credentialFields = {
  vless_uuid: uuid,
  vmess_uuid: uuid,
  tuic_uuid: uuid,
  tuic_password: secret,
  trojan_password: secret,
  shadowsocks_password: secret,
  shadowsocks_key_16: key(16),
  shadowsocks_key_32: key(32),
  hysteria_password: secret,
  anytls_password: secret,
  proxy_password: as(secret, 'Of naive, socks, http and mixed'),
};
export const optional = (fields, change = (schema) => schema) =>
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [`${name.replace(/\?$/, '')}?`, change(schema)]));
export const strings = (items = text()) => list(items);
