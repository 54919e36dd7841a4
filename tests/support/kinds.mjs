/**
 * Every kind of way in that an engine here can serve: protocol, what it runs over, and what is around it. What serves a kind decides
 * how the panel comes to know it:
 * - `node`: a real sing-box by the template of a real agent, which describes it and gives it its users;
 * - `borrowed`: the agent describes the template's inbound, and a mihomo serves it, because this sing-box is built without uTLS and so
 *   without REALITY, which borrows the handshake of a site;
 * - `direct`: the link of somebody else's server, which the operator enters as a direct config; mihomo or sing-box is that server.
 */
import { TEST_DOMAIN } from './certificate.mjs';

/** `sing-box generate reality-keypair` */
export const REALITY = { privateKey: 'yCxvSGH6ATpRwzrIZg_Qkq19HyqXB0bjm_pixe62704', publicKey: '9jQXZ0r8iconXBewyMJcPmlk5bMUmaE-cfsqmeRasTY', shortId: '0123abcd' };
/** `mihomo generate vless-x25519` */
const X25519 = { privateKey: '0GRh9V0c5sDhQtT5l01Qwf1XBugB4qidfMz1aFXgJ2g', password: 'SbmQTnD5kcCBpy-q16fkDNcL3ad5lwHyuKXLuTTjDEE' };
/** `mihomo generate wg-keypair`, twice: the server's public key, the client's private one. */
const WIREGUARD = { server: 'XmUmzJi0H09B96qGrvWDu9Tr6vcjX6pIvL9AyIr6LUM=', client: '4DPtKh3Rv5apjcYo8Ab+6/LkK8FEBq4nmdklseMKX0U=' };
const UUID = '3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30';
const PASSWORD = 'of-somebody-else';
const KEY = Buffer.alloc(32, 5).toString('base64');
const key = (bytes) => Buffer.alloc(bytes, 7).toString('base64');

/** TLS with the certificate of the test, which whoever serves it puts in. */
const tls = (more = {}) => ({ tls: { enabled: true, server_name: TEST_DOMAIN, ...more } });
/** Clients are told not to check the certificate; those of other kinds trust it. */
const selfSigned = (kind) => ({ ...kind, selfSigned: true });
const over = (type, more = {}) => ({ transport: { type, ...more } });
const node = (type, ...parts) => ({ by: 'node', inbound: Object.assign({ type }, ...parts) });

/** In the template as its operator writes it; in the listener that stands for the core, with the credentials of the slot. */
function borrowed(type, more, listener) {
  const reality = (handshake) => ({ enabled: true, handshake: { server: '127.0.0.1', server_port: handshake }, private_key: REALITY.privateKey, short_id: [REALITY.shortId] });
  const config = (handshake) => ({ dest: `127.0.0.1:${handshake}`, 'private-key': REALITY.privateKey, 'short-id': [REALITY.shortId], 'server-names': [TEST_DOMAIN] });
  return {
    by: 'borrowed',
    inbound: (handshake) => ({ type, tls: { enabled: true, server_name: TEST_DOMAIN, reality: reality(handshake) }, ...more }),
    listener: (handshake, { uuid, password }) => ({ type, 'reality-config': config(handshake), ...listener({ uuid, password }) }),
  };
}

/** `serve` is a listener of mihomo; `core`, instead, inbounds of sing-box, of which the first gets the port that the link names. */
const direct = (link, { serve, core }) => ({ by: 'direct', link, serve, core });

const vless = (port, query) => `vless://${UUID}@127.0.0.1:${port}?${new URLSearchParams({ encryption: 'none', ...query })}`;
const encrypted = (look) =>
  direct((port) => vless(port, { encryption: `mlkem768x25519plus.${look}.0rtt.${X25519.password}`, type: 'tcp', security: 'none' }), {
    serve: () => ({ type: 'vless', users: [{ username: 'ann', uuid: UUID }], decryption: `mlkem768x25519plus.${look}.600s.${X25519.privateKey}` }),
  });
