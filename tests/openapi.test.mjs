/** The OpenAPI documents: they are valid, they name every URL of the route table and no other, and the panel answers as they say. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';

import { documents } from '../dev/openapi.mjs';
import { Judge, matches, operationsOf } from './support/openapi.mjs';
import { ROOT } from './support/panel.mjs';

/** What no document describes: the agents' own protocol, and the panel's pages with their forms. */
const OTHER_FACES = [/^\w+ \/agent\/v1\//, /^\w+ \/(login|logout|language|login\/challenge)$/];
/** Files of the route table, and where the paths in their comments begin. */
const TABLE = { 'route.rs': [''], 'route/marzban.rs': [''], 'route/nodes.rs': ['/api/v1/nodes'], 'route/operators.rs': ['/api/v1/operators', '/api/v1/me'], 'route/xpert.rs': ['/api/xpert'] };

/** `METHOD /path` of every comment of the route table. */
async function routes() {
  const found = [];
  for (const [file, bases] of Object.entries(TABLE)) {
    const source = await readFile(path.join(ROOT, 'src', file), 'utf8');
    // Each enum of a file has its own base, in their order; those that only divide what is below have none.
    const enums = source.split(/^pub enum /m).slice(1).map((text) => text.split(/^}/m)[0]).filter((text) => /`[A-Z]+ \//.test(text));
    enums.forEach((text, at) => {
      for (const line of text.match(/^ +\/\/\/ .*$/gm)) found.push(...routesIn(line, bases[at] ?? bases[0]));
    });
  }
  return found;
}

/** Methods and paths that one comment names, such as `GET`, `PUT` and `PATCH /a/{b}`, also HEAD. */
function routesIn(line, base) {
  const words = [...line.matchAll(/`([A-Z]+)(?: (\/[^`]*))?`/g)];
  if (words.length === 0) return [];
  const paths = words.map(([, , where]) => where).filter(Boolean);
  if (paths.length === 0) return [];
  const named = words.map(([, method, where]) => [method, where ?? paths[0]]);
  if (/also HEAD/.test(line)) named.push(...paths.map((where) => ['HEAD', where]));
  return named.flatMap(([method, where]) => spread(where).map((one) => `${method} ${(base + one).replace(/(.)\/$/, '$1')}`));
}

/** `/a/{b,c}` stands for two paths, `/a/{b}` for a parameter. */
function spread(where) {
  const choice = /\{(\w+(?:,\w+)+)\}/.exec(where);
  return choice ? choice[1].split(',').map((one) => where.replace(choice[0], one)) : [where];
}

/** Names of parameters may differ. */
const anonymous = (route) => route.replaceAll(/\{\w+\}/g, '{x}');
/** Routes that documents spell out, one path for each value of the last parameter. */
const SPELT_OUT = ['GET', 'PUT', 'PATCH'].map((method) => `${method} /api/v1/settings/{x}`).concat(['GET', 'HEAD'].map((method) => `${method} /sub/{x}/{x}`));

const all = Object.values(documents());
const described = all.flatMap(operationsOf).map(({ method, path: where }) => `${method} ${where}`);

for (const [name, document] of Object.entries(documents())) {
  test(`${name}.json is OpenAPI 3.1`, async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors, null, 1));
    assert.equal(document.openapi, '3.1.0');
  });

  test(`every schema of ${name}.json is JSON Schema 2020-12`, () => {
    const ajv = new Ajv2020({ strict: false });
    const schemas = Object.entries(document.components.schemas);
    const walk = (part, where) => {
      if (typeof part !== 'object' || part === null) return;
      if (part.schema) schemas.push([where, part.schema]);
      for (const [key, value] of Object.entries(part)) walk(value, `${where}/${key}`);
    };
    walk(document.paths, '');
    assert.ok(schemas.length > 150);
    for (const [where, schema] of schemas) assert.ok(ajv.validateSchema(schema), `${where}: ${ajv.errorsText()}`);
  });

  test(`${name}.json says of every operation what it is, who may call it and what it answers`, () => {
    const ids = operationsOf(document).map(({ operation }) => operation.operationId);
    assert.deepEqual(ids.filter((id, at) => ids.indexOf(id) !== at), [], 'an id that comes twice');
    for (const { operation } of operationsOf(document)) {
      assert.ok(operation.summary && operation.security && operation.tags.length === 1, operation.operationId);
      assert.ok(Object.keys(operation.responses).some((status) => status < 400), operation.operationId);
    }
  });

  test(`every example in ${name}.json is one that its schema takes`, () => {
    const judge = new Judge(document);
    for (const { operation } of operationsOf(document)) {
      for (const { summary, value } of Object.values(operation.requestBody?.content['application/json']?.examples ?? {})) {
        assert.ok(judge.takes(operation.operationId, value), `${operation.operationId}: ${summary}`);
      }
    }
  });
}

test('every route is in a document, and whatever is in a document has a route', async () => {
  const known = (await routes()).filter((route) => !OTHER_FACES.some((other) => other.test(route)));
  assert.ok(known.length > 180, `${known.length} routes were read`);
  const same = (route, where) => anonymous(route) === anonymous(where) || (SPELT_OUT.includes(anonymous(route)) && matches(anonymous(route), anonymous(where)));
  assert.deepEqual(known.filter((route) => !described.some((where) => same(route, where))), [], 'routes without a description');
  // `OPTIONS` of any path of Xpert's, HEAD where the table tolerates it with GET, and Marzban's home page, which is the panel's own.
  const isRouted = (where) => known.some((route) => same(route, where)) || /^(OPTIONS|HEAD) \/api\/xpert\//.test(where) || ['HEAD /health', 'GET /'].includes(where);
  assert.deepEqual(described.filter((where) => !isRouted(where)), [], 'descriptions without a route');
});
