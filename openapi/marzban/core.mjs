/** The core and the whole. */
import { any, bool, either, int, list, map, nul, number, only, op, record, ref, text } from '../dsl.mjs';
import { empty } from './common.mjs';

export const core = {
  name: 'Core and system',
  description: "What the nodes' cores run, and how the whole is.",
  operations: [
    op('GET /api/core', 'getCoreStats', 'How the core is', {
      level: 'A',
      gives: { 200: ['Where its log is', record({ version: nul(text()), started: bool(), logs_websocket: only('/api/core/logs') })] },
    }),
    op('POST /api/core/restart', 'restartCore', 'Restart the core', { level: 'S', gives: { 200: ['It is asked for', empty] } }),
    op('GET /api/core/config', 'getCoreConfig', "The core's configuration", { level: 'S', gives: { 200: ['A JSON object', map(any())] } }),
    op('PUT /api/core/config', 'modifyCoreConfig', "Change the core's configuration", {
      level: 'S',
      body: map(any()),
      gives: { 200: ['The same object', map(any())] },
      refuses: { 400: 'It cannot be, for the reason that is told' },
    }),
    op('GET /api/core/logs', 'coreLogs', "Follow the core's log", {
      level: 'A',
      socket: true,
      query: { token: text('A bearer, for who cannot send a header'), interval: number('Seconds between two messages', { maximum: 10 }) },
      gives: { 101: ['A WebSocket of text lines; closed with 4401, 4403 or 4400'] },
    }),
    op('GET /api/system', 'getSystemStats', 'The whole in numbers', {
      level: 'A',
      text: 'A plain admin is told of his own users.',
      gives: { 200: ['Numbers', ref('System')] },
    }),
    op('GET /api/inbounds', 'getInbounds', 'Ways in, by protocol', {
      level: 'A',
      gives: {
        200: [
          'By protocol',
          map(list(record({ tag: text(), protocol: text(), network: text(), tls: text(), port: either(int(0, 65_535), text()) }))),
        ],
      },
    }),
    op('GET /api/hosts', 'getHosts', 'Addresses, by inbound', { level: 'S', gives: { 200: ['By tag', map(list(ref('Host')))] } }),
    op('PUT /api/hosts', 'modifyHosts', 'Change addresses', {
      level: 'S',
      text: 'A tag that is left out stays; an empty list clears it.',
      body: map(list(ref('Host'))),
      gives: { 200: ['All of them', map(list(ref('Host')))] },
      refuses: { 400: "Inbound X doesn't exist" },
    }),
  ],
};
