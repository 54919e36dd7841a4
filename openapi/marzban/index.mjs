/** Marzban's API, version 0.8.4, as this panel speaks it (docs/marzban.md). */
import { document, int, ref, text } from '../dsl.mjs';
import { admins } from './admins.mjs';
import { MISSING, schemas } from './common.mjs';
import { core } from './core.mjs';
import { nodes } from './nodes.mjs';
import { templates } from './templates.mjs';
import { users } from './users.mjs';
import { subscriptions } from './subscriptions.mjs';

const LEVELS = { A: 'Any admin.', S: 'A sudo admin.', U: "The user's own admin, or a sudo admin." };
const credentials = ({ level }) => (level === null ? { security: [] } : { security: [{ token: [] }], text: LEVELS[level] });

function error(status, area, { level, face = area.face }) {
  if (level === null && face === 'text') return { 'text/plain': { schema: text() } };
  return { 'application/json': { schema: ref(status === 422 ? 'Invalid' : 'Error') } };
}

function refusals({ where, level, body, query, socket }) {
  return {
    401: level !== null && 'Not authenticated, or Could not validate credentials',
    403: level !== null && (level !== 'A' || where.includes('{')) && "You're not allowed",
    404: level === 'U' ? MISSING.user : where.includes('{') && 'Not Found',
    413: body && 'The body is too large; it was not read',
    422: (body || query || where.includes('{id}')) && !socket && 'A field breaks its rule',
    429: false,
    503: 'A secret is not configured, or the database is busy: try again',
  };
}

/** @returns {object} */
export const marzban = () =>
  document({
    info: {
      title: "Marzban's API",
      version: '0.8.4',
      summary: 'What bots, shops and dashboards made for Marzban call',
      description: [
        'Every success is 200 with JSON. Bytes are integers below 2^53, instants ISO 8601 in UTC without offset; `start` and `end` may have one. Errors are `{"detail": "<sentence>"}`, and for 422 `{"detail": {"<field>": "<rule>"}}`.',
        'Fields that are not known are ignored. Where this panel differs from Marzban 0.8.4, docs/marzban.md says so. Our own API is described [apart](/openapi).',
      ].join('\n\n'),
      license: { name: 'MIT OR Apache-2.0', identifier: 'MIT OR Apache-2.0' },
    },
    areas: [admins, core, nodes, templates, users, subscriptions],
    schemas,
    credentials,
    error,
    refusals,
    parameters: { username: text(undefined, { examples: ['ann'] }), id: int(0, 4_294_967_295), token: text("The token of a user's link") },
    servers: [{ url: '/', description: 'This panel' }],
    securitySchemes: {
      token: {
        type: 'oauth2',
        description: 'A bearer from `POST /api/admin/token`',
        flows: { password: { tokenUrl: '/api/admin/token', scopes: {} } },
      },
    },
  });
