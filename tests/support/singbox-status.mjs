/**
 * What a sing-box core itself says it has carried: the `api` service of sing-box >= 1.14, gRPC-Web over HTTP/1.1
 * (`daemon.StartedService`; field numbers from the schema that the binary serves by gRPC reflection).
 * The tests read it to hold the agent's and the laboratory's figures against a third party.
 */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 10_000;
/** In nanoseconds; only the first message is read, and it comes at once. */
const INTERVAL_NS = 100_000_000;

/**
 * @typedef {{apiPort: number, apiSecret: string}} Api
 * @typedef {{connectionsIn: number, uplinkTotal: number, downlinkTotal: number}} Status
 * bytes since the core started or was reloaded; uplink = read from clients, downlink = written to them, payload only
 */

/**
 * @param {Api} api
 * @returns {Promise<Status>} the totals of this moment
 * @throws {Error} if the core does not answer within 10 s or refuses the secret
 */
export async function readStatus(api) {
  for await (const message of stream(api, 'SubscribeStatus', AbortSignal.timeout(LIMIT_MS))) {
    const field = fields(message);
    const number = (index) => Number(field.get(index)?.at(-1) ?? 0n);
    return { connectionsIn: number(3), uplinkTotal: number(8), downlinkTotal: number(9) };
  }
  throw new Error('SubscribeStatus ended without a message');
}

/**
 * When the core began to count: another answer means that it was reloaded or started anew.
 *
 * @param {Api} api
 * @returns {Promise<number>} unix milliseconds
 * @throws {Error} if the core does not answer within 10 s or refuses the secret
 */
export async function readStartedAt(api) {
  for await (const message of call(api, 'GetStartedAt', Buffer.alloc(0), AbortSignal.timeout(LIMIT_MS))) {
    return Number(fields(message).get(1)?.at(-1) ?? 0n);
  }
  throw new Error('GetStartedAt ended without a message');
}

/**
 * Wait until the totals rest, i.e. half a second has passed without a change: a busy core adds a write to its counter a moment
 * after the bytes have arrived.
 *
 * @param {Api} api
 * @returns {Promise<Status>}
 * @throws {Error} if they still move after 10 s
 */
export async function settledStatus(api) {
  const deadline = performance.now() + LIMIT_MS;
  let last = await readStatus(api);
  for (let same = 0; same < 5; ) {
    if (performance.now() > deadline) throw new Error(`the totals still move after ${LIMIT_MS} ms`);
    await sleep(100);
    const next = await readStatus(api);
    same = next.uplinkTotal === last.uplinkTotal && next.downlinkTotal === last.downlinkTotal ? same + 1 : 0;
    last = next;
  }
  return last;
}

/** Call a streaming method whose request has one field, the interval. */
function stream(api, method, signal) {
  return call(api, method, Buffer.from([0x08, ...varint(INTERVAL_NS)]), signal);
}

/** Call a method with an encoded request, and yield the bytes of each message of its answer. */
async function* call({ apiPort, apiSecret }, method, body, signal) {
  const response = await new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      port: apiPort,
      method: 'POST',
      path: `/daemon.StartedService/${method}`,
      headers: { authorization: `Bearer ${apiSecret}`, 'content-type': 'application/grpc-web+proto' },
      agent: false,
      signal,
    });
    request.once('response', resolve);
    request.once('error', reject);
    request.end(frame(body));
  });
  try {
    const status = response.headers['grpc-status'];
    if (status !== undefined && status !== '0') throw new Error(`${method}: status ${status} ${response.headers['grpc-message']}`);
    let rest = Buffer.alloc(0);
    for await (const chunk of response) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        const payload = rest.subarray(5, end);
        // The flag 0x80 marks the trailer, which carries the final status as text.
        if (rest[0] === 0x80) throw new Error(`${method}: ${payload.toString('latin1').trim()}`);
        yield payload;
        rest = rest.subarray(end);
      }
    }
  } finally {
    response.destroy();
  }
}

/** gRPC-Web framing: flags, length, message. */
function frame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

/** The fields of one protobuf message, by number: varints as BigInt, everything else as bytes. */
function fields(bytes) {
  const found = new Map();
  let at = 0;
  const readVarint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new Error('protobuf: cut short');
      at += 1;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (length) => {
    if (at + length > bytes.length) throw new Error('protobuf: cut short');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = Number(readVarint());
    const wire = key & 7;
    let value;
    if (wire === 0) value = readVarint();
    else if (wire === 1) value = take(8);
    else if (wire === 2) value = take(Number(readVarint()));
    else if (wire === 5) value = take(4);
    else throw new Error(`protobuf: unknown wire type ${wire}`);
    const number = key >>> 3;
    if (found.has(number)) found.get(number).push(value);
    else found.set(number, [value]);
  }
  return found;
}
