/**
 * A client of naive (github.com/klzgrad/naiveproxy, "Padding Protocol"): a SOCKS5 server whose users' connections go as CONNECT over HTTP/2, the first
 * eight frames of each direction padded. No core here has one that is built in.
 */
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';

const PADDED_FRAMES = 8;
const HEADER_BYTES = 3;
const MOST_FRAME_BYTES = 0xffff;
const PADDING = '~'.repeat(32);

/** Puts the padding of its first frames before and behind what is sent. */
class Padder {
  #left = PADDED_FRAMES;

  /** @param {Buffer} bytes @returns {Buffer} as it goes out */
  pad(bytes) {
    const parts = [];
    let rest = bytes;
    while (rest.length > 0 && this.#left > 0) {
      this.#left -= 1;
      const frame = rest.subarray(0, MOST_FRAME_BYTES);
      rest = rest.subarray(frame.length);
      const length = 1 + (frame.length % 200);
      parts.push(Buffer.from([frame.length >>> 8, frame.length & 255, length]), frame, Buffer.alloc(length));
    }
    return Buffer.concat([...parts, rest]);
  }
}

/** Takes the padding out of the first frames that come. */
class Unpadder {
  #left = PADDED_FRAMES;
  #held = Buffer.alloc(0);

  /** @param {Buffer} bytes @returns {Buffer} what was meant by them, so far as it is whole */
  unpad(bytes) {
    if (this.#left === 0) return bytes;
    this.#held = Buffer.concat([this.#held, bytes]);
    const whole = [];
    while (this.#left > 0 && this.#held.length >= HEADER_BYTES) {
      const size = this.#held.readUInt16BE(0);
      const end = HEADER_BYTES + size + this.#held[2];
      if (this.#held.length < end) break;
      whole.push(this.#held.subarray(HEADER_BYTES, HEADER_BYTES + size));
      this.#held = this.#held.subarray(end);
      this.#left -= 1;
    }
    if (this.#left === 0) whole.push(this.#held);
    return Buffer.concat(whole);
  }
}

/**
 * @param {object} options
 * @param {number} options.listenPort of the local SOCKS5 server on 127.0.0.1
 * @param {number} options.port of the naive inbound on 127.0.0.1
 * @param {string} options.serverName
 * @param {Record<string, {username: string, password: string}>} options.users who they are at the inbound, by their name here
 * @returns {Promise<{stop: () => Promise<void>}>}
 */
export async function startNaive({ listenPort, port, serverName, users }) {
  const sockets = new Set();
  const connect = (socket, user, to, rest) => {
    // The certificate is a test's own.
    const session = http2.connect(`https://127.0.0.1:${port}`, { servername: serverName, rejectUnauthorized: false });
    const basic = Buffer.from(`${user.username}:${user.password}`).toString('base64');
    const refuse = () => socket.destroyed || socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
    session.on('error', refuse);
    socket.once('close', () => session.destroy());
    const headers = { ':method': 'CONNECT', ':authority': to, 'proxy-authorization': `Basic ${basic}`, padding: PADDING };
    const stream = session.request(headers, { endStream: false });
    const [padder, unpadder] = [new Padder(), new Unpadder()];
    stream.on('error', () => socket.destroy());
    stream.once('response', ({ ':status': status }) => {
      if (status !== 200) return refuse();
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      const send = (bytes) => stream.write(padder.pad(bytes)) || socket.pause();
      stream.on('drain', () => socket.resume());
      if (rest.length > 0) send(rest);
      socket.on('data', send);
      socket.once('end', () => stream.end());
      stream.on('data', (bytes) => socket.write(unpadder.unpad(bytes)) || stream.pause());
      socket.on('drain', () => stream.resume());
      stream.once('end', () => socket.end());
      stream.once('close', () => stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR && socket.destroy());
      return socket.resume();
    });
  };
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    socket.on('error', () => {});
    greet(socket, users, connect);
  });
  server.listen(listenPort, '127.0.0.1');
  await once(server, 'listening');
  return {
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The server's side of SOCKS5 with user name and password, for CONNECT to IPv4 addresses: what the laboratory speaks. */
function greet(socket, users, connect) {
  let held = Buffer.alloc(0);
  let step = 'methods';
  let user;
  const take = (length) => {
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };
  const onData = (bytes) => {
    held = Buffer.concat([held, bytes]);
    if (step === 'methods' && held.length >= 2 && held.length >= 2 + held[1]) {
      take(2 + held[1]);
      socket.write(Buffer.from([5, 2]));
      step = 'login';
    }
    if (step === 'login' && held.length >= 2 && held.length > 2 + held[1] && held.length >= 3 + held[1] + held[2 + held[1]]) {
      user = users[take(2 + held[1]).subarray(2).toString()];
      take(1 + held[0]);
      socket.write(Buffer.from([1, user ? 0 : 1]));
      if (!user) return socket.end();
      step = 'request';
    }
    if (step === 'request' && held.length >= 10) {
      const request = take(10);
      socket.off('data', onData);
      socket.pause();
      return connect(socket, user, `${[...request.subarray(4, 8)].join('.')}:${request.readUInt16BE(8)}`, held);
    }
    return undefined;
  };
  socket.on('data', onData);
}
