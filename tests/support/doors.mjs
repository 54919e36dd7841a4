/** Ways to a panel that are not a plain connection to 127.0.0.1: TLS, another address, and a proxy that opens tunnels. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

/** Ends a server and every line through it. */
function ending(server, sockets) {
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  return () =>
    new Promise((resolve) => {
      server.close(resolve);
      for (const socket of sockets) socket.destroy();
    });
}

/** Joins two sockets; when one ends the other does. */
function join(one, other) {
  for (const [from, to] of [[one, other], [other, one]]) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

/**
 * A server before the panel: whatever comes is passed on, the doorbell's WebSocket too.
 *
 * @param {string} target the panel's URL
 * @param {{host?: string, tls?: {key: Buffer, cert: Buffer}, bell?: boolean}} [options] `bell`: whether the doorbell passes
 * @returns {Promise<{url: string, port: number, paths: string[], stop: () => Promise<void>}>} `paths` that were asked for, upgrades as `ws /path`
 */
export async function startDoor(target, { host = '127.0.0.1', tls, bell = true } = {}) {
  const { hostname, port: panelPort } = new URL(target);
  const paths = [];
  const server = tls ? https.createServer(tls) : http.createServer();
  const options = (request) => ({ host: hostname, port: panelPort, method: request.method, path: request.url, headers: request.headers });
  server.on('request', (request, response) => {
    paths.push(request.url);
    const asked = http.request(options(request), (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    request.pipe(asked);
  });
  server.on('upgrade', (request, socket, head) => {
    paths.push(`ws ${request.url}`);
    if (!bell) return socket.destroy();
    const asked = net.connect(Number(panelPort), hostname, () => {
      const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
      asked.write(`GET ${request.url} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      asked.write(head);
      join(socket, asked);
    });
    asked.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', () => {});
  const sockets = new Set();
  const stop = ending(server, sockets);
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const { port } = server.address();
  const name = host.includes(':') ? `[${host}]` : tls ? 'localhost' : host;
  return { url: `${tls ? 'https' : 'http'}://${name}:${port}`, port, paths, stop };
}

/**
 * An HTTP proxy that knows CONNECT and nothing else.
 *
 * @param {{login?: string}} [options] `user:password` that it asks for
 * @returns {Promise<{port: number, tunnels: string[], stop: () => Promise<void>}>} `tunnels` that were opened, as `host:port`
 */
export async function startConnectProxy({ login } = {}) {
  const tunnels = [];
  const wanted = login && `Basic ${Buffer.from(login).toString('base64')}`;
  const server = http.createServer((request, response) => response.writeHead(405).end());
  server.on('connect', (request, socket, head) => {
    if (wanted && request.headers['proxy-authorization'] !== wanted) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const { hostname, port } = new URL(`http://${request.url}`);
    const there = net.connect(Number(port), hostname.replace(/[[\]]/g, ''), () => {
      tunnels.push(request.url);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      there.write(head);
      join(socket, there);
    });
    there.on('error', () => socket.destroy());
  });
  const stop = ending(server, new Set());
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, tunnels, stop };
}
