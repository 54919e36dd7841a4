/**
 * The target that all test traffic goes to: a TCP and a UDP server which do what the first bytes of a connection ask for, and enter
 * into the account what they received and sent. The request is payload like any other and is counted.
 */
import dgram from 'node:dgram';
import net from 'node:net';

const HOST = '127.0.0.1';
const TCP_MAGIC = 0x57454952;
const UDP_MAGIC = 0x57454955;
/** Payload to send from; its size is also the most that one write hands to a socket. */
const PAYLOAD = Buffer.alloc(65_536, 0x77);
/** Pacing works in steps of this length, so a paced download never bursts more than 10 ms worth of its rate. */
const PACE_MS = 10;
/** A burst of datagrams must fit here, or the kernel drops them; it grants what net.core.rmem_max allows. */
const UDP_BUFFER = 4 * 1024 * 1024;

/** What a client of `paced` or `echo` sends last; the target ends first, so both ends have read everything. */
export const STOP = Buffer.from([0]);
/** Bytes of a TCP request. */
export const TCP_REQUEST_BYTES = 32;
/** Bytes of the request that begins each datagram. */
export const UDP_REQUEST_BYTES = 12;

/**
 * What a TCP connection asks for:
 * - `exchange`: the target reads `up` bytes, then sends `down` bytes;
 * - `duplex`: the same, but it sends while it reads;
 * - `paced`: it sends at `down` bytes per second until {@link STOP} comes;
 * - `echo`: it sends back whatever comes, and ends after {@link STOP}.
 * In `exchange` and `duplex` the target ends the connection first, once it has read and sent everything;
 * with `clientEnds` it waits for the client's end. `lingerMs` passes between its last byte and its end.
 */
const MODES = ['exchange', 'duplex', 'paced', 'echo'];

/**
 * @param {{id: number, mode: 'exchange'|'duplex'|'paced'|'echo', up?: number, down?: number, clientEnds?: boolean,
 *   lingerMs?: number}} request `lingerMs` up to 65,535
 * @returns {Buffer} {@link TCP_REQUEST_BYTES} bytes
 */
export function tcpRequest({ id, mode, up = 0, down = 0, clientEnds = false, lingerMs = 0 }) {
  const bytes = Buffer.alloc(TCP_REQUEST_BYTES);
  bytes.writeUInt32BE(TCP_MAGIC, 0);
  bytes.writeUInt32BE(id, 4);
  bytes.writeUInt8(MODES.indexOf(mode), 8);
  bytes.writeUInt8(clientEnds ? 1 : 0, 9);
  bytes.writeUInt16BE(lingerMs, 10);
  bytes.writeDoubleBE(up, 16);
  bytes.writeDoubleBE(down, 24);
  return bytes;
}

/**
 * Write the request into the start of a datagram; the target answers with `answer` bytes that begin with the same request.
 *
 * @param {Buffer} datagram at least {@link UDP_REQUEST_BYTES} long
 * @param {{id: number, sequence: number, answer: number}} request
 */
export function writeUdpRequest(datagram, { id, sequence, answer }) {
  datagram.writeUInt32BE(UDP_MAGIC, 0);
  datagram.writeUInt32BE(id, 4);
  datagram.writeUInt16BE(sequence, 8);
  datagram.writeUInt16BE(answer, 10);
}

/** @param {Buffer} datagram @returns {{id: number, sequence: number, answer: number}|null} null if it is none of ours */
export function readUdpRequest(datagram) {
  if (datagram.length < UDP_REQUEST_BYTES || datagram.readUInt32BE(0) !== UDP_MAGIC) return null;
  return { id: datagram.readUInt32BE(4), sequence: datagram.readUInt16BE(8), answer: datagram.readUInt16BE(10) };
}

/**
 * Start both servers on free ports of 127.0.0.1.
 *
 * @param {import('./account.mjs').Account} account
 * @param {number} [tcpPort] where the TCP server listens, instead of on a free port
 * @param {string} [host] the address that they listen on, instead of 127.0.0.1
 * @returns {Promise<{tcpPort: number, udpPort: number, stop: () => Promise<void>}>}
 */
export async function startTargets(account, tcpPort = 0, host = HOST) {
  const sockets = new Set();
  const tcp = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, account);
  });
  // A burst of connections must not wait for SYN retries: the default backlog of 511 is less than a test may open.
  await new Promise((resolve, reject) => tcp.once('error', reject).listen({ port: tcpPort, host, backlog: 4096 }, resolve));
  const udp = dgram.createSocket({ type: 'udp4', recvBufferSize: UDP_BUFFER, sendBufferSize: UDP_BUFFER });
  await new Promise((resolve, reject) => udp.once('error', reject).bind(0, host, resolve));
  udp.on('message', (datagram, from) => answerDatagram(udp, account, datagram, from));
  return {
    tcpPort: tcp.address().port,
    udpPort: udp.address().port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => tcp.close(resolve));
      await new Promise((resolve) => udp.close(resolve));
    },
  };
}