const xhttp = (mode) =>
  direct((port) => vless(port, { type: 'xhttp', path: '/x', mode, security: 'tls', sni: TEST_DOMAIN, alpn: 'h2' }), {
    serve: ({ cert, key: secret }) => ({
      type: 'vless', users: [{ username: 'ann', uuid: UUID }], 'xhttp-config': { path: '/x', mode }, certificate: cert, 'private-key': secret,
    }),
  });
const shadowsocks = (port, method, password, plugin) => {
  const user = method.startsWith('2022-') ? `${method}:${encodeURIComponent(password)}` : Buffer.from(`${method}:${password}`).toString('base64url');
  return `ss://${user}@127.0.0.1:${port}${plugin ? `/?plugin=${encodeURIComponent(plugin)}` : ''}`;
};
const obfs = (mode) =>
  direct((port) => shadowsocks(port, 'aes-128-gcm', PASSWORD, `obfs-local;obfs=${mode};obfs-host=${TEST_DOMAIN}`), {
    serve: () => ({ type: 'shadowsocks', cipher: 'aes-128-gcm', password: PASSWORD, 'simple-obfs': { enable: true, mode } }),
  });
const oneUser = (method, password) =>
  direct((port) => shadowsocks(port, method, password), { core: () => [{ type: 'shadowsocks', method, password }] });

const shadowTls = direct((port) => shadowsocks(port, 'aes-128-gcm', PASSWORD, `shadow-tls;host=${TEST_DOMAIN};password=${PASSWORD};version=3`), {
  core: (handshake) => [
    { type: 'shadowtls', version: 3, users: [{ name: 'ann', password: PASSWORD }], handshake: { server: '127.0.0.1', server_port: handshake }, detour: 'behind-shadow-tls' },
    { type: 'shadowsocks', tag: 'behind-shadow-tls', listen: '127.0.0.1', method: 'aes-128-gcm', password: PASSWORD },
  ],
});
/** No client here reads this link, so no server stands behind it. */
const wireguard = direct((port) => `wireguard://${encodeURIComponent(WIREGUARD.client)}@127.0.0.1:${port}?${new URLSearchParams({ publickey: WIREGUARD.server, address: '10.7.0.2/32' })}`, {});

const WS = { path: '/ws' };
const EARLY = { path: '/early', max_early_data: 2048, early_data_header_name: 'Sec-WebSocket-Protocol' };
const UPGRADE = { path: '/up', host: TEST_DOMAIN };
const H2 = { path: '/h2', host: [TEST_DOMAIN] };
const GRPC = { service_name: 'Tunnel' };

