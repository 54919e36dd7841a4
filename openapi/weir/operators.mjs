/** Operators, API keys, and one's own sign-in. */
import { bytes, count, id, second, strings, when } from './common.mjs';
import { as, bool, form, int, list, nul, one, op, record, ref, text, whole } from '../dsl.mjs';

const AT = '/api/v1/operators';
const ONE = `${AT}/{name}`;
const ME = '/api/v1/me';
export const SCOPES = ['users', 'plans', 'nodes']
  .flatMap((area) => [`${area}:read`, `${area}:write`])
  .concat(
    'stats:read',
    'settings:read',
    'settings:write',
    'channels:read',
    'channels:write',
    'audit:read',
    'backup:read',
    'backup:write',
    'operators:read',
    'operators:write',
  );

const operator = {
  id: id(),
  name: ref('OperatorName'),
  role: ref('Role'),
  created_at: second(),
  disabled_at: when('When he was shut out'),
  user_allowance: nul(count('Of a reseller: users at most; `null` = any number', 4_294_967_295)),
  byte_allowance: nul(bytes('Of a reseller: bytes at most that his users may use in a month; `null` = any number')),
  two_factor_since: when('Since when the second factor is asked for'),
  recovery_codes: count(undefined, undefined),
  signed_in_at: when('His last sign-in'),
};
const handed = nul(
  record(
    { users: count(undefined, undefined), bytes: nul(int(0, undefined, '`null` if one of them has no limit')) },
    'What users of his are and may use in a month',
  ),
);
const whole_ = { ...operator, handed_out: handed };
const allowances = { 'user_allowance?': operator.user_allowance, 'byte_allowance?': operator.byte_allowance };
const password = record({ name: ref('OperatorName'), password: text('Generated; shown once') });
const proof = form({ password: text('The present one') });
const GUESSED = 'Too many wrong guesses';
const LAST = 'No owner would be left who is not disabled (`last_owner`)';

export const operatorsArea = {
  name: 'Operators',
  description: 'Who may sign in to the panel, and what he is.',
  parameters: { name: ref('OperatorName') },
  schemas: {
    Operator: record(operator),
    OperatorWhole: record(whole_),
    Password: password,
    NewOperator: form({ name: ref('OperatorName'), role: ref('Role'), ...allowances }, 'Only a reseller has allowances', {
      if: { properties: { role: { enum: ['owner', 'admin', 'viewer'] } } },
      then: { properties: { user_allowance: { type: 'null' }, byte_allowance: { type: 'null' } } },
    }),
    OperatorChange: form({ 'role?': ref('Role'), ...allowances }, 'What is missing stays'),
  },
  operations: [
    op(`GET ${AT}`, 'listOperators', 'List operators', { may: 'operators:read', gives: { 200: ['All of them', whole(ref('Operator'))] } }),
    op(`POST ${AT}`, 'createOperator', 'Create an operator', {
      may: 'operators:write',
      body: ref('NewOperator'),
      examples: { 'A reseller': { name: 'shop', role: 'reseller', user_allowance: 100 } },
      gives: { 201: ['With his generated password, which is shown once', record({ ...whole_, password: text() })] },
      refuses: { 409: 'The name is taken' },
    }),
    op(`GET ${ONE}`, 'getOperator', 'One operator', { may: 'operators:read', gives: { 200: ['With what he has handed out', ref('OperatorWhole')] } }),
    op(`PATCH ${ONE}`, 'changeOperator', 'Change an operator', {
      may: 'operators:write',
      body: ref('OperatorChange'),
      examples: { 'More users': { user_allowance: 200 } },
      gives: { 200: ['The operator', ref('OperatorWhole')] },
      refuses: { 409: LAST },
    }),
    op(`DELETE ${ONE}`, 'deleteOperator', 'Delete an operator', {
      may: 'operators:write',
      text: "His users become the panel's own.",
      gives: { 204: ['He is gone'] },
      refuses: { 409: LAST },
    }),
    op(`POST ${ONE}/disable`, 'disableOperator', 'Shut an operator out', {
      may: 'operators:write',
      text: 'His sessions end.',
      gives: { 200: ['The operator', ref('OperatorWhole')] },
      refuses: { 409: LAST },
    }),
    op(`POST ${ONE}/enable`, 'enableOperator', 'Let an operator in again', {
      may: 'operators:write',
      gives: { 200: ['The operator', ref('OperatorWhole')] },
    }),
    op(`POST ${ONE}/reset-password`, 'resetOperatorPassword', 'Another password for an operator', {
      may: 'operators:write',
      text: 'His sessions and passkeys end.',
      gives: { 200: ['Shown once', ref('Password')] },
    }),
    op(`DELETE ${ONE}/two-factor`, 'endOperatorTwoFactor', "End an operator's second factor", {
      may: 'operators:write',
      text: 'For whoever has lost it and his recovery codes.',
      gives: { 204: ['It is asked for no more'] },
    }),
  ],
};