function answerDatagram(udp, account, datagram, from) {
  const request = readUdpRequest(datagram);
  const entry = request && account.find(request.id);
  if (!entry) return;
  entry.targetReceived += datagram.length;
  const answer = Buffer.alloc(Math.max(request.answer, UDP_REQUEST_BYTES));
  datagram.copy(answer, 0, 0, UDP_REQUEST_BYTES);
  entry.targetSent += answer.length;
  udp.send(answer, from.port, from.address);
}

/** Read the request, then let the mode's own function take the connection. */
function serve(socket, account) {
  let head = Buffer.alloc(0);
  // Whoever ends first, the other half must follow, or the connection would stay forever.
  const onEarlyEnd = () => socket.end();
  const onData = (chunk) => {
    head = Buffer.concat([head, chunk]);
    if (head.length < TCP_REQUEST_BYTES) return;
    socket.off('data', onData);
    const entry = account.find(head.readUInt32BE(4));
    const mode = MODES[head.readUInt8(8)];
    if (head.readUInt32BE(0) !== TCP_MAGIC || !entry || !mode) {
      socket.destroy();
      return;
    }
    entry.targetReceived += TCP_REQUEST_BYTES;
    entry.from = socket.remoteAddress;
    const request = {
      up: head.readDoubleBE(16),
      down: head.readDoubleBE(24),
      clientEnds: head.readUInt8(9) === 1,
      lingerMs: head.readUInt16BE(10),
    };
    const { onPayload, onEnd = onEarlyEnd } = serveMode[mode](socket, entry, request);
    const rest = head.subarray(TCP_REQUEST_BYTES);
    if (rest.length > 0) onPayload(rest);
    socket.off('end', onEarlyEnd).on('data', onPayload).on('end', onEnd);
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', onData).on('end', onEarlyEnd);
}

const serveMode = {
  exchange: (socket, entry, request) => exchange(socket, entry, request, false),
  duplex: (socket, entry, request) => exchange(socket, entry, request, true),
  paced,
  echo,
};

function exchange(socket, entry, { up, down, clientEnds, lingerMs }, atOnce) {
  let missing = up;
  let sentAll = false;
  let clientEnded = false;
  const endWhenDone = () => {
    if (sentAll && clientEnded) socket.end();
    else if (sentAll && missing === 0 && !clientEnds) setTimeout(() => socket.end(), lingerMs);
  };
  const send = () =>
    sendPayload(socket, down, (bytes) => (entry.targetSent += bytes), () => {
      sentAll = true;
      endWhenDone();
    });
  if (atOnce || missing === 0) send();
  return {
    onPayload(chunk) {
      entry.targetReceived += chunk.length;
      missing -= chunk.length;
      if (missing > 0) return;
      if (atOnce) endWhenDone();
      else send();
    },
    onEnd() {
      clientEnded = true;
      if (missing > 0) socket.end();
      else endWhenDone();
    },
  };
}

function paced(socket, entry, { down: rate }) {
  const start = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    let due = Math.floor(((performance.now() - start) / 1000) * rate) - sent;
    while (due > 0 && !socket.writableNeedDrain && socket.writable) {
      const bytes = Math.min(due, PAYLOAD.length);
      socket.write(PAYLOAD.subarray(0, bytes));
      entry.targetSent += bytes;
      sent += bytes;
      due -= bytes;
    }
  }, PACE_MS);
  socket.once('close', () => clearInterval(timer));
  return {
    onPayload(chunk) {
      entry.targetReceived += chunk.length;
      clearInterval(timer);
      socket.end();
    },
  };
}

function echo(socket, entry) {
  return {
    onPayload(chunk) {
      entry.targetReceived += chunk.length;
      if (!socket.writable) return;
      entry.targetSent += chunk.length;
      const room = socket.write(chunk);
      if (chunk.at(-1) === STOP[0]) socket.end();
      else if (!room) {
        socket.pause();
        socket.once('drain', () => socket.resume());
      }
    },
  };
}

/**
 * Send `length` bytes of payload as fast as the socket takes them.
 *
 * @param {net.Socket} socket
 * @param {number} length
 * @param {(bytes: number) => void} count told of each write; stops when the socket is destroyed
 * @param {() => void} done called once everything has been handed to the socket
 */
export function sendPayload(socket, length, count, done) {
  let left = length;
  const pump = () => {
    while (left > 0) {
      if (!socket.writable) return;
      const bytes = Math.min(left, PAYLOAD.length);
      left -= bytes;
      count(bytes);
      if (!socket.write(bytes === PAYLOAD.length ? PAYLOAD : PAYLOAD.subarray(0, bytes)) && left > 0) {
        socket.once('drain', pump);
        return;
      }
    }
    done();
  };
  pump();
}
