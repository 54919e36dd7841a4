/** The route table as its comments tell it: what a URL is called in the code. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Files of the table, and where the paths in the comments of their enums begin. Enums that only divide what is below have no path. */
const TABLE = {
  'src/route.rs': [''],
  'src/route/aliases.rs': ['/api/v1/users/{name}/aliases'],
  'src/route/marzban.rs': [''],
  'src/route/nodes.rs': ['/api/v1/nodes'],
  'src/route/operators.rs': ['/api/v1/operators', '/api/v1/me'],
  'src/route/pages.rs': [''],
  'src/route/xpert.rs': ['/api/xpert'],
};

/**
 * @typedef {object} Route
 * @property {string} method
 * @property {string} path with its parameters in braces
 * @property {string} variant as the code calls it, such as `Nodes::RotateKey`
 * @property {string} file of the table
 * @property {number} line
 */

/** Every method and path of the product. @returns {Promise<Route[]>} */
export async function routes() {
  return (await variants()).flatMap((one) => one.routes);
}

/** Every request that the code tells apart, with the routes that its comment names. @returns {Promise<Array<{variant: string, routes: Route[]}>>} */
export async function variants() {
  const found = [];
  for (const [file, bases] of Object.entries(TABLE)) {
    const source = await readFile(path.join(ROOT, file), 'utf8');
    // The others tell of something else, such as why there is no route.
    const enums = enumsOf(source).filter(({ variants: all }) => all.some(({ comment }) => pathsIn(comment).length));
    enums.forEach(({ name, variants: all }, at) => {
      for (const { comment, variant, line } of all) {
        const whole = (where) => ((bases[at] ?? bases[0]) + where).replace(/(.)\/$/, '$1');
        const named = namedIn(comment).map(([method, where]) => ({ method, path: whole(where), variant: `${name}::${variant}`, file, line }));
        found.push({ variant: `${name}::${variant}`, routes: named });
      }
    });
  }
  return found;
}

/** The public enums of a file: each variant with its comment and line. */
function enumsOf(source) {
  const enums = [];
  let comment = '';
  source.split('\n').forEach((text, at) => {
    const begins = /^pub enum (\w+)/.exec(text);
    if (begins) enums.push({ name: begins[1], variants: [] });
    // Four spaces: fields of a variant stand deeper and are parameters.
    else if (/^ {4}\/\/\/ /.test(text)) comment += text.trim().slice(4);
    else {
      // One that holds another enum of the table only divides what is below.
      const variant = /^ {4}([A-Z]\w*)(?!\w|\([A-Z])/.exec(text);
      if (variant) enums.at(-1)?.variants.push({ comment, variant: variant[1], line: at + 1 });
      comment = '';
    }
  });
  return enums;
}

const pathsIn = (comment) => [...comment.matchAll(/`(?:[A-Z]+ )?(\/[^`]*)`/g)].map(([, where]) => where);

/** Methods and paths that one comment names, such as `GET`, `PUT` and `PATCH /a/{b}`, also HEAD. A page is named by its path alone. */
function namedIn(comment) {
  const paths = pathsIn(comment);
  const words = [...comment.matchAll(/`([A-Z]+)(?: (\/[^`]*))?`/g)];
  if (paths.length === 0) return [];
  if (words.length === 0) return /^`\//.test(comment) ? ['GET', 'HEAD'].map((method) => [method, paths[0]]) : [];
  const named = words.map(([, method, where]) => [method, where ?? paths[0]]);
  if (/also HEAD/.test(comment)) named.push(...paths.map((where) => ['HEAD', where]));
  return named.flatMap(([method, where]) => spread(where).map((one) => [method, one]));
}

/** `/a/{b,c}` stands for two paths, `/a/{b}` for a parameter. */
function spread(where) {
  const choice = /\{(\w+(?:,\w+)+)\}/.exec(where);
  return choice ? choice[1].split(',').map((one) => where.replace(choice[0], one)) : [where];
}

/**
 * Those that a path means, which may have values or names where the table has parameters. What names a segment comes before what stands
 * for any.
 *
 * @param {Route[]} all
 * @param {string} asked
 * @param {string} [method]
 */
export function routesOf(all, asked, method) {
  const segments = asked.replace(/^https?:\/\/[^/]+/, '').replace(/[?#].*/, '').replace(/(.)\/$/, '$1').split('/');
  const spelt = (one) => one.path.split('/').filter((part) => !isParameter(part)).length;
  const found = all.filter((one) => {
    const parts = one.path.split('/');
    return (!method || one.method === method.toUpperCase()) && parts.length === segments.length && parts.every((part, at) => part === segments[at] || (isParameter(part) && segments[at] !== ''));
  });
  const best = Math.max(...found.map(spelt));
  return found.filter((one) => spelt(one) === best);
}

export const isParameter = (part) => /^\{\w+\}$/.test(part);
