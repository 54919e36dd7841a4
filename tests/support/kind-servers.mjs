/** The servers of the kinds of a run, and a panel that hands out the ways to them. See kinds.mjs for who serves what. */
import { once } from 'node:events';
import dgram from 'node:dgram';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';

import { makeCertificate } from './certificate.mjs';
import { serveMihomo } from './mihomo.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { freePort, freePorts } from './ports.mjs';
import { startSingBox } from './singbox.mjs';
import { QUICK, Site, until } from './site.mjs';
import { slotCredentials } from './wire.mjs';

/** @typedef {{panel: object, site: Site, node: LocalNode, subscription: URL, certificate: object, logs: () => Promise<string>,
 *   stop: () => Promise<void>}} Served */

/**
 * Start whatever serves these kinds, and let a real panel know all of them. Each is called by its kind in every list.
 *
 * @param {Record<string, object>} kinds as kinds.mjs has them
 * @param {string} user who gets them
 * @returns {Promise<Served>}
 */
export async function serveKinds(kinds, user) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-kinds-'));
  const certificate = await makeCertificate();
  const stranger = await makeCertificate();
  const names = Object.keys(kinds);
  const ports = Object.fromEntries((await freePorts(names.length)).map((port, index) => [names[index], port]));
  const panel = await startPanel({ vars: QUICK });
  const site = new Site(panel);
  const started = [];
  const served = {
    panel, site, certificate,
    logs: async () => (await Promise.all(started.map((one) => one.logs?.() ?? one.log?.()))).join('\n--- server\n'),
    async stop() {
      await Promise.all(started.map((one) => one.stop()));
      await panel.stop();
      await certificate.remove();
      await stranger.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    const handshake = await freePort();
    started.push(await startSite(handshake, certificate));
    await site.api('POST', '/api/v1/users', { name: user });
    const by = (who) => Object.entries(kinds).filter(([, kind]) => kind.by === who);
    const all = { folder, certificate, stranger, ports, site, panel, started, handshake, user };
    served.node = await serveByNode(all, by('node'));
    if (by('borrowed').length > 0) await serveBorrowed(all, by('borrowed'));
    if (by('direct').length > 0) await serveDirect(all, by('direct'));
    served.subscription = new URL((await site.api('GET', `/api/v1/users/${user}`)).subscription_url);
  } catch (error) {
    error.message += `\n${await served.logs()}\n--- panel\n${panel.log()}`;
    await served.stop();
    throw error;
  }
  return served;
}

/** The template's inbound as its operator writes it. */
function written(tag, inbound, { ports }, { certificatePath, keyPath }) {
  const own = inbound.tls && !inbound.tls.reality ? { tls: { ...inbound.tls, certificate_path: certificatePath, key_path: keyPath } } : {};
  return { tag, listen: '127.0.0.1', listen_port: ports[tag], ...inbound, ...own };
}

async function makeNode({ folder, certificate, site, panel, started }, name, inbounds, weir) {
  const created = await site.api('POST', '/api/v1/nodes', { name, address: '127.0.0.1' });
  const node = await LocalNode.make({ folder: path.join(folder, name), certificate, protocols: [], change: (template) => ({ ...template, inbounds, weir }) });
  started.push(node);
  await node.enroll(panel.url, created.token);
  node.startAgent();
  return { id: created.id, node };
}

/** In every list, what leads to an inbound has the inbound's name. */
async function nameThem(site, id, tags) {
  for (const inbound of tags) await site.api('POST', `/api/v1/nodes/${id}/addresses`, { inbound, remark: '{INBOUND}' });
}

