/** The OpenAPI documents: they are valid, they name every URL of the route table and no other, and the panel answers as they say. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { Validator } from '@seriousme/openapi-schema-validator';

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

const all = Object.values(documents());
const described = all.flatMap(operationsOf).map(({ method, path: where }) => `${method} ${where}`);

for (const [name, document] of Object.entries(documents())) {
  test(`${name}.json is OpenAPI 3.1`, async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors, null, 1));
    assert.equal(document.openapi, '3.1.0');
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
  // A parameter may be spelt out in a document, one path for each of its values.
  const same = (route, where) => route.split(' ')[0] === where.split(' ')[0] && matches(route.split(' ')[1].replaceAll(/\{\w+\}/g, '{x}'), where.split(' ')[1].replaceAll(/\{\w+\}/g, '{x}'));
  assert.deepEqual(known.filter((route) => !described.some((where) => same(route, where))), [], 'routes without a description');
  // The pages, and what the list of subscriptions' formats holds besides, have their own.
  const pages = ['GET /'];
  // `OPTIONS` of any path, and HEAD where the table tolerates it with GET.
  const isRouted = (where) => known.some((route) => same(route, where)) || /^(OPTIONS|HEAD) \/api\/xpert\//.test(where) || where === 'HEAD /health' || pages.includes(where);
  assert.deepEqual(described.filter((where) => !isRouted(where)), [], 'descriptions without a route');
});
