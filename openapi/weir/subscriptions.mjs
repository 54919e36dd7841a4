/** What users' apps fetch. The token is the credential. */
import { FORMATS } from './common.mjs';
import { any, int, list, map, nul, one, op, record, text } from '../dsl.mjs';

const formats = one(['page', ...FORMATS], "Otherwise by the client's own name, by the rules for clients");
const types = ['text/plain', 'text/yaml', 'application/json', 'text/html'];
const header = (description) => ({ description, schema: { type: 'string' } });
const headers = {
  'Subscription-Userinfo': header('`upload=..; download=..; total=..; expire=..`, in bytes and unix seconds'),
  'Profile-Title': header('What clients call it'),
  'Profile-Update-Interval': header('Hours until the next fetch'),
  'Subscription-Refill-Date': header('Unix seconds at which usage begins anew'),
  'Profile-Web-Page-Url': header('The page for people'),
  Announce: header('Why there are no servers'),
};
const body = { description: 'The list, or the page' };
const language = one(['en', 'zh', 'ru', 'fa'], 'Of the page');
const own = { may: null, face: 'text' };

export const subscriptionsArea = {
  name: 'Subscriptions',
  description: "What users' apps and browsers fetch; docs/subscriptions.md is the guide.",
  face: 'text',
  parameters: { token: text("The token of a user's link"), format: formats },
  operations: [
    op('GET /sub/{token}', 'getSubscription', "A user's list", {
      ...own,
      query: { format: formats, lang: language },
      gives: { 200: ["In the client's format", body, types, headers], 304: ['It is the one that `If-None-Match` names'] },
    }),
    op('HEAD /sub/{token}', 'headSubscription', 'Its headers alone', {
      ...own,
      face: 'none',
      query: { format: formats },
      gives: { 200: ['As with GET'], 304: ['It is the one that `If-None-Match` names'] },
    }),
    op('GET /sub/{token}/{format}', 'getSubscriptionAs', "A user's list in a format", {
      ...own,
      query: { lang: language },
      gives: { 200: ['The list', body, types, headers], 304: ['It is the one that `If-None-Match` names'] },
      refuses: { 422: 'The format is unknown' },
    }),
    op('HEAD /sub/{token}/{format}', 'headSubscriptionAs', 'Its headers alone', {
      ...own,
      face: 'none',
      gives: { 200: ['As with GET'], 304: ['It is the one that `If-None-Match` names'] },
      refuses: { 422: 'The format is unknown' },
    }),
    op('GET /sub/{token}/info', 'getSubscriptionInfo', "How the user stands, in Marzban's form", {
      ...own,
      face: 'xpert',
      gives: { 200: ["What Marzban's API tells of him, without what is his operator's business", map(any())] },
    }),
    op('GET /sub/{token}/usage', 'getSubscriptionUsage', "His bytes by node, in Marzban's form", {
      ...own,
      face: 'xpert',
      query: { start: text('ISO 8601; 30 days ago without it'), end: text('ISO 8601; now without it') },
      gives: {
        200: [
          '"Master" first',
          record({ username: text(), usages: list(record({ node_id: nul(int(0, undefined)), node_name: text(), used_traffic: int(0, undefined) })) }),
        ],
      },
      refuses: { 400: 'The span cannot be read, or runs backward' },
    }),
    op('GET /sub/{token}/qr', 'getSubscriptionQr', 'One server as a QR code', {
      ...own,
      query: { 'link!': int(0, 2 ** 32 - 1, 'Its place in the list, from 0') },
      gives: { 200: ['The picture', text(), 'image/svg+xml'] },
    }),
  ],
};