async function serveByNode(all, kinds) {
  const inbounds = kinds.map(([tag, { inbound, selfSigned }]) => written(tag, inbound, all, selfSigned ? all.stranger : all.certificate));
  const hop = {};
  for (const [tag, { hops }] of kinds.filter(([, kind]) => kind.hops)) {
    const from = await freePorts(hops);
    all.started.push(await startHops(from, all.ports[tag]));
    hop[tag] = { ports: from.join(','), interval: 30 };
  }
  const selfSigned = kinds.filter(([, kind]) => kind.selfSigned).map(([tag]) => tag);
  const { id, node } = await makeNode(all, 'Wien', inbounds, { self_signed: selfSigned, hop });
  await all.site.loadedOn(id);
  await nameThem(all.site, id, inbounds.map(({ tag }) => tag));
  return node;
}

async function serveBorrowed(all, kinds) {
  const { site, panel, ports, handshake, user, started } = all;
  const inbounds = kinds.map(([tag, { inbound }]) => written(tag, inbound(handshake), all, all.certificate));
  const { id } = await makeNode(all, 'Graz', inbounds, {});
  // The agent tells the inbounds of a template whether its core can run it or not.
  await until('the agent has told its inbounds', async () => (await site.api('GET', `/api/v1/nodes/${id}/inbounds`)).items.length === kinds.length);
  await nameThem(site, id, inbounds.map(({ tag }) => tag));
  const credentials = slotCredentials(panel.slotKey, (await site.slots()).get(user));
  const listeners = kinds.map(([name, { listener }]) => ({ name, listen: '127.0.0.1', port: ports[name], ...listener(handshake, credentials) }));
  started.push(await serveMihomo(listeners, listeners[0].port));
}

async function serveDirect({ site, ports, certificate, handshake, started }, kinds) {
  // mihomo reads no file outside its own folder.
  const [cert, key] = await Promise.all([readFile(certificate.certificatePath, 'utf8'), readFile(certificate.keyPath, 'utf8')]);
  const listeners = kinds.filter(([, { serve }]) => serve).map(([name, { serve }]) => ({ name, listen: '127.0.0.1', port: ports[name], ...serve({ cert, key }) }));
  if (listeners.length > 0) started.push(await serveMihomo(listeners, listeners[0].port));
  const inbounds = kinds.filter(([, { core }]) => core).flatMap(([tag, { core }]) => {
    const [inbound, ...behind] = core(handshake);
    return [{ tag, listen: '127.0.0.1', listen_port: ports[tag], ...inbound }, ...behind];
  });
  if (inbounds.length > 0) started.push(await startSingBox({ config: { log: { level: 'warn' }, inbounds }, readyPort: inbounds[0].listen_port, name: 'others' }));
  const configs = kinds.map(([name, { link }]) => `${link(ports[name])}#${name}`);
  const { successful_added: added, errors } = await site.api('POST', '/api/xpert/direct-configs/batch', { configs });
  if (added !== configs.length) throw new Error(`direct configs: ${JSON.stringify(errors)}`);
}

/** The site whose handshake REALITY and ShadowTLS borrow. */
async function startSite(port, { keyPath, certificatePath }) {
  const [key, cert] = await Promise.all([readFile(keyPath), readFile(certificatePath)]);
  const sockets = new Set();
  const server = tls.createServer({ key, cert, ALPNProtocols: ['h2', 'http/1.1'], minVersion: 'TLSv1.3' }, (socket) => socket.on('error', () => {}));
  server.on('connection', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a firewall does for hysteria2: whatever comes to one of several ports is led to the inbound's. */
async function startHops(ports, to) {
  const sockets = [];
  const open = async (port) => {
    const socket = dgram.createSocket('udp4');
    sockets.push(socket);
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };
  for (const port of ports) {
    const outside = await open(port);
    const clients = new Map();
    outside.on('message', (message, { port: client }) => {
      if (!clients.has(client)) {
        const inside = open(0).then((socket) => socket.on('message', (answer) => outside.send(answer, client, '127.0.0.1')));
        clients.set(client, inside);
      }
      clients.get(client).then((socket) => socket.send(message, to, '127.0.0.1'));
    });
  }
  return {
    async stop() {
      for (const socket of sockets) socket.close();
    },
  };
}
