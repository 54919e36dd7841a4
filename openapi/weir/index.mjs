/** Our own API as an OpenAPI document. */
import { document, ref, text } from '../dsl.mjs';
import { roles } from '../roles.mjs';
import { bulkArea } from './bulk.mjs';
import { schemas } from './common.mjs';
import { listsArea } from './lists.mjs';
import { notificationsArea } from './notifications.mjs';
import { nodesArea } from './nodes.mjs';
import { keysArea, meArea, operatorsArea } from './operators.mjs';
import { plansArea } from './plans.mjs';
import { simpleArea } from './simple.mjs';
import { subscriptionsArea } from './subscriptions.mjs';
import { settingsArea } from './settings.mjs';
import { auditArea, jobsArea, operationsArea } from './upkeep.mjs';
import { usersArea } from './users.mjs';
import { xpertArea } from './xpert.mjs';

const areas = [
  usersArea,
  bulkArea,
  plansArea,
  nodesArea,
  operatorsArea,
  keysArea,
  meArea,
  notificationsArea,
  settingsArea,
  auditArea,
  jobsArea,
  simpleArea,
  subscriptionsArea,
  xpertArea,
  listsArea,
  operationsArea,
];

const ERRORS = { api: 'Error', simple: 'SimpleError', xpert: 'XpertError' };
const faceOf = (area, { face }) => face ?? area.face ?? 'api';
function error(_status, area, operation) {
  const face = faceOf(area, operation);
  if (face === 'none') return undefined;
  if (face === 'text') return { 'text/plain': { schema: text() } };
  return { 'application/json': { schema: ref(ERRORS[face]) } };
}

/** Who may call: what an API key needs, and which roles reach it. */
function credentials({ may, all, session, marzban }) {
  if (may === null && !session) return { security: [] };
  if (may === null) return { security: [{ session: [] }], text: 'An operator who is signed in, whatever his role.' };
  const { scope, reach } = roles[may];
  const who = Object.entries(reach)
    .filter(([, how]) => how === 'ALL' || (how === 'OWN' && !all))
    .map(([role, how]) => (how === 'OWN' ? `${role} (his own users)` : role));
  if (session) return { security: [{ session: [] }], text: `A session of: ${who.join(', ')}.` };
  const token = marzban ? [{ marzbanToken: [] }] : [];
  return {
    security: [{ apiKey: [scope] }, { session: [] }, { token: [] }, ...token],
    text: `An API key with the scope \`${scope}\`, or a session of: ${who.join(', ')}.`,
  };
}

/** What may be refused without being named: by credential, path, query and body. */
function refusals({ where, may, session, body, query, noQuery }) {
  const method = where.split(' ')[0];
  const named = may !== null || session;
  const hasQuery = Object.keys(query ?? {}).length > 0 && !noQuery;
  return {
    400: body && 'The body is not JSON',
    401: named && 'No valid credential',
    403: named && "The key lacks the scope, the role does not reach that far, or the page is not the panel's own",
    404: where.includes('{') && method !== 'OPTIONS' && 'There is no such thing',
    413: body && 'The body is too large; it was not read',
    422: (body || hasQuery) && 'A field breaks its rule, which the message states',
    503: method !== 'OPTIONS' && 'A secret or a binding is not configured, or the database is busy: try again',
  };
}

const info = {
  title: 'Weir API',
  version: '1',
  summary: 'Traffic, quota and subscriptions of proxy hosts',
  description: [
    'Bytes are integers from 0 to 2^53 - 1, instants unix seconds in UTC. Bodies are JSON objects of at most 64 KiB; a field that is not known is an error, so that a mistyped one does not pass for done.',
    'Every error carries `x-request-id`, under which the log has what the caller may not see. `Allow` of a 405 names the methods that a path knows.',
    "A session's changes need the `Origin` of the panel's own pages. A bearer beats a session. Marzban's API is described [apart](/openapi/marzban).",
  ].join('\n\n'),
  license: { name: 'MIT OR Apache-2.0', identifier: 'MIT OR Apache-2.0' },
};

/** @returns {object} */
export const weir = () =>
  document({
    info,
    areas,
    schemas,
    credentials,
    error,
    refusals,
    parameters: {},
    servers: [{ url: '/', description: 'This panel' }],
    securitySchemes: {
      apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'weir_...', description: 'An API key with scopes, made by an owner in the settings' },
      session: { type: 'apiKey', in: 'cookie', name: '__Host-sid', description: 'A browser that is signed in; `sid` on a local panel without TLS' },
      token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A session in the form of a token, from `POST /api/admin/token`' },
      marzbanToken: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'A token of a sudo admin of the Marzban whose secret was imported',
      },
    },
  });
