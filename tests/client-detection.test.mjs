/** Which format a client gets that names none: user agents as the clients send them, against the real Worker. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';

const AGENTS = {
  mihomo: [
    'clash.meta/v1.19.32',
    'clash.meta',
    'mihomo/1.19.0',
    'clash-verge/v2.4.0',
    'clash-verge/v1.7.7',
    'ClashMetaForAndroid/2.11.5.Meta',
    'FlClash/v0.8.90 clash-verge Platform/android',
    'FlClashX/v0.2.0 Platform/windows',
    'ClashX Meta/1.3',
    'clash-nyanpasu/v1.6.1',
    'Clash-Meta/1.18',
    'koala-clash/v0.3.1',
    'prizrak-box/1.2.0',
    'Flowvy/1.0.0',
    'Murge/2.1',
    'NekoBox/Android/1.4.1 (Prefer ClashMeta Format)',
  ],
  stash: ['Stash/2.7.1 Clash/1.9.0', 'Stash/3.1.0 Clash/1.11.0'],
  clash: ['Clash/1.18.0', 'ClashForWindows/0.20.39', 'ClashForAndroid/2.5.12', 'ClashX/1.118.0 (com.west2online.ClashX; build:1.118.0)', 'clash'],
  'sing-box': [
    'SFA/1.14.4 (600; sing-box 1.14.4; language en_US)',
    'SFI/1.12.0 (1; sing-box 1.12.0; language zh_CN)',
    'SFM/1.13.2 (1; sing-box 1.13.2; language ru)',
    'SFT/1.13.0 (1; sing-box 1.13.0; language fa)',
    'sing-box 1.13.0',
    'sing-box/1.14.1',
    'Karing/1.2.4',
  ],
  'sing-box-legacy': ['SFA/1.11.15 (500; sing-box 1.11.15; language en_US)', 'SFI/1.9.3 (1; sing-box 1.9.3; language en)', 'sing-box 1.8.14', 'sing-box/1.10'],
  outline: ['Outline/1.0', 'SSconf/1.0'],
  sip008: ['Shadowsocks/5.3.4', 'shadowsocks-windows/4.4.1'],
  surge: ['Surge iOS/3150', 'Surge Mac/2889', 'Surge/1129 CFNetwork/1335.0.3 Darwin/21.6.0'],
  surfboard: ['Surfboard/2.24.1 (com.getsurfboard; build:1; Android 14)'],
  loon: ['Loon/762 CFNetwork/1494 Darwin/23.4.0', 'Decar/1.0'],
  quanx: ['Quantumult%20X/1.4.1 (iPhone14,2; iOS 17.4)', 'Quantumult X/1.0.30'],
  base64: [
    'v2rayN/7.14.0',
    'v2rayNG/1.10.5',
    'HiddifyNext/2.5.7 (android) like ClashMeta v2ray sing-box',
    'Streisand/1.6.2',
    'Happ/3.1.0/ios',
    'INCY/1.0.4',
    'v2raytun/ios',
    'V2Box 9.1.2;IOS 17.4',
    'Throne/1.0.0',
    'Shadowrocket/2070 CFNetwork/1494.0.7 Darwin/23.4.0',
    'FoXray/1.0',
    'ktor-client',
    'InHive/1.0',
    'Potatso/2.9',
    'curl/8.5.0',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36',
    '',
  ],
};

let panel;
let token;

before(async () => {
  panel = await startPanel();
  const { AUTH_KEY: authKey } = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8'));
  const node = await seedAgent(panel, { name: 'Wien' });
  const inbounds = ['trojan', 'vless', 'vmess', 'shadowsocks', 'hysteria2', 'tuic'].map((protocol, index) => ({
    tag: protocol, protocol, port: 20_000 + index, tls: protocol !== 'shadowsocks', method: protocol === 'shadowsocks' ? 'aes-256-gcm' : undefined,
  }));
  assert.equal((await node.sync({ inbounds })).status, 200);
  const [user] = await seedUsers(panel, 1);
  const claim = Buffer.alloc(8);
  claim.writeUInt32BE(user.id, 0);
  claim.writeUInt32BE(1, 4);
  const seal = createHmac('sha256', authKey).update('weir/sub/1:').update(claim).digest().subarray(0, 16);
  token = Buffer.concat([claim, seal]).toString('base64url');
});
after(() => panel?.stop());

const get = (where, agent) => panel.request('GET', `/sub/${token}${where}`, { headers: { 'user-agent': agent } });

for (const [format, agents] of Object.entries(AGENTS)) {
  test(`${agents.length} clients get ${format}`, async () => {
    const named = await get(`/${format}`, 'curl');
    assert.equal(named.status, 200);
    for (const agent of agents) {
      const { text, headers } = await get('', agent);
      assert.equal(text, named.text, `${agent} gets ${headers.get('content-type')}: ${text.slice(0, 60)}`);
      assert.equal(headers.get('vary'), 'User-Agent, Accept');
    }
  });
}

test('trying a client out says what its fetch gets, for every one of them', async () => {
  for (const [format, agents] of Object.entries(AGENTS)) {
    for (const agent of agents) {
      const { status, body } = await panel.api('POST', '/api/v1/client-rules/try', { user_agent: agent });
      assert.deepEqual([status, body.format], [200, format], `${agent}: ${JSON.stringify(body)}`);
      assert.equal(body.rule === null, format === 'base64' && !agent.startsWith('Hiddify'), agent);
    }
  }
});

test('the formats differ from each other, so that the table above tells them apart', async () => {
  const bodies = await Promise.all(Object.keys(AGENTS).map(async (format) => (await get(`/${format}`, 'curl')).text));
  assert.equal(new Set(bodies).size, bodies.length);
  assert.ok(Object.values(AGENTS).flat().length >= 40);
});

test('a format that is named wins over the client, the path over the query', async () => {
  const [singBox, links] = [(await get('/sing-box', 'curl')).text, (await get('/links', 'curl')).text];
  assert.equal((await get('/sing-box', 'clash-verge/v2.4.0')).text, singBox);
  assert.equal((await get('?format=sing-box', 'clash-verge/v2.4.0')).text, singBox);
  assert.equal((await get('/links?format=sing-box', 'clash-verge/v2.4.0')).text, links);
  const { status, text } = await get('?format=pigeon', 'curl');
  assert.equal(status, 422);
  assert.match(text, /format: .*sing-box/);
});
