/** The table of URLs, as `src/route.rs` and `src/route/` have it: what the comments of its enums name, and how often its matches give it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { ROOT } from './panel.mjs';

/** Where the paths begin that the comments of an enum name; those of the others are whole. */
const BASES = { Nodes: '/api/v1/nodes', Operators: '/api/v1/operators', Me: '/api/v1/me', Xpert: '/api/xpert' };
/** These tell what is done to a user, how refusals are written, and why there is no route. */
const NO_REQUESTS = ['UserAction', 'Face', 'NoRoute'];

/**
 * One method of one path.
 *
 * @typedef {{method: string, path: string}} Route `{x}` stands in the path for every parameter
 */

/** Every variant of the table's enums that is a request, and the routes that its comment names. @returns {Array<{variant: string, routes: Route[]}>} */
export function variants() {
  const enums = sources().flatMap((source) => [...source.matchAll(/^pub enum (\w+)(?:<'a>)? \{\n([\s\S]*?)^\}/gm)]);
  const requests = enums.filter(([, name]) => !NO_REQUESTS.includes(name));
  const names = requests.map(([, name]) => name);
  return requests.flatMap(([, name, body]) =>
    variantsOf(body)
      // What only holds another enum of the table.
      .filter(({ held }) => !names.includes(held))
      .map(({ variant, comment }) => ({ variant: `${name}::${variant}`, routes: routesIn(comment, name) })),
  );
}

/** @returns {Route[]} every route that a comment names */
export function routes() {
  return variants().flatMap((variant) => variant.routes);
}

/** How many lines of the matches give this variant. @param {string} variant such as `Nodes::List` @returns {number} */
export function timesGiven(variant) {
  const gives = new RegExp(`(?:=>\\s*(?:\\{\\s*)?(?:Ok\\()?|\\("", )${variant}\\b`, 'g');
  return sources().reduce((sum, source) => sum + (source.split('#[cfg(test)]')[0].match(gives)?.length ?? 0), 0);
}

/** @param {string} where @returns {string} with a value in the place of each parameter */
export function filled(where, value = 'x') {
  return where.replaceAll(/\{\w+\}/g, value);
}

function sources() {
  const folder = path.join(ROOT, 'src/route');
  const files = [path.join(ROOT, 'src/route.rs'), ...readdirSync(folder).sort().map((name) => path.join(folder, name))];
  return files.map((file) => readFileSync(file, 'utf8'));
}

/** Names, what they hold first, and the comment above each. */
function variantsOf(body) {
  const found = [];
  let comment = [];
  for (const line of body.split('\n')) {
    const said = /^ {4}\/\/\/ (.*)$/.exec(line);
    const named = /^ {4}(\w+)(?:\((\w+)?)?/.exec(line);
    if (said) comment.push(said[1]);
    else if (named) {
      found.push({ variant: named[1], held: named[2], comment: comment.join(' ') });
      comment = [];
    }
  }
  return found;
}

/** What one comment names, such as `GET`, `PUT` and `PATCH /a/{b}`, also HEAD; of a page its path alone. */
function routesIn(comment, enumeration) {
  const words = [...comment.matchAll(/`([A-Z]+)?(?:(?:^|(?<=[A-Z]) |(?<=`))(\/[^`]*))?`/g)].map(([, method, where]) => [method, where]).filter(([method, where]) => method || where);
  const paths = words.map(([, where]) => where).filter(Boolean);
  if (paths.length === 0) return [];
  const methods = (method) => (method ? [method] : ['GET', 'HEAD']);
  const named = words.flatMap(([method, where]) => methods(method).map((one) => [one, where ?? paths[0]]));
  if (/also HEAD/.test(comment)) named.push(...paths.map((where) => ['HEAD', where]));
  const whole = (where) => ((BASES[enumeration] ?? '') + where).replace(/(.)\/$/, '$1').replaceAll(/\{\w+\}/g, '{x}');
  return named.flatMap(([method, where]) => spread(where).map((one) => ({ method, path: whole(one) })));
}

/** `/a/{b,c}` stands for two paths, `/a/{b}` for a parameter. */
function spread(where) {
  const choice = /\{([\w-]+(?:,[\w-]+)+)\}/.exec(where);
  return choice ? choice[1].split(',').map((one) => where.replace(choice[0], one)) : [where];
}