const key = {
  id: text(),
  name: text(),
  scopes: list(one(SCOPES)),
  created_at: second(),
  expires_at: when('When it ends'),
  last_used_at: when('Noted once an hour'),
};
export const keysArea = {
  name: 'API keys',
  description: 'Of an owner who is signed in: a key must not make a mightier one.',
  schemas: { ApiKey: record(key) },
  operations: [
    op('GET /api/v1/keys', 'listKeys', 'List keys', { may: 'keys:read', session: true, gives: { 200: ['The oldest first', whole(ref('ApiKey'))] } }),
    op('POST /api/v1/keys', 'createKey', 'Create a key', {
      may: 'keys:write',
      session: true,
      body: form({ name: ref('Title'), scopes: list(one(SCOPES), undefined, { minItems: 1 }), 'expires_at?': nul(second('An instant to come')) }),
      examples: { 'For a shop': { name: 'shop', scopes: ['users:read', 'users:write'] } },
      gives: { 201: ['With its text, which is shown once', record({ ...key, key: text('What goes behind `Bearer`') })] },
      refuses: { 409: 'The name is taken (`taken`), or there are 100 keys (`too_many`)' },
    }),
    op('DELETE /api/v1/keys/{id}', 'deleteKey', 'End a key at once', {
      may: 'keys:write',
      session: true,
      path: { id: text("The key's id, not its text") },
      gives: { 204: ['It has ended'] },
    }),
  ],
};

const passkey = { id: text(), name: text(), created_at: second(), last_used_at: when('The last sign-in with it') };
const b64 = (description) => text(`${description}, in base64url`);
const own = { may: null, session: true };
const codes = record({ recovery_codes: strings() }, 'Ten, shown once');
export const meArea = {
  name: "One's own sign-in",
  description: 'Of the operator who is signed in; an API key is refused. Wrong passwords count like failed sign-ins.',
  parameters: { id: text() },
  schemas: { Passkey: record(passkey) },
  operations: [
    op(`GET ${ME}`, 'getMe', 'Oneself', { ...own, gives: { 200: ['The operator', ref('OperatorWhole')] } }),
    op(`POST ${ME}/password`, 'renewMyPassword', 'Another password', {
      ...own,
      text: 'All other sessions end.',
      body: proof,
      gives: { 200: ['Shown once', ref('Password')] },
      refuses: { 429: GUESSED },
    }),
    op(`GET ${ME}/sessions`, 'listMySessions', 'Where one is signed in', {
      ...own,
      gives: {
        200: [
          'Newest first',
          whole(
            record({
              id: text(),
              created_at: second(),
              expires_at: second(),
              address: nul(text()),
              user_agent: text(),
              current: bool('The one that asks'),
            }),
          ),
        ],
      },
    }),
    op(`DELETE ${ME}/sessions`, 'endMyOtherSessions', 'End all other sessions', { ...own, gives: { 204: ['They have ended'] } }),
    op(`DELETE ${ME}/sessions/{id}`, 'endMySession', 'End a session', { ...own, gives: { 204: ['It has ended'] } }),
    op(`POST ${ME}/two-factor`, 'enrolTwoFactor', 'Begin a second factor', {
      ...own,
      body: proof,
      gives: { 200: ['For an authenticator app', record({ secret: text(), uri: text(), qr: nul(text('SVG of the `uri`')) })] },
      refuses: { 409: 'One is asked for already (`two_factor`)', 429: GUESSED },
    }),
    op(`POST ${ME}/two-factor/confirm`, 'confirmTwoFactor', 'Confirm a second factor', {
      ...own,
      text: 'From now on it is asked for; all other sessions end.',
      body: form({ code: text('The six digits that the app shows') }),
      gives: { 200: ['Recovery codes', codes] },
      refuses: { 409: 'There is none to confirm (`two_factor`)', 429: GUESSED },
    }),
    op(`POST ${ME}/two-factor/recovery-codes`, 'renewRecoveryCodes', 'Other recovery codes', {
      ...own,
      body: proof,
      gives: { 200: ['Recovery codes', codes] },
      refuses: { 409: 'No second factor is asked for (`two_factor`)', 429: GUESSED },
    }),
    op(`DELETE ${ME}/two-factor`, 'endTwoFactor', 'End the second factor', {
      ...own,
      body: proof,
      gives: { 204: ['It is asked for no more'] },
      refuses: { 429: GUESSED },
    }),
    op(`GET ${ME}/passkeys`, 'listPasskeys', "One's passkeys", { ...own, gives: { 200: ['The oldest first', whole(ref('Passkey'))] } }),
    op(`POST ${ME}/passkeys/challenge`, 'askPasskey', 'What a browser needs to make a passkey', {
      ...own,
      body: proof,
      text: 'Good for five minutes and one answer.',
      gives: {
        200: [
          'For `navigator.credentials.create`',
          record({
            challenge: text(),
            rp: record({ id: text(), name: text() }),
            user: record({ id: text(), name: text(), displayName: text() }),
            algorithms: list(int(undefined, undefined)),
            known: strings(),
          }),
        ],
      },
      refuses: { 409: 'The panel was called by an address (`no_host_name`)', 429: GUESSED },
    }),
    op(`POST ${ME}/passkeys`, 'addPasskey', 'Add a passkey', {
      ...own,
      body: form({
        name: ref('Title'),
        client_data: b64('What the browser signed'),
        authenticator_data: b64('What the authenticator said'),
        public_key: b64('SubjectPublicKeyInfo'),
        algorithm: as(int(undefined, undefined), '-7 (ES256) or -257 (RS256)', { minimum: -2_147_483_648, maximum: 2_147_483_647 }),
      }),
      gives: { 201: ['The passkey', ref('Passkey')] },
      refuses: { 409: 'It was sent before (`taken`), or there are 20 (`too_many`)' },
    }),
    op(`DELETE ${ME}/passkeys/{id}`, 'removePasskey', 'Remove a passkey', { ...own, gives: { 204: ['Nobody signs in with it any more'] } }),
  ],
};
