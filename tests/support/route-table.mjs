/** What tests over the whole table of URLs ask of it, beside what it names. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { ROOT, variants as named } from '../../dev/urls/routes.mjs';

const anonymous = ({ method, path: where }) => ({ method, path: where.replaceAll(/\{\w+\}/g, '{x}') });
const files = (await readdir(path.join(ROOT, 'src/route'))).sort().map((name) => `src/route/${name}`);
const sources = await Promise.all(['src/route.rs', ...files].map((file) => readFile(path.join(ROOT, file), 'utf8')));
const all = (await named()).map(({ variant, routes: of }) => ({ variant, routes: of.map(anonymous) }));

/** Every request that the code tells apart, and its routes, with `{x}` for every parameter. @returns {Array<{variant: string, routes: {method: string, path: string}[]}>} */
export const variants = () => all;

/** @returns {{method: string, path: string}[]} every route */
export const routes = () => all.flatMap((variant) => variant.routes);

/** How many lines of the matches give this variant. @param {string} variant such as `Nodes::List` @returns {number} */
export function timesGiven(variant) {
  const gives = new RegExp(`(?:=>\\s*(?:\\{\\s*)?(?:Ok\\()?|\\("", )${variant}\\b`, 'g');
  return sources.reduce((sum, source) => sum + (source.split('#[cfg(test)]')[0].match(gives)?.length ?? 0), 0);
}

/** @param {string} where @returns {string} with a value in the place of each parameter */
export function filled(where, value = 'x') {
  return where.replaceAll(/\{\w+\}/g, value);
}
