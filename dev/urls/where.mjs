/** Where a URL is in the code: `dev/where [METHOD] PATH`. It reads the tree as it is, so it knows what was added a minute ago. */
import { Handlers } from './handlers.mjs';
import { routes, routesOf } from './routes.mjs';
import { Tests } from './tests.mjs';

/** A longer list of tests helps nobody. */
const SHOWN = 8;

const words = process.argv.slice(2);
const where = words.pop();
const [method] = words;
if (!where?.includes('/') || words.length > 1 || (method && !/^[A-Za-z]+$/.test(method))) {
  process.stderr.write('usage: dev/where [METHOD] PATH, such as: dev/where PATCH /api/v1/users/ann\n');
  process.exit(2);
}

const found = routesOf(await routes(), where, method);
if (found.length === 0) {
  process.stderr.write(`where: no route has ${[method, where].filter(Boolean).join(' ')}; all of them stand in src/route.rs and src/route/, and files of public/ have none\n`);
  process.exit(1);
}

const handlers = await Handlers.read();
const tests = await Tests.read();
for (const route of found) {
  const handler = handlers.of(route.variant);
  const asked = tests.of(route);
  const lines = [
    `${route.method} ${route.path}`,
    `  route    ${route.file}:${route.line}  ${route.variant}`,
    `  handler  ${handler ? `${handler.file}:${handler.line}  ${handler.name}` : 'not found'}`,
    ...(handler?.store ?? []).map((file, at) => `  ${at ? '     ' : 'store'}    ${file}`),
    ...asked.slice(0, SHOWN).map(({ file, line }, at) => `  ${at ? '     ' : 'tests'}    ${file}:${line}`),
    ...(asked.length > SHOWN ? [`           and ${asked.length - SHOWN} more`] : []),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
