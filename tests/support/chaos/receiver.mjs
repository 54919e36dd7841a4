/** Somebody who wants to be told of everything: a channel, the real server behind it, and what it has understood. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { Endpoint } from '../endpoint.mjs';
import { addChannel, later, waiting } from '../notices.mjs';

/** All that the product tells of; without a list a channel is not told of what programs alone want to know. */
const KINDS = [
  ...['created', 'updated', 'deleted', 'enabled', 'disabled', 'limited', 'expired', 'expiring', 'reset', 'revoked', 'quota_warning'].map((kind) => `user.${kind}`),
  ...['node.back', 'node.fork', 'node.silent', 'report.daily'],
];
/** Runs of the outbox until nothing waits: ten times what it takes. */
const MOST_RUNS = 400;

export class Receiver {
  /** What was taken, by the event's id. @type {Map<string, string>} */
  told = new Map();
  /** Messages that came again. */
  repeated = 0;
  #moods = [];
  #met = 0;

  /** @param {import('../panel.mjs').Panel} panel @returns {Promise<Receiver>} */
  static async start(panel) {
    const receiver = new Receiver();
    receiver.panel = panel;
    receiver.endpoint = await Endpoint.start((received) => receiver.#take(received));
    receiver.channel = await addChannel(panel, { name: 'everything', kinds: KINDS, webhook: { url: receiver.endpoint.url } });
    receiver.first = (await panel.db.prepare('SELECT coalesce(max(number), 0) AS number FROM events').first()).number;
    return receiver;
  }

  /** What it does instead of taking the next message. @param {string} mood `cut`, or a status */
  turns(mood) {
    this.#moods.push(mood);
  }

  #take({ headers, text, json }) {
    const mood = this.#moods.shift();
    if (mood) this.#met += 1;
    if (mood === 'cut') return 'cut';
    if (mood) return { status: Number(mood), headers: mood === '302' ? { location: 'https://elsewhere.example/' } : {} };
    const signed = `v1=${createHmac('sha256', this.channel.secret).update(`${headers['weir-timestamp']}.${text}`).digest('hex')}`;
    if (headers['weir-signature'] !== signed) this.wrong ??= `a message has a wrong signature: ${text}`;
    for (const event of json) {
      const said = JSON.stringify(event);
      const before = this.told.get(event.id);
      if (before !== undefined && before !== said) this.wrong ??= `one id says two things: ${before} and ${said}`;
      this.repeated += before === undefined ? 0 : 1;
      this.told.set(event.id, said);
    }
    this.endpoint.taken();
    return 204;
  }

  /**
   * The outbox empties, whatever this has still to do instead of taking messages, and every event that is in the database has arrived.
   *
   * @param {import('./product.mjs').Product} product
   * @returns {Promise<number>} how often it did something else since the last time
   */
  async settled(product) {
    for (let runs = 0; ; runs += 1) {
      const left = await waiting(this.panel, this.channel.id);
      if (left === 0 && this.#moods.length === 0) break;
      if (runs === MOST_RUNS) throw new Error(`the outbox does not empty: ${await this.#state()}`);
      if (left === 0) await product.happen();
      await later(this.panel, 3600);
      await product.jobs();
    }
    assert.equal(this.wrong, undefined);
    const { results } = await this.panel.db
      .prepare(
        `SELECT events.number, events.id, deliveries.state, deliveries.error FROM events
        JOIN wanted ON wanted.kind = events.kind AND wanted.channel = ?1 LEFT JOIN deliveries ON event = events.number AND deliveries.channel = ?1
        WHERE events.number > ?2`,
      )
      .bind(this.channel.id, this.first)
      .all();
    for (const { number, id, state, error } of results) {
      assert.ok(this.told.has(id), `event ${number} was never told: it is ${state}, ${error}`);
    }
    assert.equal(new Set(results.map(({ id }) => id)).size, results.length, 'each event has an id of its own');
    const met = this.#met;
    this.#met = 0;
    return met;
  }

  /** What the outbox waits for, for whoever has to find out. */
  async #state() {
    const all = async (sql) => (await this.panel.db.prepare(sql).all()).results;
    const state = {
      moods: this.#moods,
      jobs: await all("SELECT name, next_at, failures, error, cursor FROM jobs"),
      channels: await all('SELECT enabled, failures, next_at, status, error, claimed_until FROM channels'),
      deliveries: await all("SELECT * FROM deliveries WHERE state <> 'delivered' LIMIT 5"),
    };
    return JSON.stringify(state);
  }

  async stop() {
    await this.endpoint.stop();
  }
}
