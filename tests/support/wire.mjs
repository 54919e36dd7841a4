/**
 * What agent and panel say to each other, written a second time and on purpose without a look into the Rust of it: two equal
 * mistakes are less likely than one.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';

/** The protocol version that this file speaks. */
export const PROTOCOL = 1;
/** What an agent holds before its first sync. */
export const NO_ROSTER = [0, 0];

const SLOT_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

/** @returns {string} 16 hex digits */
export function randomEpoch() {
  return randomBytes(8).toString('hex');
}

/** @returns {string} 16 letters */
export function randomSlot() {
  return Array.from(randomBytes(16), (byte) => SLOT_ALPHABET[byte % 32]).join('');
}

/**
 * The digest of a report: 32 hex digits over everything in it that has an effect.
 *
 * @param {string} epoch
 * @param {object} report without its digest
 * @returns {string}
 */
export function reportDigest(epoch, { seq, from, to, users, unattributed, foreign, leaves }) {
  const lines = ['weir/report/1', [epoch, seq, from, to, unattributed, foreign].join(' ')];
  if (leaves) lines.push(`leaves ${leaves.epoch} ${leaves.seq} ${leaves.ambiguous}`);
  for (const [slot, up, down] of users) lines.push(`${slot} ${up} ${down}`);
  return createHash('sha256').update(`${lines.join('\n')}\n`).digest('hex').slice(0, 32);
}

/**
 * A report with its digest.
 *
 * @param {string} epoch
 * @param {{seq: number, from?: number, to?: number, users?: Array<[string, number, number]>, unattributed?: number, foreign?: number,
 *   leaves?: {epoch: string, seq: number, ambiguous: number}}} fields the time is the last minute, this second included, unless told
 * @returns {object}
 */
export function makeReport(epoch, { to = now() + 1, from = to - 60, users = [], unattributed = 0, foreign = 0, ...rest }) {
  const report = { from, to, users, unattributed, foreign, ...rest };
  return { ...report, digest: reportDigest(epoch, report) };
}

/** @returns {number} unix seconds */
export function now() {
  return Math.floor(Date.now() / 1000);
}

/** @param {number} at unix seconds @returns {string} as the panel writes it for people */
export function utc(at) {
  return `${new Date(at * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/**
 * The credentials of a slot, as panel and agent derive them from the panel's `SLOT_KEY`.
 *
 * @param {string} slotKey its text is the key, as it stands in the Worker's secret
 * @param {string} slot
 * @returns {{name: string, secret: string, uuid: string, password: string, ss16: string, ss32: string}}
 */
export function slotCredentials(slotKey, slot) {
  const secret = createHmac('sha256', slotKey).update(`weir/slot/1:${slot}`).digest();
  const expand = (purpose) => createHmac('sha256', secret).update(purpose).digest();
  const id = Buffer.from(expand('weir/uuid/1').subarray(0, 16));
  id[6] = (id[6] & 0x0f) | 0x40;
  id[8] = (id[8] & 0x3f) | 0x80;
  const hex = id.toString('hex');
  return {
    name: slot,
    secret: secret.toString('hex'),
    uuid: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'),
    password: expand('weir/password/1').subarray(0, 16).toString('base64url'),
    ss16: expand('weir/ss2022-16/1').subarray(0, 16).toString('base64'),
    ss32: expand('weir/ss2022-32/1').toString('base64'),
  };
}

/**
 * A day's address key, as the panel derives it from its `AUTH_KEY`.
 *
 * @param {string} authKey its text is the key
 * @param {number} day UTC days since 1970
 * @returns {Buffer}
 */
export function addressKey(authKey, day) {
  return createHmac('sha256', authKey).update(`weir/addresses/1:${day}`).digest();
}

/**
 * What an agent tells of a client.
 *
 * @param {Buffer} key
 * @param {string} slot
 * @param {string} network an IPv4 address, or the first address of an IPv6 /64
 * @returns {string}
 */
export function addressHash(key, slot, network) {
  return createHmac('sha256', key).update(`${slot} ${network}`).digest().subarray(0, 8).toString('base64url');
}

/** @param {number} [at] unix seconds @returns {number} UTC days since 1970 */
export function dayOf(at = now()) {
  return Math.floor(at / 86_400);
}

/**
 * One ledger that speaks to a panel as the test tells it to: the numbers of its syncs rise by themselves, everything else is the
 * test's.
 */
export class ScriptedAgent {
  /** @param {{panel: import('./panel.mjs').Panel, key: string, epoch?: string}} options */
  constructor({ panel, key, epoch = randomEpoch() }) {
    this.panel = panel;
    this.key = key;
    this.epoch = epoch;
    this.n = 0;
    /** Held and loaded; `sync` follows what the panel hands out. */
    this.roster = NO_ROSTER;
  }

  /** @param {Parameters<typeof makeReport>[1]} fields @returns {object} a report of this ledger */
  report(fields) {
    return makeReport(this.epoch, fields);
  }

  /** @param {object} [fields] replace those of a sync that has nothing to say @returns {object} the message */
  message(fields = {}) {
    this.n += 1;
    const message = {
      protocol: PROTOCOL,
      agent: 'test',
      epoch: this.epoch,
      n: this.n,
      clock: now(),
      held: this.roster,
      loaded: this.roster,
      asks: [],
      ...fields,
    };
    return message;
  }

  /**
   * One sync. A roster that the panel hands out counts as held and loaded from then on.
   *
   * @param {object} [fields]
   * @returns {Promise<import('./panel.mjs').Answer>}
   */
  async sync(fields) {
    const answer = await this.send(JSON.stringify(this.message(fields)));
    const roster = answer.body?.roster;
    if (answer.status === 200 && roster && !roster.more) this.roster = roster.version;
    return answer;
  }

  /**
   * @param {string|Uint8Array} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<import('./panel.mjs').Answer>}
   */
  async send(body, headers = {}) {
    return this.panel.request('POST', '/agent/v1/sync', { key: this.key, body, headers });
  }
}
