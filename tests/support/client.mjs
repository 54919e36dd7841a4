/** A client core with the credentials of some users, and the laboratory that makes their traffic through it. */
import { freePort } from './ports.mjs';
import { clientConfig } from './singbox-config.mjs';
import { startSingBox } from './singbox.mjs';
import { TrafficLab } from './traffic.mjs';
import { slotCredentials } from './wire.mjs';

/**
 * @param {import('./site.mjs').Site} site
 * @param {import('./node.mjs').LocalNode} node that it connects to
 * @param {string[]} names of users that the panel has now
 * @returns {Promise<{lab: TrafficLab, client: import('./singbox.mjs').SingBox}>} both must be stopped
 */
export async function clientOf(site, node, names) {
  const slots = await site.slots();
  const users = names.map((name) => ({ ...slotCredentials(site.panel.slotKey, slots.get(name)), name }));
  const listenPort = await freePort();
  const { ports, ssServerKey } = node;
  const client = await startSingBox({ config: clientConfig({ listenPort, users, ports, ssServerKey }), readyPort: listenPort, name: 'client' });
  return { client, lab: await TrafficLab.start({ socksPort: listenPort }) };
}
