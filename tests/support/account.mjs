/**
 * The laboratory's own books: for each connection, the payload bytes that each end really sent and received.
 *
 * What a node should have counted lies between two bounds: at least what arrived, at most what was sent. For a connection that both
 * ends finished the bounds meet; for one that broke midway the difference was in flight when it broke.
 */

/**
 * A core does not count a write that failed, though part of it may have arrived. After a connection's first 512,000 bytes sing-box
 * copies in batches of up to 8 buffers of 65,535 bytes, each batch one write: of connections reset midway on a busy machine it
 * counted 131,070 and 196,605 bytes less than the client had received.
 */
const FAILED_WRITE_BYTES = 8 * 65_535;

/** One connection (TCP) or association (UDP). */
export class Entry {
  #end = null;

  constructor(id, { user, protocol, network }) {
    /** 1..=2^32-1; travels in the payload, so that the target finds the entry. */
    this.id = id;
    this.user = user;
    this.protocol = protocol;
    /** @type {'tcp'|'udp'} */
    this.network = network;
    /** Payload bytes handed to the client's socket. */
    this.clientSent = 0;
    this.targetReceived = 0;
    /** The address that the node reached the target from, which tells its outbound. @type {string|null} */
    this.from = null;
    /** Payload bytes handed to the target's socket. */
    this.targetSent = 0;
    this.clientReceived = 0;
  }

  /** @param {string} fault what went wrong, empty if it was finished in order; the first call counts */
  close(fault) {
    this.#end ??= fault;
  }

  /** Why it is broken or refused, otherwise empty. @returns {string} */
  get reason() {
    return this.#end ?? '';
  }

  /**
   * @returns {'open'|'complete'|'broken'|'refused'} refused: not a byte reached the target. Judged when asked, because a client may
   * learn of a break before the target has read what still arrives
   */
  get outcome() {
    if (this.#end === null) return 'open';
    if (this.#end === '') return 'complete';
    return this.targetReceived === 0 ? 'refused' : 'broken';
  }

  /** What a core should have counted as uplink. @returns {Bounds} */
  get up() {
    return this.#bounds(this.targetReceived, this.clientSent);
  }

  /** What a core should have counted as downlink. @returns {Bounds} */
  get down() {
    return this.#bounds(this.clientReceived, this.targetSent);
  }

  #bounds(received, sent) {
    const uncounted = this.network === 'tcp' && this.outcome === 'broken' ? FAILED_WRITE_BYTES : 0;
    return { low: Math.max(0, received - uncounted), high: sent };
  }
}

/**
 * @typedef {{low: number, high: number}} Bounds
 * @typedef {{connections: number, open: number, complete: number, broken: number, refused: number, up: Bounds, down: Bounds}} Sum
 */

export class Account {
  /** @type {Map<number, Entry>} */
  #entries = new Map();
  #last = 0;

  /**
   * @param {{user: string, protocol: string, network: 'tcp'|'udp'}} who
   * @returns {Entry} a new entry, all zero
   */
  open({ user, protocol, network }) {
    this.#last += 1;
    const entry = new Entry(this.#last, { user, protocol, network });
    this.#entries.set(entry.id, entry);
    return entry;
  }

  /** @param {number} id @returns {Entry|undefined} */
  find(id) {
    return this.#entries.get(id);
  }

  /** Leave an entry out from now on: a laboratory that runs for days would hold millions. @param {Entry} entry */
  forget(entry) {
    this.#entries.delete(entry.id);
  }

  /**
   * @param {{user?: string, protocol?: string, network?: string, outcome?: string}} [filter] by equality; absent = all
   * @returns {Entry[]}
   */
  entries(filter = {}) {
    const wanted = Object.entries(filter);
    return [...this.#entries.values()].filter((entry) => wanted.every(([key, value]) => entry[key] === value));
  }

  /**
   * @param {Parameters<Account['entries']>[0]} [filter]
   * @returns {Sum} `up.low === up.high` and `down.low === down.high` means that the sum is exact
   */
  sum(filter = {}) {
    const sum = { connections: 0, open: 0, complete: 0, broken: 0, refused: 0, up: { low: 0, high: 0 }, down: { low: 0, high: 0 } };
    for (const entry of this.entries(filter)) {
      sum.connections += 1;
      sum[entry.outcome] += 1;
      for (const direction of ['up', 'down']) {
        sum[direction].low += entry[direction].low;
        sum[direction].high += entry[direction].high;
      }
    }
    return sum;
  }
}
