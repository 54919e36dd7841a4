/** A minimal SOCKS5 client (RFC 1928) with user name and password (RFC 1929): CONNECT and UDP ASSOCIATE to IPv4 addresses. */
import net from 'node:net';

const HOST = '127.0.0.1';
const VERSION = 5;
const BY_PASSWORD = 2;
const CONNECT = 1;
const UDP_ASSOCIATE = 3;
const IPV4 = 1;

/** The proxy said no, or closed the connection during the handshake. */
export class SocksError extends Error {}

/**
 * @typedef {{socksPort: number, username: string, password: string, signal?: AbortSignal, localAddress?: string, host?: string,
 *   open?: (to: object) => net.Socket}} Proxy
 * a SOCKS5 proxy, on 127.0.0.1 unless `host` says otherwise; `signal` ends a handshake that hangs; `localAddress` is what the proxy
 * sees as its client's; `open` makes the connection, instead of `net.connect`
 */

/**
 * Open a TCP connection through the proxy.
 *
 * @param {Proxy} proxy
 * @param {number} port of the target
 * @param {string} [target] its IPv4 address
 * @returns {Promise<net.Socket>} paused, half-open allowed; the first payload byte is the first that a 'data' listener sees
 * @throws {SocksError}
 */
export async function socksConnect(proxy, port, target = HOST) {
  const { socket } = await handshake(proxy, CONNECT, port, target);
  return socket;
}

/**
 * Ask the proxy to relay datagrams.
 *
 * @param {Proxy} proxy
 * @returns {Promise<{control: net.Socket, relayPort: number}>} the association lives as long as `control` is open
 * @throws {SocksError}
 */
export async function socksAssociate(proxy) {
  const { socket, boundPort } = await handshake(proxy, UDP_ASSOCIATE, 0);
  return { control: socket, relayPort: boundPort };
}

/**
 * @param {number} port of the target
 * @param {string} [target] its IPv4 address
 * @returns {Buffer} the header that stands before each datagram to the relay (RFC 1928, section 7)
 */
export function datagramHeader(port, target = HOST) {
  return Buffer.concat([Buffer.from([0, 0, 0, IPV4]), ipv4(target), Buffer.from([port >>> 8, port & 255])]);
}

/**
 * @param {Buffer} datagram from the relay
 * @returns {Buffer} its payload
 * @throws {SocksError} if it is no unfragmented datagram from an IPv4 address
 */
export function datagramPayload(datagram) {
  if (datagram.length < 10 || datagram[2] !== 0 || datagram[3] !== IPV4) throw new SocksError('malformed datagram from the relay');
  return datagram.subarray(10);
}

function handshake({ socksPort, username, password, signal, localAddress, host = HOST, open = net.connect }, command, port, target = '0.0.0.0') {
  const name = Buffer.from(username);
  const secret = Buffer.from(password);
  const request = Buffer.concat([Buffer.from([VERSION, command, 0, IPV4]), ipv4(target), Buffer.from([port >>> 8, port & 255])]);
  return new Promise((resolve, reject) => {
    const socket = open({ host, port: socksPort, localAddress, allowHalfOpen: true, noDelay: true });
    let received = Buffer.alloc(0);
    let step = 0;
    const fail = (reason) => {
      release();
      socket.on('error', () => {}); // an error after the first has no listener left and would end the process
      socket.destroy();
      reject(new SocksError(reason));
    };
    const onError = (error) => fail(error.code ?? error.message);
    const onEnd = () => fail('closed during the handshake');
    const onAbort = () => fail('the handshake hung');
    const release = () => {
      socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
      signal?.removeEventListener('abort', onAbort);
    };
    const onData = (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (step === 0 && received.length >= 2) {
        if (received[1] !== BY_PASSWORD) return fail(`method ${received[1]} instead of user name and password`);
        received = received.subarray(2);
        step = 1;
        socket.write(Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([secret.length]), secret]));
      }
      if (step === 1 && received.length >= 2) {
        if (received[1] !== 0) return fail(`user ${username} was refused`);
        received = received.subarray(2);
        step = 2;
        socket.write(request);
      }
      if (step === 2 && received.length >= 4) {
        if (received[1] !== 0) return fail(`reply ${received[1]}`);
        const addressEnd = 4 + (received[3] === IPV4 ? 4 : 16);
        if (received.length < addressEnd + 2) return undefined;
        release();
        socket.pause();
        const rest = received.subarray(addressEnd + 2);
        if (rest.length > 0) socket.unshift(rest);
        resolve({ socket, boundPort: received.readUInt16BE(addressEnd) });
      }
      return undefined;
    };
    socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
    socket.once('connect', () => socket.write(Buffer.from([VERSION, 1, BY_PASSWORD])));
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
}

/** An association names no target: datagrams do. */
function ipv4(address) {
  return Buffer.from(address.split('.').map(Number));
}
