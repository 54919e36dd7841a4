/** The audit log, jobs, backups, and whether the panel works. */
import { any, as, bool, int, map, nul, one, only, op, record, ref, stream, text, whole } from '../dsl.mjs';
import { count, limit, second, when, words } from './common.mjs';

const LAST = 2 ** 53 - 1;
const instant = (words) => int(0, LAST, words);
export const auditArea = {
  name: 'Audit log',
  description: 'Who did what, in a chain that shows when somebody has changed it.',
  schemas: {
    AuditRow: record({
      number: int(1, undefined),
      at: second(),
      actor_kind: one(['api_key', 'operator', 'marzban', 'job', 'stranger']),
      actor: text(),
      action: text(undefined, { examples: ['user.change'] }),
      subject: text(undefined, { examples: ['users/ann'] }),
      before: any('Fields that change, as they were'),
      after: any('As they are then'),
      origin: nul(text("The caller's address")),
      request: text('The id of the request'),
      link: text(),
    }),
  },
  operations: [
    op('GET /api/v1/audit', 'listAudit', 'Read the log', {
      may: 'audit:read',
      text: 'A call looks at 2,000 rows at most: go on with `before` while `next` is a number, also after a page without items.',
      query: {
        actor: text('Exactly'),
        action: text('Exactly'),
        subject: text('Exactly'),
        from: instant('Unix seconds'),
        to: instant('Unix seconds, exclusive'),
        limit: limit(),
        before: instant('Only rows below this number'),
      },
      gives: { 200: ['The newest first', stream(ref('AuditRow'))] },
    }),
    op('GET /api/v1/audit/verify', 'verifyAudit', 'Whether the log is as it was written', {
      may: 'audit:read',
      query: {
        from: as(instant(), 'Number of the first row to look at', { default: 1 }),
        limit: limit(1000, 200),
        head: text('`count:link`, as an earlier answer gave them', { pattern: '^[0-9]{1,15}:[0-9a-f]{64}$' }),
      },
      gives: {
        200: [
          'docs/audit.md explains it',
          record({
            ok: bool('Nothing is wrong with what was looked at'),
            checked: count(undefined, undefined),
            first_broken: nul(
              record({ number: int(undefined, undefined), kind: one(['edited', 'rewritten', 'missing', 'cut', 'beyond', 'unsealed']) }),
            ),
            tail: one(['ok', 'cut', 'unknown']),
            head: one(['ok', 'forged', 'new', 'missing']),
            next: nul(int(1, undefined)),
            kept: nul(one(['ok', 'differs', 'missing'])),
            count: nul(int(0, undefined)),
            link: nul(text()),
            since: when('When row 1 was written'),
          }),
        ],
      },
    }),
  ],
};

export const jobsArea = {
  name: 'Jobs and backups',
  description: 'What the panel does by the clock. Without a bucket for backups they answer 503.',
  parameters: {
    name: text("A job's name", { examples: ['sweep'] }),
    instant: text('The second in which the backup began'),
    part: text('Name of the part'),
  },
  operations: [
    op('GET /api/v1/jobs', 'listJobs', 'List jobs', {
      may: 'settings:read',
      gives: {
        200: [
          'How each went',
          whole(
            record({
              name: text(),
              next_at: int(0, undefined),
              started_at: when('Begin of the last run'),
              ended_at: when('End of the last that came to one'),
              lasted_ms: int(0, undefined),
              queries: count(undefined, undefined),
              rows_read: count(undefined, undefined),
              rows_written: count(undefined, undefined),
              failures: count('Runs in a row that failed', undefined),
              error: nul(text()),
              note: nul(text()),
            }),
          ),
        ],
      },
    }),
    op('POST /api/v1/jobs/{name}/run', 'runJob', 'Run a job now', {
      may: 'settings:write',
      gives: { 202: ['The next trigger, within a minute, runs it'] },
    }),
    op('GET /api/v1/backups', 'listBackups', 'List backups', {
      may: 'backup:read',
      gives: {
        200: [
          'The newest first',
          whole(
            record({
              instant: second('Its name'),
              complete: bool(),
              at: when('The instant that it shows'),
              rows: nul(int(0, undefined)),
              bytes: nul(int(0, undefined)),
            }),
          ),
        ],
      },
    }),
    op('POST /api/v1/backups', 'makeBackup', 'Make a backup', { may: 'backup:write', gives: { 202: ['The next triggers make it'] } }),
    op('GET /api/v1/backups/{instant}', 'getBackup', "A backup's manifest", {
      may: 'backup:read',
      gives: { 200: ['docs/backup.md explains it', map(any())] },
    }),
    op('GET /api/v1/backups/{instant}/{part}', 'getBackupPart', 'A part of a backup', {
      may: 'backup:read',
      gives: { 200: ['Its first line tells table and columns, every other one is a row', text(), 'application/x-ndjson'] },
    }),
  ],
};

export const operationsArea = {
  name: 'Operations',
  description: 'For monitors and hosts.',
  operations: [
    op('GET /health', 'getHealth', 'Whether the panel works', {
      may: null,
      gives: { 200: ['Database and secrets are there', record({ status: only('ok'), version: text() })] },
    }),
    op('HEAD /health', 'headHealth', 'The same, without a body', {
      may: null,
      face: 'none',
      gives: { 200: ['Database and secrets are there'] },
      refuses: { 503: 'They are not' },
    }),
    op('GET /metrics', 'getMetrics', 'The panel in numbers, for Prometheus', {
      may: 'stats:read',
      face: 'text',
      text: 'Users by status, bytes by node, lags, jobs, channels, and what the day has cost: docs/monitoring.md.',
      gives: { 200: ['Text format 0.0.4', text(), 'text/plain'] },
    }),
    op('HEAD /metrics', 'headMetrics', 'The same, without a body', { may: 'stats:read', face: 'none', gives: { 200: ['As with GET'] } }),
    op('GET /install.sh', 'getInstaller', 'The script that installs an agent', {
      may: null,
      face: 'text',
      gives: { 200: ['It holds no secret', text(), 'text/plain'] },
    }),
    op('HEAD /install.sh', 'headInstaller', 'The same, without a body', { may: null, face: 'none', gives: { 200: ['It is there'] } }),
  ],
};
