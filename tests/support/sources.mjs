/** A server of subscriptions that does what it is told, and a resolver that says what it is told. */
import http from 'node:http';
import zlib from 'node:zlib';

/**
 * Start a server on 127.0.0.1.
 *
 * @returns {Promise<{url: string, authority: string, answer: (where: string, how: Function|object|string) => void,
 *   asked: Array<{method: string, url: string, headers: object}>, stop: () => Promise<void>}>}
 * `answer` says what a path gives: a text, `{status, headers, body}`, or a function of request and response
 */
export async function startSource() {
  const answers = new Map();
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push({ method: request.method, url: request.url, headers: request.headers });
    const how = answers.get(request.url) ?? answers.get(request.url.split('?')[0]) ?? { status: 404, body: 'nothing here' };
    if (typeof how === 'function') return how(request, response);
    const { status = 200, headers = {}, body = '' } = typeof how === 'string' || Buffer.isBuffer(how) ? { body: how } : how;
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const authority = `127.0.0.1:${server.address().port}`;
  return {
    authority,
    url: `http://${authority}`,
    answer: (where, how) => answers.set(where, how),
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

/**
 * A resolver: `records` maps a name to its addresses, or to a number, which is the status.
 *
 * @param {Awaited<ReturnType<typeof startSource>>} source where it is served, under `/dns-query`
 * @param {Record<string, string[]|number>} records
 */
export function serveNames(source, records) {
  source.answer('/dns-query', (request, response) => {
    const query = new URL(request.url, source.url).searchParams;
    const found = records[query.get('name')] ?? 3;
    const type = Number(query.get('type'));
    const isWanted = (address) => (type === 28) === address.includes(':');
    const body =
      typeof found === 'number'
        ? { Status: found }
        : { Status: 0, Answer: [{ name: 'alias', type: 5, data: 'elsewhere.example.' }, ...found.filter(isWanted).map((data) => ({ name: query.get('name'), type, data }))] };
    response.writeHead(200, { 'content-type': 'application/dns-json' }).end(JSON.stringify(body));
  });
}

/**
 * Answers with `bytes` zeros or spaces without end being in sight, and notes how much was taken.
 *
 * @param {number} bytes
 * @returns {{how: Function, sent: () => number, closed: Promise<void>}} `closed` when the other side has left or taken all
 */
export function flood(bytes) {
  const chunk = Buffer.alloc(64 << 10, '#\n');
  let sent = 0;
  let leave;
  const closed = new Promise((resolve) => (leave = resolve));
  const how = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.on('close', leave);
    const more = () => {
      while (sent < bytes && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return response.once('drain', more);
      }
      response.end();
    };
    more();
  };
  return { how, sent: () => sent, closed };
}

/**
 * Many MiB of comments in little: some hundred kilobytes of gzip, some hundred bytes of Brotli.
 *
 * @param {number} mebibytes
 * @param {'gzip'|'br'} [encoding]
 */
export function bomb(mebibytes, encoding = 'gzip') {
  const plain = Buffer.alloc(mebibytes << 20, '#');
  const body = encoding === 'br' ? zlib.brotliCompressSync(plain, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }) : zlib.gzipSync(plain, { level: 9 });
  return { headers: { 'content-type': 'text/plain', 'content-encoding': encoding }, body };
}

/** One byte a quarter second, for as long as somebody listens. */
export function drip(request, response) {
  response.writeHead(200, { 'content-type': 'text/plain' });
  const timer = setInterval(() => response.write('#'), 250);
  response.on('close', () => clearInterval(timer));
}
