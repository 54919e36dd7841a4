/** The Xpert API's lists of links, single links, and subscriptions of others. */
import { bool, form, int, lenient, list, map, nul, one, op, record, ref, text } from '../dsl.mjs';
import { count, strings, words } from './common.mjs';
import { AT, both, message, stamp, token, total } from './xpert.mjs';

const header = (description) => ({ description, schema: { type: 'string' } });
const listHeaders = {
  'Profile-Update-Interval': header('Hours'),
  'Subscription-Userinfo': header('`upload=..; download=..; total=..; expire=..`'),
  'Profile-Title': header('What clients call the list'),
  'Traffic-Webhook': header('Where clients report to; missing when tracking is off'),
  'User-Token': header('The token'),
};
const subQuery = { 'user_token!': token, format: one(['universal', 'base64', ''], 'Plain lines, or standard base64') };
const linkList = (words) => ({ 200: [words, text(), 'text/plain', listHeaders] });

const config = record({
  id: total,
  raw: text(),
  protocol: text(),
  server: text(),
  port: count(),
  name: text(),
  remarks: nul(text()),
  is_active: bool(),
  is_permanent: bool('The operator means it to stay'),
  position: int(undefined, undefined),
  added_at: stamp,
});
const link = text('A share link on one line', { examples: ['trojan://secret@one.example:443#One'] });
const remarks = nul(words(200));

const rules = {
  user_agent: text(undefined, { pattern: '^[ -~]{1,200}$', default: 'v2rayNG/1.10.5' }),
  interval_minutes: int(5, 10_080, undefined, { default: 60 }),
  include: list(words(60, undefined, { minLength: 1 }), 'Names must hold one of them', { maxItems: 32 }),
  exclude: list(words(60, undefined, { minLength: 1 }), 'Names must hold none of them', { maxItems: 32 }),
  protocols: list(
    one(['vless', 'vmess', 'trojan', 'shadowsocks', 'hysteria2', 'tuic', 'anytls', 'naive', 'wireguard', 'socks', 'http']),
    'Those that are kept; without any all',
    { maxItems: 11 },
  ),
  rename: words(120, '`{name}`, `{source}`, `{protocol}`, `{server}` and `{n}` are filled in; at most 120 bytes', { minLength: 1 }),
  max_nodes: int(1, 2000, undefined, { default: 500 }),
};
const leftOut = map(total, 'Why, and how many');
const source = {
  id: total,
  name: text(),
  url: text(),
  priority: int(0, 10_000),
  is_active: bool(),
  rules: record(rules),
  config_count: total,
  format: nul(text()),
  left_out: leftOut,
  userinfo: nul(record({ upload: nul(total), download: nul(total), total: nul(total), expire: nul(total) })),
  last_update: nul(stamp),
  last_success: nul(stamp),
  next_update: nul(stamp),
  error: nul(text()),
  failures: total,
  attempts: total,
  successes: total,
  created_at: stamp,
};
const ruleSet = form(Object.fromEntries(Object.entries(rules).map(([name, schema]) => [`${name}?`, schema])));
const sourceName = words(60, undefined, { minLength: 1, pattern: '^\\S([^\\u0000-\\u001f\\u007f-\\u009f]*\\S)?$' });
const url = text('http:// or https:// to a public host', { examples: ['https://friends.example/list'] });

