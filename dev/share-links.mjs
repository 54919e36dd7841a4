/** Share links as a client reads them: each becomes an outbound of sing-box. */

/**
 * @param {string} link
 * @returns {object} an outbound without a tag
 * @throws {Error} if the link is of a kind that the demo's node does not offer
 */
export function outboundOf(link) {
  const scheme = link.slice(0, link.indexOf('://'));
  const read = READERS[scheme];
  if (!read) throw new Error(`a share link of an unknown kind: ${scheme}`);
  return read(link);
}

const READERS = {
  trojan: (link) => {
    const { url, at, login } = parts(link);
    return { type: 'trojan', ...at, password: login, ...tls(url.searchParams, 'allowInsecure') };
  },
  vless: (link) => {
    const { url, at, login } = parts(link);
    return { type: 'vless', ...at, uuid: login, ...tls(url.searchParams, 'allowInsecure') };
  },
  hysteria2: (link) => {
    const { url, at, login } = parts(link);
    return { type: 'hysteria2', ...at, password: login, ...tls(url.searchParams, 'insecure', true) };
  },
  ss: (link) => {
    const { url, at, login } = parts(link);
    // Shadowsocks 2022 in plain text, the older methods in base64.
    const text = url.password ? `${login}:${decodeURIComponent(url.password)}` : Buffer.from(login, 'base64url').toString();
    const colon = text.indexOf(':');
    return { type: 'shadowsocks', ...at, method: text.slice(0, colon), password: text.slice(colon + 1) };
  },
  vmess: (link) => {
    const one = JSON.parse(Buffer.from(link.slice('vmess://'.length), 'base64').toString());
    const security = one.tls === 'tls' ? { tls: { enabled: true, server_name: one.sni, insecure: one.insecure === '1' } } : {};
    return { type: 'vmess', server: one.add, server_port: Number(one.port), uuid: one.id, security: one.scy, alter_id: 0, ...security };
  },
};

function parts(link) {
  const url = new URL(link);
  const at = { server: url.hostname.replace(/^\[|\]$/g, ''), server_port: Number(url.port) };
  return { url, at, login: decodeURIComponent(url.username) };
}

function tls(parameters, insecure, always = false) {
  if (!always && parameters.get('security') !== 'tls') return {};
  const name = parameters.get('sni');
  return { tls: { enabled: true, ...(name ? { server_name: name } : {}), insecure: parameters.get(insecure) === '1' } };
}
