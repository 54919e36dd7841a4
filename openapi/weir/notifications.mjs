/** Channels, what they were told, and events. */
import { any, bool, form, int, list, map, nul, one, op, record, ref, stream, text, whole } from '../dsl.mjs';
import { before, count, id, limit, second, when } from './common.mjs';

const AT = '/api/v1/channels';
const CHANNEL = `${AT}/{id}`;
const KINDS = [
  'user.quota_warning',
  'user.limited',
  'user.expiring',
  'user.expired',
  'user.enabled',
  'user.disabled',
  'user.created',
  'user.updated',
  'user.deleted',
  'user.reset',
  'user.revoked',
  'node.silent',
  'node.back',
  'node.fork',
  'sharing.suspected',
  'job.failed',
  'report.daily',
  'channel.test',
];
const clock = text('A time of day', { pattern: '^([01]\\d|2[0-3]):[0-5]\\d$', examples: ['22:30'] });
const url = text('An https:// address with a public host and no user name', { maxLength: 2048, examples: ['https://shop.example/hook'] });
const rules = {
  'kinds?': nul(list(one(KINDS), '`null` = all that are told without being named')),
  'severity?': one(['info', 'warning', 'critical'], 'Only what matters as much or more'),
  'language?': one(['en', 'zh', 'ru', 'fa']),
  'quiet?': nul(form({ from: clock, to: clock }, 'When nothing is sent')),
};
const told = Object.fromEntries(Object.entries(rules).map(([name, schema]) => [name.replace('?', ''), schema]));
const targets = {
  'webhook?': nul(
    form({ 'url?': nul(url), 'secret?': nul(text('Keys the signature; made if none is given', { pattern: '^[!-~]{16,256}$' })), 'form?': nul(one(['weir', 'marzban'], 'How events are written')) }),
    'A signed request',
  ),
  'telegram?': nul(
    form({
      'token?': nul(text('The token that BotFather gave', { pattern: '^[0-9]+:[A-Za-z0-9_-]{20,100}$', maxLength: 128 })),
      'chat_id?': nul(text("A chat's number, or @channelname", { pattern: '^(-?[0-9]+|@[A-Za-z0-9_-]+)$', maxLength: 64 })),
      'api?': nul(url),
    }),
    'A message of a Telegram bot',
  ),
  'email?': nul(
    form({
      from: ref('Email'),
      'to?': nul(ref('Email')),
      'url?': nul(url),
      'headers?': nul(
        map(text(undefined, { pattern: '^[ -~]{1,2048}$' }), 'Such as `Authorization`', {
          maxProperties: 16,
          propertyNames: { pattern: '^[A-Za-z0-9_-]{1,64}$' },
        }),
      ),
      'body?': any('JSON object, in whose texts `{from}`, `{to}`, `{subject}` and `{text}` are replaced'),
    }),
    "A mail, by the platform's own binding or an HTTP API",
  ),
};
/** What a new channel needs: exactly one target, whole. A `null` is none. */
const needed = Object.entries({ webhook: ['url'], telegram: ['token', 'chat_id'], email: ['from'] }).map(([name, fields]) => ({
  required: [name],
  properties: { [name]: { type: 'object', required: fields, properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])) } },
}));
const alone = ['webhook', 'telegram', 'email'].map((name) => ({ required: [name], properties: { [name]: { type: 'object' } } }));
const audience = one(['operator', 'user'], 'Who is told; `user` is for e-mail only');
const channel = {
  id: id(),
  name: ref('Title'),
  type: one(['webhook', 'telegram', 'email']),
  enabled: bool(),
  audience,
  ...told,
  time_zone: text(),
  target: any('Address without tokens and secrets; whole with `channels:write`, else its scheme and host, such as `https://hooks.example/…`. `null` when it was sealed under another key'),
  created_at: second(),
  failures: count('Tries in a row that failed', undefined),
  next_at: when('When it is tried again; `null` while it works'),
  tried_at: when('The last try'),
  delivered_at: when('The last that got through'),
  status: nul(int(0, 65_535)),
  error: nul(text('Why it failed, without what of it is secret')),
};
const FULL = 'There are 20 channels (`too_many`), or the name is taken';

