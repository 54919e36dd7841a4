/**
 * A node without a process: its ledger is a value, its traffic is what it says, and it speaks to the panel as an agent does, without a
 * pause. So it meets many faults a second, and its account is exact. The real agents beside it have what this lacks: a disk, a core,
 * and an end at any moment.
 */
import assert from 'node:assert/strict';

import { FaultProxy, isSync } from '../fault-proxy.mjs';
import { Panel } from '../panel.mjs';
import { FLOOR } from '../pull.mjs';
import { enrol } from '../seed.mjs';
import { randomEpoch, ScriptedAgent } from '../wire.mjs';

const HOUR = 3600;
/** Seconds that a grant lasts. */
const GRANT_LASTS = 24 * HOUR;
/** Parcels do not straddle a quarter of an hour. */
const QUARTER = 900;
const MOST_ASKS = 256;
/** Talks until a node must have come to rest: ten times what it takes to replay a long run. */
const MOST_TALKS = 20_000;

/** What a node has done, whatever the panel knows of it. */
export class Account {
  /** Bytes that are to be billed: by slot, by the first second of their hour. @type {Map<string, Map<number, {up: number, down: number}>>} */
  billed = new Map();
  /** Bytes that passed and were stated as ambiguous, by slot. @type {Map<string, number>} */
  ambiguous = new Map();
  /** How often a slot was let pass the floor without an answer. @type {Map<string, number>} */
  floors = new Map();

  add(slot, hour, up, down) {
    const hours = this.billed.get(slot) ?? new Map();
    const sum = hours.get(hour) ?? { up: 0, down: 0 };
    hours.set(hour, { up: sum.up + up, down: sum.down + down });
    this.billed.set(slot, hours);
  }
}

export class LedgerNode extends ScriptedAgent {
  #clock;
  /** When this ledger's last report ended. */
  #to = 0;
  /** Unreported bytes of one quarter of an hour: [up, down] by slot. */
  #parcel = new Map();
  #quarter = 0;
  /** All reports of this epoch, the first at 0. */
  #reports = [];
  /** The highest number that the panel ever acknowledged, and the last one that it has now: it may have been restored since. */
  #acked = 0;
  #panelHas = 0;
  /** What the panel had of epochs that were left, and of a ledger that was put back: nobody could send it again. */
  #left = new Map();
  #cursor = undefined;
  #leaves = undefined;
  /** Slots that the panel wants to be asked for. */
  #pressed = new Set();
  #gates = new Map();
  /** The panel has answered since it was put back. */
  #hasHeard = false;
  #counts = new Map();
  #limits = new Map();

  /**
   * Enter a node and enrol it.
   *
   * @param {import('../site.mjs').Site} site
   * @param {{name: string, coefficient: number, clock: {now: number}}} options
   * @returns {Promise<LedgerNode>}
   */
  static async make(site, { name, coefficient, clock }) {
    const { id, token } = await site.api('POST', '/api/v1/nodes', { name, address: '127.0.0.1', coefficient });
    const { key, answer } = await enrol(site.panel, token);
    assert.equal(answer.status, 200, answer.text);
    const proxy = await FaultProxy.start({ target: site.panel.url });
    const node = new LedgerNode({ panel: { url: proxy.url, request: Panel.prototype.request }, key });
    node.#clock = clock;
    node.#to = clock.now;
    return Object.assign(node, { id, name, coefficient, proxy, account: new Account(), answered: new Map(), forks: 0 });
  }

  /** @returns {boolean} whether the panel has everything */
  get isSettled() {
    return this.#hasHeard && this.#parcel.size === 0 && this.#panelHas === this.#reports.length && !this.#leaves && !this.#cursor;
  }

  /** @returns {number} the limit that this node was granted for a slot and holds; 0 without one, and when its day is over */
  grantOf(slot) {
    const held = this.#limits.get(slot);
    return held?.grantedAt === undefined || this.#hasEnded(held) ? 0 : held.limit;
  }

