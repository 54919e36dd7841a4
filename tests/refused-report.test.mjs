/**
 * A report that the panel refuses for its form is set aside by the agent and shown, and everything after it is counted: no number can
 * block a node for good. The agent itself never writes such a report, so a count is spoilt on its way.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { startLoop, until } from './support/loop.mjs';
import { freePort } from './support/ports.mjs';

let loop;
let gateway;

/** A way to the panel on which the next report with bytes of a user can be spoilt. */
class Gateway {
  #server;

  constructor(server, url) {
    this.#server = server;
    this.url = url;
    /** What becomes of the next report's first count of bytes to a client. @type {number|null} */
    this.spoil = null;
    /** What the agent had reported where something was spoilt, and what the panel said to it. @type {Array<{report: object, status: number, answer: object}>} */
    this.spoilt = [];
  }

  static async start(panel) {
    const port = await freePort();
    const server = http.createServer((request, response) => gateway.#pass(panel, request, response));
    const gateway = new Gateway(server, `http://127.0.0.1:${port}`);
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    return gateway;
  }

  async #pass(panel, request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _host, connection: _connection, 'content-length': _length, 'transfer-encoding': _coding, ...headers } = request.headers;
    let body = Buffer.concat(chunks);
    let report;
    if (this.spoil !== null && request.url === '/agent/v1/sync') {
      const message = JSON.parse(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      if (message.report?.users.length > 0) {
        report = structuredClone(message.report);
        message.report.users[0][2] = this.spoil;
        this.spoil = null;
        delete headers['content-encoding'];
        body = Buffer.from(JSON.stringify(message));
      }
    }
    try {
      const answer = await panel.request(request.method, request.url, { headers, body: request.method === 'GET' ? undefined : body });
      if (report) this.spoilt.push({ report, status: answer.status, answer: answer.body });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' }).end(answer.text);
    } catch {
      response.destroy();
    }
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

before(async () => {
  const agentUrl = async (panel) => {
    gateway = await Gateway.start(panel);
    return gateway.url;
  };
  loop = await startLoop({ users: [{ name: 'ann' }], protocols: ['trojan'], agentUrl });
});
after(async () => {
  await loop?.stop();
  await gateway?.stop();
});

/** Bytes that the laboratory made the user move. */
const moved = () => {
  const { up, down } = loop.lab.account.sum({ user: 'ann' });
  assert.deepEqual([up.low, down.low], [up.high, down.high]);
  return up.low + down.low;
};
const bytesOf = (report) => report.users.reduce((sum, [, up, down]) => sum + up + down, 0);
const used = async () => (await loop.api('GET', '/api/v1/users/ann')).total_used;

for (const [round, spoil] of [-1, 2 ** 53].entries()) {
  test(`a report with ${spoil} bytes is refused and set aside, and what comes after it is counted to the byte`, async () => {
    const ledger = async () => (await loop.panel.db.prepare('SELECT count(*) AS n FROM epochs').first()).n;
    const setAside = () => gateway.spoilt.reduce((sum, { report }) => sum + bytesOf(report), 0);
    await loop.lab.tcp({ user: 'ann', protocol: 'trojan', up: 1000, down: 200_000 });
    await until('all bytes are counted', async () => (await used()) === moved() - setAside());
    const ledgers = await ledger();

    gateway.spoil = spoil;
    await loop.lab.tcp({ user: 'ann', protocol: 'trojan', up: 2000, down: 300_000 });
    await until('a report was spoilt', () => gateway.spoilt.length === round + 1);
    const { status, answer } = gateway.spoilt.at(-1);
    assert.deepEqual([status, answer.code], [422, 'invalid']);
    assert.ok(answer.field.startsWith('report.users[0]'), answer.field);
    await loop.lab.tcp({ user: 'ann', protocol: 'trojan', up: 3000, down: 400_000 });

    await until('all other bytes are counted', async () => (await used()) === moved() - setAside());
    assert.ok(setAside() > 0);
    const node = await until('the node says that a report was refused', async () => {
      const shown = await loop.nodeInPanel();
      return shown.status.rejected === round + 1 && shown;
    });
    assert.equal(await ledger(), ledgers + 1, 'it goes on in a new epoch');
    assert.equal(node.two_hosts, false);
    assert.equal(node.events[0].kind, 'fork', 'which says what it left');
  });
}
