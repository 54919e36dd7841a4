/** sing-box configurations: the operator's template of a node, and a client that speaks for many users at once. */
import { randomBytes, randomUUID } from 'node:crypto';

import { TEST_DOMAIN } from './certificate.mjs';

/** 2022-blake3-aes-128-gcm takes keys of exactly 16 bytes, in base64, for the server and for each user. */
const SS_METHOD = '2022-blake3-aes-128-gcm';

/** The protocols of {@link serverTemplate}; `mixed` (SOCKS and HTTP without encryption) is meant for measuring. */
export const PROTOCOLS = ['trojan', 'vless', 'vmess', 'shadowsocks', 'hysteria2', 'mixed'];
/** Those that a node offers to its users: all but `mixed`. */
export const USER_PROTOCOLS = PROTOCOLS.filter((protocol) => protocol !== 'mixed');

/** The password of every user of the client's own local inbound; that port is open on 127.0.0.1 only while a test runs. */
export const LAB_PASSWORD = 'lab';

/**
 * One user's secrets, as {@link serverConfig} writes them and {@link clientConfig} uses them.
 * @typedef {{name: string, uuid: string, password: string, ss16: string}} Credentials
 * `password` serves trojan, hysteria2 and mixed; `ss16` is a base64 key of 16 bytes.
 */

/**
 * @param {string} name
 * @returns {Credentials} fresh random secrets
 */
export function makeCredentials(name) {
  return { name, uuid: randomUUID(), password: randomBytes(16).toString('hex'), ss16: makeSsKey() };
}

/** @returns {string} a base64 key of 16 bytes, for a server or a user of shadowsocks 2022 */
export function makeSsKey() {
  return randomBytes(16).toString('base64');
}

/** @param {string} protocol one of {@link PROTOCOLS} @returns {string} the tag of its inbound in the template */
export function inboundTag(protocol) {
  return `${protocol}-in`;
}

/**
 * A node's configuration as its operator writes it: inbounds **without users** (the agent adds them), a `direct` outbound that is
 * final, and the `api` service with a secret.
 *
 * @param {object} options
 * @param {Record<string, number>} options.ports one port for each protocol that the node shall offer, keyed by {@link PROTOCOLS}
 * @param {{certificatePath: string, keyPath: string}} options.certificate
 * @param {number} options.apiPort
 * @param {string} options.apiSecret must not be empty: sing-box then asks for no authorisation at all
 * @param {string} [options.ssServerKey] the server's key of shadowsocks 2022
 * @param {string} [options.logLevel]
 * @returns {object}
 */
export function serverTemplate({ ports, certificate, apiPort, apiSecret, ssServerKey = makeSsKey(), logLevel = 'warn' }) {
  if (!apiSecret) throw new Error('apiSecret: must not be empty');
  const tls = {
    enabled: true,
    server_name: TEST_DOMAIN,
    certificate_path: certificate.certificatePath,
    key_path: certificate.keyPath,
  };
  const special = {
    trojan: { tls },
    vless: { tls },
    vmess: {},
    shadowsocks: { method: SS_METHOD, password: ssServerKey },
    hysteria2: { tls },
    mixed: {},
  };
  const inbounds = Object.entries(ports).map(([protocol, port]) => {
    if (!(protocol in special)) throw new Error(`ports: unknown protocol ${protocol}, must be one of ${PROTOCOLS.join(', ')}`);
    return { type: protocol, tag: inboundTag(protocol), listen: '127.0.0.1', listen_port: port, ...special[protocol] };
  });
  return {
    log: { level: logLevel, timestamp: true },
    inbounds,
    outbounds: [{ type: 'direct', tag: 'direct' }],
    route: { final: 'direct' },
    services: [{ type: 'api', tag: 'api', listen: '127.0.0.1', listen_port: apiPort, secret: apiSecret }],
  };
}

/**
 * The template with users written into every inbound by hand, for tests that run a node without an agent.
 *
 * @param {object} template from {@link serverTemplate}
 * @param {Credentials[]} users at least one: sing-box opens a `mixed` or `shadowsocks` inbound to everybody when it has none
 * @returns {object} a new object
 */
