/**
 * Every route of the panel, by who may call it, with the cap of its body if it takes one. Written by hand, and held against the table of
 * URLs by tests/route-walk.test.mjs: a route that is not here fails there.
 */

/** The caps of bodies, in bytes. */
export const CAPS = { form: 4 << 10, report: 8 << 10, json: 64 << 10, sync: 256 << 10, config: 256 << 10, links: 1 << 20 };

const DOORS = {
  /** Anybody may call: what it is about, if it is about something, is named by a secret in the request. */
  open: `
    POST /agent/v1/enroll json
    GET /sub/{x}
    GET /sub/{x}/{x}
    GET /install.sh
    GET /health
    POST /language form
    GET /login
    POST /login form
    GET /login/challenge
    POST /logout
    POST /api/admin/token form
    POST /api/xpert/traffic-webhook report
    GET /api/xpert/traffic-stats/{x}
    GET /api/xpert/sub
    GET /api/xpert/direct-configs/sub
  `,
  /** The bearer is a node's key. */
  node: `
    POST /agent/v1/sync sync
    GET /agent/v1/bell
  `,
  /** A page for an operator's session; whoever has none is sent to sign in. */
  page: `
    GET /
    GET /users
    GET /users/{x}
    GET /users/{x}/details
    GET /users/{x}/edit
    GET /bulk
    GET /new/user
    GET /nodes
    GET /nodes/{x}
    GET /nodes/{x}/edit
    GET /nodes/{x}/addresses/{x}
    GET /new/node
    GET /plans
    GET /plans/{x}
    GET /new/plan
    GET /settings
    GET /settings/jobs
    GET /settings/backups
    GET /settings/backups/{x}
    GET /account
    GET /settings/operators
    GET /settings/operators/{x}
    GET /new/operator
    GET /new/key
    GET /audit
    GET /alerts
    GET /alerts/{x}
    GET /new/channel
    GET /sources
    GET /sources/{x}
    GET /new/source
    GET /settings/clients
    GET /settings/clients/{x}
    GET /new/rule
  `,
  /** A session alone: it is about the caller himself or about keys, and an API key is nobody. */
  session: `
    GET /api/v1/keys
    POST /api/v1/keys json
    DELETE /api/v1/keys/{x}
    GET /api/v1/me
    POST /api/v1/me/password json
    GET /api/v1/me/sessions
    DELETE /api/v1/me/sessions
    DELETE /api/v1/me/sessions/{x}
    POST /api/v1/me/two-factor json
    POST /api/v1/me/two-factor/confirm json
    POST /api/v1/me/two-factor/recovery-codes json
    DELETE /api/v1/me/two-factor json
    GET /api/v1/me/passkeys
    POST /api/v1/me/passkeys/challenge json
    POST /api/v1/me/passkeys json
    DELETE /api/v1/me/passkeys/{x}
  `,
  /** An API key with the scope, or a session: our own API, the simple one, and the managing part of Xpert's. */
  operator: `
    GET /metrics
    GET /api/v1/users
    POST /api/v1/users json
    GET /api/v1/users/{x}
    PATCH /api/v1/users/{x} json
    DELETE /api/v1/users/{x}
    GET /api/v1/users/{x}/resets
    POST /api/v1/users/{x}/reset
    POST /api/v1/users/{x}/enable
    POST /api/v1/users/{x}/disable
    POST /api/v1/users/{x}/revoke
    GET /api/v1/users/{x}/packages
    POST /api/v1/users/{x}/packages json
    POST /api/v1/users/{x}/packages/{x}/refund
    GET /api/v1/users/{x}/usage
    GET /api/v1/users/{x}/periods
    GET /api/v1/users/{x}/explain
    GET /api/v1/usage
    GET /api/v1/users/{x}/addresses
    GET /api/v1/users/{x}/subscription
    GET /api/v1/users/{x}/credentials
    PUT /api/v1/users/{x}/credentials json
    DELETE /api/v1/users/{x}/credentials
    GET /api/v1/users/{x}/aliases
    POST /api/v1/users/{x}/aliases json
    DELETE /api/v1/users/{x}/aliases
    DELETE /api/v1/users/{x}/aliases/{x}
    GET /api/v1/users/{x}/devices
    DELETE /api/v1/users/{x}/devices
    PATCH /api/v1/users/{x}/devices/{x} json
    DELETE /api/v1/users/{x}/devices/{x}
    GET /api/v1/suspicious
    POST /api/add_user json
    POST /api/reset_traffic/{x}
    GET /api/stats
    PUT /api/v1/users/{x}/owner json
    GET /api/v1/backups
    POST /api/v1/backups
    GET /api/v1/backups/{x}
    GET /api/v1/backups/{x}/{x}
    GET /api/v1/bulk
    POST /api/v1/bulk json
    POST /api/v1/bulk/preview json
    GET /api/v1/bulk/{x}
    POST /api/v1/bulk/{x}/undo
    POST /api/v1/bulk/{x}/stop
    GET /api/v1/plans
    POST /api/v1/plans json
    GET /api/v1/plans/{x}
    PATCH /api/v1/plans/{x} json
    DELETE /api/v1/plans/{x}
    GET /api/v1/plans/{x}/changes
    POST /api/v1/plans/{x}/apply json
    GET /api/v1/jobs
    POST /api/v1/jobs/{x}/run
    GET /api/v1/settings/{x}
    PUT /api/v1/settings/{x}
    PATCH /api/v1/settings/{x}
    GET /api/v1/client-rules
    PUT /api/v1/client-rules json
    DELETE /api/v1/client-rules
    POST /api/v1/client-rules/try json
    GET /api/v1/audit
    GET /api/v1/audit/verify
    GET /api/v1/channels
    POST /api/v1/channels json
    GET /api/v1/channels/{x}
    PATCH /api/v1/channels/{x} json
    DELETE /api/v1/channels/{x}
    POST /api/v1/channels/{x}/test json
    POST /api/v1/channels/{x}/replay
    GET /api/v1/deliveries
    POST /api/v1/deliveries/{x}/replay
    GET /api/v1/events
    GET /api/v1/nodes
    POST /api/v1/nodes json
    GET /api/v1/nodes/{x}
    PATCH /api/v1/nodes/{x} json
    DELETE /api/v1/nodes/{x}
    POST /api/v1/nodes/{x}/rotate-key
    GET /api/v1/nodes/{x}/usage
    GET /api/v1/nodes/{x}/inbounds
    GET /api/v1/nodes/{x}/addresses
    POST /api/v1/nodes/{x}/addresses json
    POST /api/v1/nodes/{x}/addresses/reorder json
    GET /api/v1/nodes/{x}/addresses/{x}
    PATCH /api/v1/nodes/{x}/addresses/{x} json
    DELETE /api/v1/nodes/{x}/addresses/{x}
    GET /api/v1/operators
    POST /api/v1/operators json
    GET /api/v1/operators/{x}
    PATCH /api/v1/operators/{x} json
    DELETE /api/v1/operators/{x}
    POST /api/v1/operators/{x}/enable
    POST /api/v1/operators/{x}/disable
    POST /api/v1/operators/{x}/reset-password
    DELETE /api/v1/operators/{x}/two-factor
    GET /api/xpert/traffic-stats/global
    GET /api/xpert/marzban-traffic-stats
    POST /api/xpert/traffic-stats/cleanup
    GET /api/xpert/traffic-stats/database/info
    GET /api/xpert/settings
    PUT /api/xpert/settings json
    PATCH /api/xpert/settings json
    GET /api/xpert/fetches
    GET /api/xpert/direct-configs
    POST /api/xpert/direct-configs json
    POST /api/xpert/direct-configs/batch links
    POST /api/xpert/direct-configs/validate json
    POST /api/xpert/direct-configs/reorder json
    PUT /api/xpert/direct-configs/{x} json
    DELETE /api/xpert/direct-configs/{x}
    PUT /api/xpert/direct-configs/{x}/toggle
    PUT /api/xpert/direct-configs/{x}/permanent
    GET /api/xpert/sources
    POST /api/xpert/sources json
    PUT /api/xpert/sources/{x} json
    DELETE /api/xpert/sources/{x}
    POST /api/xpert/sources/{x}/toggle
    POST /api/xpert/update json
    POST /api/xpert/test-url json
  `,
  /** The simple API with a key or a session, and Marzban's with its token. */
  either: `
    GET /api/user/{x}
    PUT /api/user/{x} json
    DELETE /api/user/{x}
  `,
  /** Marzban's: the bearer is a token or a key, and a cookie counts for nothing. */
  marzban: `
    GET /api/hosts
    PUT /api/hosts json
    GET /api/admin
    POST /api/admin json
    PUT /api/admin/{x} json
    DELETE /api/admin/{x}
    GET /api/admins
    POST /api/admin/{x}/users/disable
    POST /api/admin/{x}/users/activate
    POST /api/admin/usage/reset/{x}
    GET /api/admin/usage/{x}
    GET /api/core
    POST /api/core/restart
    GET /api/core/config
    PUT /api/core/config config
    GET /api/system
    GET /api/inbounds
    GET /api/node/settings
    POST /api/node json
    GET /api/node/{x}
    PUT /api/node/{x} json
    DELETE /api/node/{x}
    POST /api/node/{x}/reconnect
    GET /api/nodes
    GET /api/nodes/usage
    GET /api/user_template
    POST /api/user_template json
    GET /api/user_template/{x}
    PUT /api/user_template/{x} json
    DELETE /api/user_template/{x}
    POST /api/user json
    POST /api/user/{x}/reset
    POST /api/user/{x}/revoke_sub
    GET /api/user/{x}/usage
    POST /api/user/{x}/active-next
    PUT /api/user/{x}/set-owner
    GET /api/users
    POST /api/users/reset
    GET /api/users/usage
    GET /api/users/expired
    DELETE /api/users/expired
  `,
  /** A WebSocket of Marzban's, whose token may stand in the query. */
  socket: `
    GET /api/core/logs
    GET /api/node/{x}/logs
  `,
};

/**
 * What is said of a route here.
 *
 * @typedef {{door: string, method: string, path: string, cap: number|null}} Entry `cap` in bytes, null: it takes no body
 */

/** @type {Entry[]} HEAD is not here: it goes wherever GET goes */
export const ENTRIES = Object.entries(DOORS).flatMap(([door, text]) =>
  text.trim().split('\n').map((line) => {
    const [method, where, cap] = line.trim().split(' ');
    return { door, method, path: where, cap: cap ? CAPS[cap] : null };
  }),
);
