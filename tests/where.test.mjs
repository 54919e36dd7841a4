/** `dev/where`: for every URL of the product it knows what answers it and which test asks it, so that a reader of the code need not search. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Handlers } from '../dev/urls/handlers.mjs';
import { ROOT, routes, routesOf } from '../dev/urls/routes.mjs';
import { Tests } from '../dev/urls/tests.mjs';

const all = await routes();
const handlers = await Handlers.read();
const tests = await Tests.read();
const named = ({ method, path }) => `${method} ${path}`;

const run = async (...words) => {
  try {
    return { code: 0, ...(await promisify(execFile)('dev/where', words, { cwd: ROOT })) };
  } catch ({ code, stdout, stderr }) {
    return { code, stdout, stderr };
  }
};

test('every route of the table has a function that answers it, and one that a test asks', () => {
  assert.ok(all.length > 250, `${all.length} routes were read`);
  assert.deepEqual(all.filter(({ variant }) => !handlers.of(variant)).map(named), [], 'without a handler');
  assert.deepEqual(all.filter((route) => tests.of(route).length === 0).map(named), [], 'that no test asks');
  assert.deepEqual(all.map(named).filter((one, at, every) => every.indexOf(one) !== at), [], 'twice in the table');
});

test('a path with values finds its route, a spelt segment before a parameter', () => {
  const of = (asked, method) => routesOf(all, asked, method).map(named);
  assert.deepEqual(of('/api/v1/users/ann', 'patch'), ['PATCH /api/v1/users/{name}']);
  assert.deepEqual(of('https://panel.example/api/v1/nodes/7/rotate-key/?x=1'), ['POST /api/v1/nodes/{id}/rotate-key']);
  assert.deepEqual(of('/api/node/settings', 'GET'), ['GET /api/node/settings']);
  assert.deepEqual(of('/install.sh', 'GET'), ['GET /install.sh']);
  assert.deepEqual(of('/api/user/ann', 'PUT'), ['PUT /api/user/{name}', 'PUT /api/user/{username}'], 'two faces share it');
  assert.deepEqual(of('/nowhere/at/all'), []);
});

test('a handler is found through modules, new names and what a module hands on', () => {
  const at = (variant) => `${handlers.of(variant).file} ${handlers.of(variant).name}`;
  assert.equal(at('Route::ChangeUser'), 'src/http/api/users.rs change');
  assert.equal(at('Nodes::Usage'), 'src/http/api/usage.rs of_node');
  assert.equal(at('Xpert::UpdateSources'), 'src/http/xpert/sources/now.rs update');
  assert.equal(at('Route::MarzbanToken'), 'src/http/marzban/token.rs enter');
  assert.ok(handlers.of('Route::Explain').store.includes('src/store/explain.rs'));
  assert.deepEqual(handlers.of('Route::Install').store, []);
});

test('a handler says in the first line of its comment which route it is', async () => {
  const faults = [];
  for (const { file, line, name } of new Map(all.map(({ variant }) => handlers.of(variant)).map((one) => [`${one.file}:${one.line}`, one])).values()) {
    const above = (await readFile(path.join(ROOT, file), 'utf8')).split('\n').slice(0, line - 1);
    const begin = above.findLastIndex((text) => !/^\s*(\/\/\/|#\[)/.test(text)) + 1;
    // One that answers in the arm of a `match` has no comment of its own.
    if (name !== 'answer' && !/^\/\/\/ .*`(?:[A-Z]+ )?\/[^`]*`/.test(above[begin] ?? '')) faults.push(`${file}:${line} ${name}: ${above[begin]}`);
  }
  assert.deepEqual(faults, []);
});

test('the program prints the places, and says what it does not know', async () => {
  const told = await run('GET', '/metrics');
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /^GET \/metrics\n {2}route {4}src\/route\.rs:\d+ {2}Route::Metrics\n {2}handler {2}src\/http\/metrics\.rs:\d+ {2}metrics\n {2}store {4}src\/store\/metrics\.rs\n {2}tests {4}tests\/metrics\.test\.mjs:\d+\n/);
  const unknown = await run('/nowhere');
  assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
  assert.match(unknown.stderr, /no route has \/nowhere/);
  assert.equal((await run()).code, 2);
});