export const notificationsArea = {
  name: 'Notifications',
  description: 'Webhooks, Telegram and e-mail: docs/notifications.md says what they are told and how a signature is checked.',
  parameters: { id: int(0, 2 ** 53 - 1, "The channel's number") },
  schemas: {
    Channel: record(channel),
    NewChannel: form(
      {
        name: ref('Title'),
        'enabled?': bool(undefined, { default: true }),
        'audience?': audience,
        'time_zone?': nul(text("The deployment's without it")),
        ...rules,
        ...targets,
      },
      'Exactly one of `webhook`, `telegram` and `email`',
      { anyOf: needed, oneOf: alone },
    ),
    ChannelChange: form(
      {
        'name?': nul(ref('Title')),
        'enabled?': nul(bool()),
        'audience?': nul(audience),
        'time_zone?': nul(text()),
        ...rules,
        'severity?': nul(rules['severity?']),
        'language?': nul(rules['language?']),
        ...targets,
      },
      'What is missing stays, secrets among them while scheme, host and port of the address do; `null` takes back `kinds` and `quiet`',
    ),
    Delivery: record({
      id: text(),
      channel: id(),
      event_id: text(),
      kind: one(KINDS),
      state: one(['waiting', 'delivered', 'dead']),
      queued_at: second(),
      tries: count(undefined, undefined),
      next_at: when('When it is tried again'),
      tried_at: when('The last try'),
      status: nul(int(0, 65_535)),
      error: nul(text()),
    }),
    Event: record({ id: text(), kind: one(KINDS), at: second(), data: any('What belongs to it, by kind') }),
  },
  operations: [
    op(`GET ${AT}`, 'listChannels', 'List channels', { may: 'channels:read', gives: { 200: ['By name', whole(ref('Channel'))] } }),
    op(`POST ${AT}`, 'createChannel', 'Create a channel', {
      may: 'channels:write',
      body: ref('NewChannel'),
      examples: { 'A webhook': { name: 'Shop', webhook: { url: 'https://shop.example/hook' }, kinds: ['user.limited', 'user.expired'] } },
      gives: { 201: ['With the secret of a webhook that came without one, once', record({ ...channel, 'secret?': text() })] },
      refuses: { 409: FULL },
    }),
    op(`GET ${CHANNEL}`, 'getChannel', 'One channel', { may: 'channels:read', gives: { 200: ['The channel', ref('Channel')] } }),
    op(`PATCH ${CHANNEL}`, 'changeChannel', 'Change a channel', {
      may: 'channels:write',
      text: 'What waits is tried at once.',
      body: ref('ChannelChange'),
      examples: { 'Quiet at night': { quiet: { from: '22:00', to: '07:00' } } },
      gives: { 200: ['The channel', ref('Channel')] },
      refuses: { 409: 'The name is taken' },
    }),
    op(`DELETE ${CHANNEL}`, 'deleteChannel', 'Delete a channel', {
      may: 'channels:write',
      text: 'What waits for it is forgotten.',
      gives: { 204: ['It is gone'] },
    }),
    op(`POST ${CHANNEL}/test`, 'testChannel', 'Send a test at once', {
      may: 'channels:write',
      body: form({ 'to?': nul(ref('Email')) }, '`to` where users are told; otherwise nothing'),
      bodyNeeded: false,
      gives: {
        200: ['How it went', record({ delivered: bool(), status: nul(int(0, 65_535)), error: nul(text()), lasted_ms: int(undefined, undefined) })],
      },
      refuses: { 409: 'It was sealed under another key' },
    }),
    op(`POST ${CHANNEL}/replay`, 'replayChannel', 'Send its dead deliveries again', {
      may: 'channels:write',
      gives: { 200: ['The oldest 1,000', record({ replayed: count(undefined, 1000) })] },
    }),
    op('GET /api/v1/deliveries', 'listDeliveries', 'What was told to whom', {
      may: 'channels:read',
      query: {
        channel: int(undefined, undefined, "A channel's number"),
        state: one(['waiting', 'delivered', 'dead', '']),
        limit: limit(),
        before: text('Id of a delivery: only older ones', { examples: ['7-1'], pattern: '^[0-9]{1,9}-[0-9]{1,9}$' }),
      },
      gives: { 200: ['The newest first', stream(ref('Delivery'), nul(text()))] },
    }),
    op('POST /api/v1/deliveries/{id}/replay', 'replayDelivery', 'Send one again', {
      may: 'channels:write',
      path: { id: text("The delivery's id") },
      gives: { 202: ['Within a minute'] },
      refuses: { 409: 'It waits anyway (`waiting`)' },
    }),
    op('GET /api/v1/events', 'listEvents', 'What any channel wanted to know', {
      may: 'channels:read',
      query: { kind: one([...KINDS, '']), limit: limit(), before },
      gives: { 200: ['The newest first', stream(ref('Event'))] },
    }),
  ],
};
