/** A node whose core a test plays, with the real agent beside it. */
import { mkdir, writeFile } from 'node:fs/promises';

import { AgentHost } from './agent-host.mjs';
import { freePort } from './ports.mjs';
import { ScriptedCore } from './scripted-core.mjs';

export class ScriptedNode extends AgentHost {
  /** @param {{folder: string, settings?: Record<string, unknown>}} options @returns {Promise<ScriptedNode>} its core runs */
  static async make({ folder, settings = {} }) {
    const node = new ScriptedNode(folder, { faults: true });
    const port = await freePort();
    await mkdir(folder, { recursive: true });
    await writeFile(node.in('template.json'), '{}');
    await node.writeSettings(settings, { kind: 'scripted', api_port: port, template: node.in('template.json') });
    /** @type {ScriptedCore} */
    node.core = await ScriptedCore.listen({ port });
    node.core.start();
    return node;
  }

  /** End both; the folder stays. */
  async stop() {
    await super.stop();
    await this.core.stop();
  }
}
