/** How the real panel refuses is what openapi.json says, of every operation; and no path knows a method that the documents do not name. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { documents } from '../dev/openapi.mjs';
import { Judge, matches, operationsOf } from './support/openapi.mjs';
import { signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';

const document = documents().openapi;
const judge = new Judge(document);

let panel;
let owner;

before(async () => {
  panel = await startPanel({ bucket: true });
  owner = await signInOwner(panel);
});
after(() => panel?.stop());

/** A call of an operation that names nothing that there is, with what its body and query need. */
const UNKNOWN = { integer: '99999', string: 'nobody-here' };
const filled = ({ path, parameters }) => path.replaceAll(/\{(\w+)\}/g, (_, name) => UNKNOWN[parameters.find((one) => one.name === name).schema.type] ?? UNKNOWN.string);

test('every operation refuses as it says: without a credential, with a body that is none, and what is not there', async () => {
  const wrong = [];
  const call = async (method, where, options, expected) => {
    const answer = await panel.request(method, where, options);
    if (!expected.includes(answer.status)) wrong.push(`${method} ${where}: ${answer.status} instead of ${expected}: ${answer.text.slice(0, 150)}`);
    wrong.push(...judge.faults(method, where, answer));
  };
  for (const { method, path, operation, parameters } of operationsOf(document)) {
    const where = filled({ path, parameters });
    const needsNobody = operation.security.length === 0;
    const ofSession = !needsNobody && operation.security.every((one) => one.session);
    // The key has no scope for operators.
    const caller = ofSession || path.startsWith('/api/v1/operators') ? { headers: { cookie: owner.cookie, origin: panel.url } } : { key: needsNobody ? undefined : panel.apiKey };
    const withBody = operation.requestBody ? { body: '{}' } : {};
    if (!needsNobody) {
      await call(method, where, withBody, [401]);
      await call(method, where, { ...withBody, key: 'weir_0000' }, ofSession ? [403] : [401]);
    }
    if (operation.requestBody) {
      await call(method, where, { ...caller, body: '{"a":' }, [400]);
      await call(method, where, { ...caller, body: '["a"]' }, [422]);
      // The platform ends the connection of a body that was not read. A batch of links may be larger.
      if (operation.operationId !== 'addDirectBatch') await call(method, where, { ...caller, body: JSON.stringify({ a: 'x'.repeat(66_000) }), headers: { ...caller.headers, connection: 'close' } }, [413]);
      if (operation.requestBody.content['application/json'].schema.additionalProperties === false) await call(method, where, { ...caller, body: '{"nonsense":1}' }, [422]);
    } else if (path.includes('{') && !['HEAD', 'OPTIONS'].includes(method)) {
      await call(method, where, caller, [404, 422]);
    }
    for (const { name } of operation.parameters?.filter((one) => one.in === 'query' && (one.schema.type === 'integer' || one.schema.enum)) ?? []) {
      if (method === 'GET' && name !== 'lang') await call(method, `${where}?${name}=-x`, caller, path.includes('{') ? [404, 422] : [422]);
    }
  }
  assert.deepEqual(wrong, []);
});

test('a path knows the methods that the documents name, and no other', async () => {
  const paths = new Map();
  const operations = Object.values(documents()).flatMap(operationsOf);
  for (const one of operations) {
    const where = one.path.replaceAll(/\{(\w+)\}/g, 'x');
    paths.set(where, (paths.get(where) ?? new Set()).add(one.method));
  }
  const wrong = [];
  for (const [where, methods] of paths) {
    // `DELETE /api/v1/me/passkeys/challenge` asks for a passkey of that name.
    const isKnown = (method) => operations.some((one) => one.method === method && matches(one.path, where));
    const other = ['DELETE', 'PUT', 'PATCH', 'POST', 'GET'].find((method) => !isKnown(method));
    const answer = await panel.request(other, where);
    const allowed = answer.headers.get('allow')?.split(', ') ?? [];
    const plain = (list) => [...list].filter((method) => !['OPTIONS', 'HEAD'].includes(method)).sort().join();
    if (answer.status !== 405 || plain(allowed) !== plain(methods)) wrong.push(`${other} ${where}: ${answer.status}, ${allowed} instead of ${[...methods]}`);
  }
  assert.deepEqual(wrong, []);
});
