/**
 * Everything that people and programs do to a panel beside the nodes: admins, shops, clients, jobs. What was answered with success is
 * written down here, and must be in the database afterwards, once.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { MIB } from '../site.mjs';
import { BASE } from '../xpert.mjs';

/** Users who are there all the time, and what an admin does to each of them. */
export const PEOPLE = [
  { name: 'free-1', does: ['note', 'rhythm'] },
  { name: 'free-2', does: ['note', 'explain'] },
  { name: 'monthly', fields: { monthly_quota: 40 * MIB }, does: ['reset', 'raiseMonthly', 'resetMany'] },
  { name: 'daily', fields: { monthly_quota: 30 * MIB, reset_strategy: 'day' }, does: ['reset', 'buy', 'refund', 'resetMany'] },
  { name: 'total', fields: { total_quota: 60 * MIB }, does: ['raiseTotal'] },
  { name: 'buyer', fields: { total_quota: 40 * MIB }, does: ['buy', 'buy', 'buyForADay', 'refund', 'raiseTotal'] },
  { name: 'planned', fields: { plan: 'free' }, does: ['applyPlan', 'reset', 'resetMany'] },
  { name: 'moved', fields: { monthly_quota: 50 * MIB }, does: ['lower', 'raiseMonthly', 'shutAndOpen', 'revoke', 'resetMany'] },
];
/** Their tokens are never revoked, so every report of theirs is due. */
const REPORTERS = ['free-1', 'free-2', 'monthly', 'total'];
const FORMATS = ['', '/links', '/clash', '/sing-box', '/xray'];
/** Tries of one request until it must have been answered: ten times what a restart takes. */
const MOST_TRIES = 300;
const TRY_EVERY_MS = 100;
/** A run of the jobs that has not ended by then is given up; the panel may have been killed under it. */
const JOBS_LIMIT_MS = 30_000;

export class Product {
  /** Bytes of each order that was bought. @type {Map<string, {user: string, bytes: number}>} */
  orders = new Map();
  /** Bytes of clients' reports that were taken, by user. @type {Map<string, number>} */
  reported = new Map();
  /** The highest quotas that a user ever had, and everything that he ever bought: these outlive a restore. */
  most = new Map();
  /** The last total that was seen of each user. */
  #seen = new Map();
  #created = [];
  #serial = 0;

  /** @param {import('./run.mjs').Run} run */
  constructor(run) {
    this.run = run;
    for (const { name, fields = {} } of PEOPLE) {
      this.most.set(name, { monthly: fields.monthly_quota ?? 0, total: fields.total_quota ?? 0, bought: 0 });
    }
  }

  get panel() {
    return this.run.fleet.panel;
  }

