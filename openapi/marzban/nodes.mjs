/** Nodes. */
import { list, number, op, record, ref, text } from '../dsl.mjs';
import { bytes, dates, empty, MISSING, say, usage, window } from './common.mjs';

export const nodes = {
  name: 'Nodes',
  description: 'Hosts. A new one is `connecting`, with the command that installs its agent as the message.',
  operations: [
    op('GET /api/node/settings', 'getNodeSettings', 'What nodes need', {
      level: 'S',
      gives: { 200: ['Versions and certificate', record({ min_node_version: text(), certificate: text() })] },
    }),
    op('POST /api/node', 'addNode', 'Create a node', {
      level: 'S',
      body: ref('NodeCreate'),
      gives: { 200: ['The node', ref('Node')] },
      refuses: { 409: 'Node "x" already exists' },
    }),
    op('GET /api/node/{id}', 'getNode', 'One node', { level: 'S', gives: { 200: ['The node', ref('Node')] }, refuses: { 404: MISSING.node } }),
    op('PUT /api/node/{id}', 'modifyNode', 'Change a node', {
      level: 'S',
      body: ref('NodeModify'),
      gives: { 200: ['The node', ref('Node')] },
      refuses: { 404: MISSING.node, 409: 'Another node has the name' },
    }),
    op('DELETE /api/node/{id}', 'removeNode', 'Delete a node', { level: 'S', gives: { 200: ['It is gone', empty] }, refuses: { 404: MISSING.node } }),
    op('POST /api/node/{id}/reconnect', 'reconnectNode', 'Ask a node to connect', {
      level: 'S',
      gives: { 200: ['It is asked', say('Reconnection task scheduled')] },
      refuses: { 404: MISSING.node },
    }),
    op('GET /api/node/{id}/logs', 'nodeLogs', "Follow a node's log", {
      level: 'S',
      socket: true,
      query: { token: text('A bearer, for who cannot send a header'), interval: number('Seconds between two messages', { maximum: 10 }) },
      gives: { 101: ['A WebSocket of text lines; closed with 4401, 4403, 4404 or 4400'] },
    }),
    op('GET /api/nodes', 'getNodes', 'List nodes', { level: 'S', gives: { 200: ['A bare list', list(ref('Node'))] } }),
    op('GET /api/nodes/usage', 'getNodesUsage', 'Bytes by node', {
      level: 'S',
      query: window,
      gives: { 200: ['By node', usage({ uplink: bytes(), downlink: bytes() })] },
      refuses: dates,
    }),
  ],
};