  #hasEnded({ grantedAt }) {
    return grantedAt !== undefined && grantedAt + GRANT_LASTS <= this.#clock.now;
  }

  /** A user moves bytes, as far as gate and limit let him. @returns {number} bytes that passed */
  spend(slot, up, down) {
    if (this.#gates.get(slot) !== 'open') return 0;
    this.#turnQuarter();
    const count = this.#counts.get(slot) ?? 0;
    const room = Math.max(0, this.#limit(slot, count) - count);
    const sent = Math.min(up, room);
    const received = Math.min(down, room - sent);
    if (sent + received === 0) return 0;
    const [before, after] = this.#parcel.get(slot) ?? [0, 0];
    this.#parcel.set(slot, [before + sent, after + received]);
    this.#counts.set(slot, count + sent + received);
    return sent + received;
  }

  #turnQuarter() {
    const quarter = Math.floor(this.#clock.now / QUARTER);
    if (quarter !== this.#quarter && this.#parcel.size > 0) this.#seal((this.#quarter + 1) * QUARTER);
    this.#quarter = quarter;
  }

  /** The limit in force. Without one, and when one has ended, it is the floor beyond what was counted. */
  #limit(slot, count) {
    const held = this.#limits.get(slot);
    if (held && !this.#hasEnded(held)) return held.limit;
    this.#limits.set(slot, { limit: count + FLOOR });
    this.account.floors.set(slot, (this.account.floors.get(slot) ?? 0) + 1);
    return count + FLOOR;
  }

  /** What is unreported becomes a report that ends at a second, exclusive. */
  #seal(end) {
    const to = Math.max(this.#to, Math.min(end, this.#clock.now + 1));
    const users = [...this.#parcel].map(([slot, [up, down]]) => [slot, up, down]);
    this.#parcel.clear();
    const leaves = this.#leaves && { leaves: this.#leaves };
    this.#leaves = undefined;
    this.#reports.push(this.report({ seq: this.#reports.length + 1, from: Math.min(this.#to, to - 1), to, users, ...leaves }));
    this.#to = to;
    for (const [slot, up, down] of users) this.account.add(slot, hourOf(to), up, down);
  }

  /**
   * One sync: the next report that is due, and asks.
   *
   * @param {{asks?: string[], fault?: {name: string, fault: import('../fault-proxy.mjs').Fault}|null}} [options] slots that are asked
   *   for beside those that must be, and what network or panel do to it
   * @returns {Promise<boolean>} whether the panel's answer came
   */
  async talk({ asks = [], fault = null } = {}) {
    this.#turnQuarter();
    if (this.#panelHas === this.#reports.length && (this.#parcel.size > 0 || this.#leaves)) this.#seal(Infinity);
    const report = this.#reports[this.#panelHas];
    const asked = this.#asks(asks);
    const cursor = this.#cursor && { roster_after: this.#cursor };
    const message = this.message({ clock: this.#clock.now, acked: this.#acked, asks: asked, ...(report && { report }), ...cursor });
    if (fault) void this.proxy.inject(fault.fault, { name: fault.name, when: isSync });
    const answer = await this.send(JSON.stringify(message)).catch(() => undefined);
    return this.#take(answer, asked);
  }

  #asks(wanted) {
    const isNear = ([slot, { limit, grantedAt }]) => grantedAt === undefined || limit - (this.#counts.get(slot) ?? 0) < FLOOR;
    const near = wanted.length > 0 ? [...this.#limits].filter(isNear).map(([slot]) => slot) : [];
    const slots = new Set([...this.#pressed, ...near, ...wanted.filter((slot) => this.#gates.has(slot))]);
    return [...slots].slice(0, MOST_ASKS).map((slot) => {
      const count = this.#counts.get(slot) ?? 0;
      return [slot, count, this.#limits.get(slot)?.limit ?? count];
    });
  }

  #take(answer, asked) {
    const { status, body } = answer ?? {};
    if (status === 200 && body?.ack !== undefined) {
      this.#obey(body, asked);
      return true;
    }
    if (status === 409 && body?.code === 'fork') this.#forked();
    else if (status === 409 && body?.code === 'expect') this.#panelHas = body.seq - 1;
    // Only a refusal in the panel's own form is the panel's: of another one the whole body may have been cut off.
    else assert.ok(!body?.code || ![400, 401, 409, 410, 413, 422, 426].includes(status), `${this.name} is refused: ${status} ${answer?.text}`);
    return false;
  }

  #obey({ n, ack, roster, limits }, asked) {
    assert.equal(n, this.n, `${this.name}: an answer to another sync`);
    const answers = new Map(limits);
    for (const [slot] of asked) {
      this.#pressed.delete(slot);
      if (!this.#gates.has(slot)) this.#limits.delete(slot);
      else if (answers.has(slot)) this.#limits.set(slot, { limit: answers.get(slot), grantedAt: this.#clock.now });
      if (answers.has(slot)) this.answered.set(slot, n);
    }
    if (roster) this.#follow(roster);
    // Only from a copy of this ledger can it have more.
    if (ack > this.#reports.length) return this.#forked();
    this.#hasHeard = true;
    this.#panelHas = ack;
    this.#acked = Math.max(this.#acked, ack);
  }

  #follow({ version, full, more, upserts, removals = [] }) {
    if (full && !this.#cursor) this.#gates = new Map();
    for (const { slot, gate } of upserts) {
      this.#gates.set(slot, gate);
      if (this.#limits.has(slot) || this.#counts.get(slot)) this.#pressed.add(slot);
    }
    for (const slot of removals) this.#remove(slot);
    // A whole roster names who is there, and nobody who is gone.
    if (full && !more) for (const slot of this.#limits.keys()) if (!this.#gates.has(slot)) this.#remove(slot);
    this.#cursor = more ? { version, after: upserts.at(-1).slot } : undefined;
    if (!more) this.roster = version;
  }

  /** Nothing may pass any more, and the panel is told once, so that it frees what this node held. */
  #remove(slot) {
    this.#gates.delete(slot);
    const held = this.#limits.get(slot);
    if (!held) return;
    this.#limits.set(slot, { ...held, limit: Math.min(held.limit, this.#counts.get(slot) ?? 0) });
    this.#pressed.add(slot);
  }

  /** This ledger is a copy. What may have been reported before is stated and never billed; a new epoch begins. */
  #forked() {
    this.forks += 1;
    let ambiguous = 0;
    for (const { to, users } of this.#reports.slice(this.#panelHas)) {
      for (const [slot, up, down] of users) {
        this.account.add(slot, hourOf(to), -up, -down);
        this.account.ambiguous.set(slot, (this.account.ambiguous.get(slot) ?? 0) + up + down);
        ambiguous += up + down;
      }
    }
    this.#leave(this.#reports.slice(0, this.#panelHas));
    this.#leaves = { epoch: this.epoch, seq: this.#panelHas, ambiguous };
    this.epoch = randomEpoch();
    this.n = 0;
    this.#reports = [];
    this.#acked = 0;
    this.#panelHas = 0;
    this.#limits.clear();
    this.#counts = new Map([...this.#parcel].map(([slot, [up, down]]) => [slot, up + down]));
    this.answered.clear();
  }

  #leave(reports) {
    const left = this.#left.get(this.epoch) ?? [];
    const known = new Set(left);
    this.#left.set(this.epoch, [...left, ...reports.filter((report) => !known.has(report))]);
  }

  /**
   * The panel was put back to an earlier point: it may have forgotten what it answered and what it was told.
   *
   * @param {Map<string, number>} last the numbers of the reports that it has, by epoch
   */
  restored(last) {
    this.answered.clear();
    this.#hasHeard = false;
    // A ledger that was put back before anything had come of it goes on, and still has what it had then.
    const here = new Set(this.#reports);
    for (const [epoch, reports] of this.#left) {
      const isKept = (report) => here.has(report) || report.seq <= (last.get(epoch) ?? 0);
      for (const { to, users } of reports.filter((report) => !isKept(report))) {
        for (const [slot, up, down] of users) this.account.add(slot, hourOf(to), -up, -down);
      }
      this.#left.set(epoch, reports.filter(isKept));
    }
  }

  /** Keep the ledger as it is now. Nothing may be unreported. @returns {() => void} puts it back, as a host's snapshot would */
  kept() {
    assert.ok(this.isSettled, 'nothing is unreported');
    const { epoch, n, roster } = this;
    const [length, to, limits, counts, gates] = [this.#reports.length, this.#to, new Map(this.#limits), new Map(this.#counts), new Map(this.#gates)];
    return () => {
      assert.ok(this.isSettled && this.epoch === epoch, 'what was counted since then is billed, and the epoch is the same');
      Object.assign(this, { n, roster });
      this.#leave(this.#reports);
      this.#reports.length = length;
      this.#acked = length;
      this.#panelHas = length;
      this.#to = to;
      [this.#limits, this.#counts, this.#gates] = [limits, counts, gates];
      this.#pressed.clear();
      this.answered.clear();
    };
  }

  /** Talk until the panel has everything, undisturbed. */
  async settle() {
    for (let talks = 0; talks < MOST_TALKS; talks += 1) {
      if (this.isSettled) return;
      await this.talk();
    }
    throw new Error(`${this.name} does not come to rest: the panel has ${this.#panelHas} of ${this.#reports.length} reports`);
  }

  async stop() {
    await this.proxy.stop();
  }
}

function hourOf(to) {
  return Math.floor((to - 1) / HOUR) * HOUR;
}