  /** What was answered so far, as it must be found again after a restore of a backup that is made now. */
  snapshot() {
    const kept = structuredClone({ orders: this.orders, reported: this.reported, created: this.#created });
    return () => {
      [this.orders, this.reported, this.#created] = [structuredClone(kept.orders), structuredClone(kept.reported), [...kept.created]];
      this.#seen.clear();
    };
  }

  /**
   * One request until it is answered, with whatever goes wrong in between.
   *
   * @param {string} how `crash N`: the panel dies at the first try after N round trips to its database; `twice`: it is sent twice at
   *   the same instant; nothing: no fault
   */
  async ask(how, method, where, body, { headers = {}, key = this.panel.apiKey, expected = [] } = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const once = (more = {}) => this.panel.request(method, where, { key, body: text, headers: { ...headers, ...more } });
    const [fault, trips] = (how ?? '').split(' ');
    let last;
    for (let tries = 0; tries < MOST_TRIES && !this.run.isOver; tries += 1) {
      await this.run.up;
      const more = fault === 'crash' && tries === 0 ? { 'weir-fault-crash': trips } : {};
      const copy = fault === 'twice' && tries === 0 ? once().catch(() => {}) : undefined;
      last = await once(more).catch((error) => ({ status: 0, text: String(error) }));
      await copy;
      if (last.status > 0 && last.status < 500 && last.status !== 429) {
        assert.ok(last.status < 400 || expected.includes(last.status), `${method} ${where}: ${last.status} ${last.text}`);
        return last;
      }
      await sleep(TRY_EVERY_MS);
    }
    throw new Error(`${method} ${where} is not answered: ${last?.status} ${last?.text}`);
  }

  /** What one of them wants. @param {import('../dice.mjs').Dice} dice @param {string} [how] see {@link Product.ask} */
  async act(dice, how) {
    const roll = dice.from(0, 10);
    if (roll < 6) {
      const { name, does } = dice.one(PEOPLE);
      await this[dice.one(does)](name, dice, how);
    } else if (roll < 8) await this.report(dice, how);
    else await this[dice.one(['create', 'remove', 'look', 'fetch', 'fetch'])](dice, how);
  }

  #user = (name) => `/api/v1/users/${name}`;

  note(name, dice, how) {
    return this.ask(how, 'PATCH', this.#user(name), { note: `note ${dice.from(0, 1000)}` });
  }

  rhythm(name, dice, how) {
    return this.ask(how, 'PATCH', this.#user(name), { reset_strategy: dice.one(['day', 'week', 'calendar_month']), reset_day: dice.from(1, 29) });
  }

  explain(name, dice, how) {
    return this.ask(how, 'GET', `${this.#user(name)}/explain`);
  }

  reset(name, dice, how) {
    return this.ask(how, 'POST', `${this.#user(name)}/reset`);
  }

  revoke(name, dice, how) {
    return this.ask(how, 'POST', `${this.#user(name)}/revoke`, undefined, { expected: [409] });
  }

  async shutAndOpen(name, dice, how) {
    await this.ask(how, 'POST', `${this.#user(name)}/disable`);
    await sleep(dice.from(0, 300));
    await this.ask(how, 'POST', `${this.#user(name)}/enable`);
  }

  async raiseMonthly(name, dice, how) {
    const most = this.most.get(name);
    most.monthly = Math.min(most.monthly + dice.from(1, 10) * MIB, 400 * MIB);
    await this.ask(how, 'PATCH', this.#user(name), { monthly_quota: most.monthly });
  }

  lower(name, dice, how) {
    return this.ask(how, 'PATCH', this.#user(name), { monthly_quota: dice.from(1, 50) * MIB });
  }

  async raiseTotal(name, dice, how) {
    const most = this.most.get(name);
    most.total += dice.from(5, 40) * MIB;
    await this.ask(how, 'PATCH', this.#user(name), { total_quota: most.total });
  }

  /** A shop sells a package; it repeats itself with the same order until it is answered. */
  async buy(name, dice, how, more = {}) {
    const order = `order-${(this.#serial += 1)}`;
    const bytes = dice.from(1, 20) * MIB;
    this.most.get(name).bought += bytes;
    await this.ask(how, 'POST', `${this.#user(name)}/packages`, { order, bytes, ...more });
    this.orders.set(order, { user: name, bytes });
  }

  buyForADay(name, dice, how) {
    return this.buy(name, dice, how, { expires_at: this.run.clocks.now + 3600 + dice.from(0, 86_400) });
  }

  async refund(name, dice, how) {
    const mine = [...this.orders].filter(([, { user }]) => user === name).map(([order]) => order);
    if (mine.length > 0) await this.ask(how, 'POST', `${this.#user(name)}/packages/${dice.one(mine)}/refund`);
  }

  async resetMany(name, dice, how) {
    const users = PEOPLE.filter(({ does }) => does.includes('resetMany')).map((one) => one.name);
    await this.ask(how, 'POST', '/api/v1/bulk', { selection: { users }, action: 'reset', expect: users.length });
  }

  /** The plan changes, and a job gives it to whoever has it. */
  async applyPlan(name, dice, how) {
    const monthly = dice.from(20, 60) * MIB;
    const most = this.most.get(name);
    most.monthly = Math.max(most.monthly, monthly);
    const { body } = await this.ask(how, 'PATCH', '/api/v1/plans/free', { monthly_quota: monthly });
    await this.ask(undefined, 'POST', '/api/v1/plans/free/apply', { version: body.version }, { expected: [409] });
  }

  async create(dice, how) {
    if (this.#created.length > 12) return;
    const name = `guest-${(this.#serial += 1)}`;
    // Somebody who asks again finds his first try done.
    await this.ask(how, 'POST', '/api/v1/users', { name, monthly_quota: 20 * MIB }, { expected: [409] });
    this.#created.push(name);
  }

  async remove(dice, how) {
    if (this.#created.length === 0) return;
    const [name] = this.#created.splice(dice.from(0, this.#created.length), 1);
    await this.ask(how, 'DELETE', this.#user(name), undefined, { expected: [404] });
  }

  /** A client tells what passed through somebody else's server, with a key that makes a repetition harmless. */
  async report(dice, how) {
    const name = dice.one(REPORTERS);
    const { body: user } = await this.ask(undefined, 'GET', this.#user(name));
    const [up, down] = [dice.from(0, 1000), dice.from(1, 100_000)];
    const token = new URL(user.subscription_url).pathname.split('/').at(-1);
    const body = { user_token: token, server: `vpn-${dice.from(1, 4)}.example`, port: 443, protocol: 'vless', bytes_uploaded: up, bytes_downloaded: down };
    const headers = { 'idempotency-key': `report-${(this.#serial += 1)}` };
    const { body: said } = await this.ask(how, 'POST', `${BASE}/traffic-webhook`, body, { headers, key: undefined });
    assert.equal(said.status, 'success');
    this.reported.set(name, (this.reported.get(name) ?? 0) + up + down);
  }

  /** A total never falls. */
  async look(dice, how) {
    const { name } = dice.one(PEOPLE);
    const before = this.#seen.get(name) ?? 0;
    const { body } = await this.ask(how, 'GET', this.#user(name));
    assert.ok(body.total_used >= before, `${name} had used ${before}, and now ${body.total_used}`);
    this.#seen.set(name, body.total_used);
  }

  async fetch(dice, how) {
    const { name } = dice.one(PEOPLE);
    const { body } = await this.ask(undefined, 'GET', this.#user(name));
    const where = new URL(body.subscription_url).pathname + dice.one(FORMATS);
    // He may be revoked between the two requests.
    await this.ask(how, 'GET', where, undefined, { key: undefined, expected: [404] });
  }

  /** Something of which a receiver is told. */
  happen() {
    return this.ask(undefined, 'PATCH', this.#user('free-1'), { note: `happened ${(this.#serial += 1)}` });
  }

  /** The platform's trigger: the jobs that are due, at the same time as everything else. */
  async jobs() {
    await this.run.up;
    const late = sleep(JOBS_LIMIT_MS, 'late', { ref: false });
    return Promise.race([this.panel.trigger().catch(String), late]);
  }
}
