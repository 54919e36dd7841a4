/** Channels for tests, and time that passes for the outbox alone. */
import assert from 'node:assert/strict';

/** `next_at` of a job that waits to be called. */
export const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * Enter a channel.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {object} fields as the API takes them
 * @returns {Promise<object>} the channel, with the `secret` that was made for it
 */
export async function addChannel(panel, fields) {
  const { status, body, text } = await panel.api('POST', '/api/v1/channels', fields);
  assert.equal(status, 201, text);
  return body;
}

/** Let time pass for channels, deliveries and the outbox: whatever they wait for comes so many seconds sooner. */
export async function later(panel, seconds) {
  await panel.db.batch([
    panel.db.prepare('UPDATE channels SET next_at = max(0, next_at - ?1), claimed_until = max(0, claimed_until - ?1)').bind(seconds),
    panel.db.prepare('UPDATE deliveries SET next_at = max(0, next_at - ?1), queued_at = queued_at - ?1').bind(seconds),
    panel.db.prepare(`UPDATE jobs SET next_at = max(0, next_at - ?1) WHERE name = 'outbox' AND next_at < ${NEVER}`).bind(seconds),
  ]);
}

/** No other job than the outbox is due for an hour. */
export async function quietly(panel) {
  await panel.db.prepare("UPDATE jobs SET next_at = unixepoch() + 3600 WHERE name <> 'outbox'").run();
}

/** How many deliveries wait for a channel, those of events that the outbox has not seen yet included. */
export async function waiting(panel, channel) {
  const row = await panel.db
    .prepare(
      `SELECT (SELECT count(*) FROM deliveries WHERE channel = ?1 AND state = 'waiting') +
        (SELECT count(*) FROM events JOIN wanted ON wanted.kind = events.kind AND wanted.channel = ?1
          WHERE number > (SELECT coalesce(cursor, 0) FROM jobs WHERE name = 'outbox')) AS waiting`,
    )
    .bind(channel)
    .first();
  return row.waiting;
}