/** By family, of which a short run has one kind each. @type {Record<string, Record<string, object>>} */
export const FAMILIES = {
  trojan: {
    'trojan-tls': node('trojan', tls({ alpn: ['h2', 'http/1.1'] })),
    'trojan-ws': node('trojan', tls(), over('ws', EARLY)),
    'trojan-grpc': node('trojan', tls(), over('grpc', GRPC)),
    'trojan-httpupgrade': node('trojan', tls(), over('httpupgrade', UPGRADE)),
    'trojan-self-signed': selfSigned(node('trojan', tls())),
    'trojan-h2': node('trojan', tls(), over('http', H2)),
  },
  vless: {
    'vless-tcp': node('vless'),
    'vless-vision': node('vless', tls()),
    'vless-self-signed': selfSigned(node('vless', tls(), over('ws', WS))),
    'vless-ws': node('vless', over('ws', WS)),
    'vless-ws-tls': node('vless', tls(), over('ws', EARLY)),
    'vless-grpc': node('vless', tls(), over('grpc', GRPC)),
    'vless-httpupgrade': node('vless', tls(), over('httpupgrade', UPGRADE)),
    'vless-h2': node('vless', tls(), over('http', H2)),
    'vless-encrypted-native': encrypted('native'),
    'vless-encrypted-xorpub': encrypted('xorpub'),
    'vless-encrypted-random': encrypted('random'),
    'vless-xhttp-packet-up': xhttp('packet-up'),
    'vless-xhttp-stream-up': xhttp('stream-up'),
    'vless-xhttp-stream-one': xhttp('stream-one'),
  },
  vmess: {
    'vmess-tcp': node('vmess'),
    'vmess-tls': node('vmess', tls()),
    'vmess-http': node('vmess', over('http', { path: '/http', host: [TEST_DOMAIN], method: 'GET' })),
    'vmess-self-signed': selfSigned(node('vmess', tls())),
    'vmess-ws': node('vmess', over('ws', WS)),
    'vmess-ws-tls': node('vmess', tls(), over('ws', WS)),
    'vmess-grpc': node('vmess', tls(), over('grpc', GRPC)),
    'vmess-httpupgrade': node('vmess', over('httpupgrade', UPGRADE)),
    'vmess-h2': node('vmess', tls(), over('http', H2)),
  },
  reality: {
    'vless-reality-vision': borrowed('vless', {}, ({ uuid }) => ({ users: [{ username: 'ann', uuid, flow: 'xtls-rprx-vision' }] })),
    'vless-reality-grpc': borrowed('vless', over('grpc', GRPC), ({ uuid }) => ({ users: [{ username: 'ann', uuid }], 'grpc-service-name': 'Tunnel' })),
    'vmess-reality': borrowed('vmess', {}, ({ uuid }) => ({ users: [{ username: 'ann', uuid, alterId: 0 }] })),
    'trojan-reality': borrowed('trojan', {}, ({ password }) => ({ users: [{ username: 'ann', password }] })),
    'trojan-reality-grpc': borrowed('trojan', over('grpc', GRPC), ({ password }) => ({ users: [{ username: 'ann', password }], 'grpc-service-name': 'Tunnel' })),
  },
  shadowsocks: {
    'ss-aes-128': node('shadowsocks', { method: 'aes-128-gcm' }),
    'ss-aes-256': node('shadowsocks', { method: 'aes-256-gcm' }),
    'ss-chacha20': node('shadowsocks', { method: 'chacha20-ietf-poly1305' }),
    'ss-xchacha20': node('shadowsocks', { method: 'xchacha20-ietf-poly1305' }),
    'ss-2022-aes-128': node('shadowsocks', { method: '2022-blake3-aes-128-gcm', password: key(16) }),
    'ss-2022-aes-256': node('shadowsocks', { method: '2022-blake3-aes-256-gcm', password: key(32) }),
    'ss-2022-chacha20': oneUser('2022-blake3-chacha20-poly1305', KEY),
    'ss-obfs-http': obfs('http'),
    'ss-obfs-tls': obfs('tls'),
    'ss-shadow-tls': shadowTls,
  },
  hysteria2: {
    hysteria2: node('hysteria2', tls()),
    'hysteria2-self-signed': selfSigned(node('hysteria2', tls())),
    'hysteria2-salamander': node('hysteria2', tls(), { obfs: { type: 'salamander', password: 'cry me a river' } }),
    'hysteria2-hopping': { ...node('hysteria2', tls()), hops: 3 },
    'hysteria2-gecko': node('hysteria2', tls(), { obfs: { type: 'gecko', password: 'cry me a river' } }),
  },
  tuic: {
    'tuic-cubic': node('tuic', tls({ alpn: ['h3'] }), { congestion_control: 'cubic' }),
    'tuic-self-signed': selfSigned(node('tuic', tls({ alpn: ['h3'] }))),
    'tuic-bbr': node('tuic', tls({ alpn: ['h3'] }), { congestion_control: 'bbr' }),
    'tuic-new-reno': node('tuic', tls({ alpn: ['h3'] }), { congestion_control: 'new_reno' }),
  },
  anytls: {
    anytls: node('anytls', tls()),
    'anytls-self-signed': selfSigned(node('anytls', tls())),
  },
  // Proxies in the clear, and what has no family.
  others: {
    socks: node('socks'),
    http: node('http'),
    https: node('http', tls()),
    mixed: node('mixed'),
    naive: node('naive', tls()),
    wireguard,
  },
};