export function serverConfig(template, users) {
  if (users.length === 0) throw new Error('users: at least one is needed, an empty list opens the node to everybody');
  const entry = {
    trojan: ({ name, password }) => ({ name, password }),
    vless: ({ name, uuid }) => ({ name, uuid }),
    vmess: ({ name, uuid }) => ({ name, uuid, alterId: 0 }),
    shadowsocks: ({ name, ss16 }) => ({ name, password: ss16 }),
    hysteria2: ({ name, password }) => ({ name, password }),
    mixed: ({ name, password }) => ({ username: name, password }),
  };
  const inbounds = template.inbounds.map((inbound) => ({ ...inbound, users: users.map(entry[inbound.type]) }));
  return { ...structuredClone(template), inbounds };
}

/**
 * One client process for many users: its local SOCKS5 inbound knows a user {@link labUser}(name, protocol) for each pair and sends
 * what he asks for through that user's own outbound to the node. Anybody else is refused by the final `block`.
 *
 * @param {object} options
 * @param {number} options.listenPort of the local inbound on 127.0.0.1
 * @param {Credentials[]} options.users
 * @param {Record<string, number>} options.ports of the node, by protocol; each gives one outbound a user
 * @param {string} [options.ssServerKey] needed for shadowsocks
 * @param {string} [options.server] the node's address
 * @param {string} [options.logLevel]
 * @returns {object}
 */
export function clientConfig({ listenPort, users, ports, ssServerKey, server = '127.0.0.1', logLevel = 'error' }) {
  const tls = { enabled: true, server_name: TEST_DOMAIN, insecure: true };
  const special = {
    trojan: ({ password }) => ({ password, tls }),
    vless: ({ uuid }) => ({ uuid, tls }),
    vmess: ({ uuid }) => ({ uuid, alter_id: 0, security: 'auto' }),
    shadowsocks: ({ ss16 }) => ({ method: SS_METHOD, password: `${ssServerKey}:${ss16}` }),
    hysteria2: ({ password }) => ({ password, tls }),
    mixed: ({ name, password }) => ({ type: 'socks', username: name, password }),
  };
  if ('shadowsocks' in ports && !ssServerKey) throw new Error('ssServerKey: needed for shadowsocks');
  const outbounds = users.flatMap((user) =>
    Object.entries(ports).map(([protocol, port]) => {
      if (!(protocol in special)) throw new Error(`ports: unknown protocol ${protocol}, must be one of ${PROTOCOLS.join(', ')}`);
      return { type: protocol, tag: labUser(user.name, protocol), server, server_port: port, ...special[protocol](user) };
    }),
  );
  return clientAround({ listenPort, outbounds, logLevel });
}

/**
 * The client of {@link clientConfig} around outbounds that come from elsewhere, such as a subscription.
 *
 * @param {object} options
 * @param {number} options.listenPort of the local inbound on 127.0.0.1
 * @param {object[]} options.outbounds each with a {@link labUser} for its tag
 * @param {string} [options.logLevel]
 * @returns {object}
 */
export function clientAround({ listenPort, outbounds, logLevel = 'error' }) {
  const pairs = outbounds.map(({ tag }) => tag);
  return {
    log: { level: logLevel, timestamp: true },
    inbounds: [
      {
        type: 'mixed',
        tag: 'lab',
        listen: '127.0.0.1',
        listen_port: listenPort,
        users: pairs.map((username) => ({ username, password: LAB_PASSWORD })),
      },
    ],
    outbounds: [...outbounds, { type: 'block', tag: 'block' }],
    route: { rules: pairs.map((pair) => ({ auth_user: [pair], outbound: pair })), final: 'block' },
  };
}

/**
 * @param {string} user
 * @param {string} protocol
 * @returns {string} the name under which the client's local inbound knows this user on this protocol
 */
export function labUser(user, protocol) {
  return `${user}|${protocol}`;
}
