/** Subscriptions. */
import { any, one, op, record, ref, text } from '../dsl.mjs';
import { usage, used, window } from './common.mjs';

export const subscriptions = {
  name: 'Subscriptions',
  description: 'The token is the credential.',
  face: 'text',
  operations: [
    op('GET /sub/{token}', 'userSubscription', "A user's list, or the page for a browser", {
      level: null,
      gives: {
        200: ["In the client's format", any('The list, or the page'), ['text/plain', 'text/yaml', 'application/json', 'text/html']],
        304: ['It is the one that `If-None-Match` names'],
      },
    }),
    op('GET /sub/{token}/info', 'userSubscriptionInfo', 'A user, as his link tells him', {
      level: null,
      face: 'json',
      gives: { 200: ['The user', ref('Subscriber')] },
    }),
    op('GET /sub/{token}/usage', 'userGetUsage', "A user's bytes by node", {
      level: null,
      face: 'json',
      query: window,
      gives: { 200: ['By node', record({ username: text(), usages: usage(used).properties.usages })] },
    }),
    op('GET /sub/{token}/{client_type}', 'userSubscriptionWithClientType', "A user's list in a format", {
      level: null,
      path: { client_type: one(['sing-box', 'clash-meta', 'clash', 'outline', 'v2ray', 'v2ray-json']) },
      gives: {
        200: ['The list', any('The list'), ['text/plain', 'text/yaml', 'application/json']],
        304: ['It is the one that `If-None-Match` names'],
      },
    }),
    op('GET /', 'home', 'The panel for a browser', {
      level: null,
      gives: { 200: ['A page', text(), 'text/html'], 303: ['To the sign-in, for who is not signed in'] },
    }),
  ],
};