export const listsArea = {
  name: 'Xpert: links and sources',
  description: 'Lists of links, single links that the operator enters (direct configs), and subscriptions of others (sources).',
  face: 'xpert',
  parameters: { id: count('Its number', 4_294_967_295) },
  schemas: { DirectConfig: config, Source: record(source) },
  operations: [
    ...both('/sub', 'getXpertList', "A user's links", {
      may: null,
      text: 'His own nodes first, then those of the sources, then direct configs.',
      query: subQuery,
      gives: linkList('The links'),
      refuses: { 404: 'The token is unknown' },
    }),
    ...both('/direct-configs/sub', 'getDirectList', 'Direct configs alone', {
      may: null,
      query: subQuery,
      gives: linkList('The links'),
      refuses: { 404: 'The token is unknown' },
    }),
    ...both('/direct-configs', 'listDirect', 'List direct configs', {
      may: 'nodes:links',
      gives: { 200: ['In their order', record({ total, configs: list(ref('DirectConfig')) })] },
    }),
    op(`POST ${AT}/direct-configs`, 'addDirect', 'Add a direct config', {
      may: 'nodes:write',
      body: lenient({ raw: link, 'remarks?': remarks }),
      examples: { 'Trojan': { raw: 'trojan://secret@one.example:443#One', remarks: 'Of a friend' } },
      gives: { 200: ['It was added', record({ id: total, message, config: ref('DirectConfig') })] },
      refuses: { 409: 'It is there already' },
    }),
    op(`POST ${AT}/direct-configs/batch`, 'addDirectBatch', 'Add many', {
      may: 'nodes:write',
      body: lenient({ configs: list(text(), undefined, { minItems: 1, maxItems: 1000 }) }),
      examples: { 'Two': { configs: ['trojan://secret@one.example:443#One', 'trojan://secret@two.example:443#Two'] } },
      gives: {
        200: [
          'Each line is answered',
          record({
            total_provided: total,
            successful_added: total,
            failed: total,
            results: list(ref('DirectConfig')),
            errors: list(record({ config_index: total, error: text(), raw_prefix: text() })),
          }),
        ],
      },
    }),
    op(`POST ${AT}/direct-configs/validate`, 'validateDirect', 'Whether a line is a link', {
      may: 'nodes:links',
      body: lenient({ raw: text() }),
      examples: { 'None': { raw: 'nothing' } },
      gives: {
        200: ['What it is', record({ valid: bool(), 'protocol?': text(), 'server?': text(), 'port?': count(), 'name?': text(), 'error?': text() })],
      },
    }),
    op(`POST ${AT}/direct-configs/reorder`, 'reorderDirect', 'Another order', {
      may: 'nodes:write',
      text: "`ids` is the whole order, and what it leaves out comes behind; `source_id` and `target_id` put one in another one's place.",
      body: {
        type: 'object',
        anyOf: [
          lenient({ ids: list(int(-(2 ** 53) + 1, 2 ** 53 - 1)), 'source_id?': { type: 'null' }, 'target_id?': { type: 'null' } }),
          lenient({ source_id: int(-(2 ** 53) + 1, 2 ** 53 - 1), target_id: int(-(2 ** 53) + 1, 2 ** 53 - 1), 'ids?': { type: 'null' } }),
        ],
      },
      examples: { 'The second first': { ids: [2, 1] } },
      gives: { 200: ['It is so', record({ message, total })] },
      refuses: { 404: 'There is no such config' },
    }),
    op(`PUT ${AT}/direct-configs/{id}`, 'changeDirect', 'Change a direct config', {
      may: 'nodes:write',
      body: lenient({ 'raw?': nul(link), 'remarks?': remarks }, 'What is missing stays'),
      examples: { 'Remarks': { remarks: 'Of a friend' } },
      gives: { 200: ['The config', record({ message, config: ref('DirectConfig') })] },
      refuses: { 409: 'It is there already' },
    }),
    op(`DELETE ${AT}/direct-configs/{id}`, 'deleteDirect', 'Delete a direct config', {
      may: 'nodes:write',
      gives: { 200: ['It is gone', record({ message })] },
    }),
    op(`PUT ${AT}/direct-configs/{id}/toggle`, 'toggleDirect', 'Switch a direct config', {
      may: 'nodes:write',
      gives: { 200: ['How it is then', record({ message, is_active: bool() })] },
    }),
    op(`PUT ${AT}/direct-configs/{id}/permanent`, 'keepDirect', 'Mark a direct config as permanent, or not', {
      may: 'nodes:write',
      gives: { 200: ['How it is then', record({ message, is_permanent: bool() })] },
    }),
    ...both('/sources', 'listSources', 'List sources', {
      may: 'nodes:links',
      gives: { 200: ['With how their fetches went', record({ total, sources: list(ref('Source')), note: nul(text()) })] },
    }),
    op(`POST ${AT}/sources`, 'addSource', 'Add a source', {
      may: 'nodes:write',
      text: 'It is fetched within a minute.',
      body: form({ name: sourceName, url, 'priority?': int(0, 10_000, undefined, { default: 1 }), 'rules?': ruleSet }),
      examples: { 'Of friends': { name: 'friends', url: 'https://friends.example/list' } },
      gives: { 200: ['It was added', record({ id: total, message, source: ref('Source') })] },
      refuses: { 409: 'There are too many (`too_many`), or the name or address is taken' },
    }),
    op(`PUT ${AT}/sources/{id}`, 'changeSource', 'Change a source', {
      may: 'nodes:write',
      text: '`rules` are replaced whole.',
      body: form({ 'name?': nul(sourceName), 'url?': nul(url), 'priority?': nul(int(0, 10_000)), 'rules?': nul(ruleSet) }, 'What is missing stays'),
      examples: { 'First of all': { priority: 0 } },
      gives: { 200: ['The source', record({ message, source: ref('Source') })] },
      refuses: { 409: 'The name or address is taken' },
    }),
    op(`DELETE ${AT}/sources/{id}`, 'deleteSource', 'Delete a source', { may: 'nodes:write', gives: { 200: ['It is gone', record({ message })] } }),
    op(`POST ${AT}/sources/{id}/toggle`, 'toggleSource', 'Switch a source', {
      may: 'nodes:write',
      gives: { 200: ['How it is then', record({ message, is_active: bool() })] },
    }),
    op(`POST ${AT}/update`, 'updateSources', 'Fetch sources now', {
      may: 'nodes:write',
      text: 'A request fetches two of them itself; the job goes on.',
      body: form({ 'id?': nul(count('A source; without it all that are on', 4_294_967_295)) }),
      bodyNeeded: false,
      examples: { 'All': {} },
      gives: { 200: ['How it went', record({ success: bool(), message, sources: list(ref('Source')), queued: total })] },
      refuses: { 404: 'There is no such source' },
    }),
    op(`POST ${AT}/test-url`, 'testUrl', 'What a source at an address would give', {
      may: 'nodes:write',
      text: 'Nothing is stored.',
      body: form({ url: text(), 'rules?': ruleSet }),
      examples: { 'Of friends': { url: 'https://friends.example/list' } },
      gives: {
        200: [
          'What is wrong with it is in `error`',
          record({ success: bool(), config_count: total, sample_configs: strings(), 'format?': text(), 'left_out?': leftOut, 'error?': text() }),
        ],
      },
    }),
  ],
};
