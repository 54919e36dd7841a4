/** Somebody who wants to be told of everything: a channel, the real server behind it, and what it has understood. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { Endpoint } from '../endpoint.mjs';
import { addChannel, later, waiting } from '../notices.mjs';

/** Runs of the outbox until nothing waits: ten times what it takes. */
const MOST_RUNS = 400;

export class Receiver {
  /** What was taken, by the event's id. @type {Map<string, string>} */
  told = new Map();
  /** Messages that came again. */
  repeated = 0;
  #moods = [];

  /** @param {import('../panel.mjs').Panel} panel @returns {Promise<Receiver>} */
  static async start(panel) {
    const receiver = new Receiver();
    receiver.panel = panel;
    receiver.endpoint = await Endpoint.start((received) => receiver.#take(received));
    receiver.channel = await addChannel(panel, { name: 'everything', webhook: { url: receiver.endpoint.url } });
    receiver.first = (await panel.db.prepare('SELECT coalesce(max(number), 0) AS number FROM events').first()).number;
    return receiver;
  }

  /** What it does instead of taking the next message. @param {string} mood `cut`, or a status */
  turns(mood) {
    this.#moods.push(mood);
  }

  #take({ headers, text, json }) {
    const mood = this.#moods.shift();
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

  /** The outbox empties, and every event that is in the database has arrived. @param {() => Promise<unknown>} jobs runs them */
  async settled(jobs) {
    this.#moods = [];
    for (let runs = 0; (await waiting(this.panel, this.channel.id)) > 0; runs += 1) {
      assert.ok(runs < MOST_RUNS, 'the outbox does not empty');
      await later(this.panel, 3600);
      await jobs();
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
  }

  async stop() {
    await this.endpoint.stop();
  }
}
