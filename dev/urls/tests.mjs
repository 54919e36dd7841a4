/** Which tests ask a URL. */
import path from 'node:path';

import { sourcesIn } from './handlers.mjs';
import { isParameter } from './routes.mjs';

/** Tests that walk the whole table: the last to look at for what one route does. */
const EVERY_ROUTE = /\/(\w+-)?(roles|openapi|input)\b/;

export class Tests {
  #files;

  /** @param {Map<string, string>} sources test files and what they import, by path */
  constructor(sources) {
    this.#files = [...sources].filter(([file]) => file.endsWith('.test.mjs')).map(([file, text]) => {
      const around = [text, ...imported(file, text, sources)];
      const source = spelt(text, around);
      return { file, source, lines: source.split('\n'), around: [source, ...around] };
    });
  }

  static async read() {
    return new Tests(await sourcesIn('tests', '.mjs'));
  }

  /**
   * Tests whose text has the URL, those that ask it most often first. Parameters may have any value there, or be a `${...}`.
   *
   * @param {import('./routes.mjs').Route} route
   * @returns {Array<{file: string, line: number}>}
   */
  of({ method, path: where }) {
    const whole = pattern(where);
    // A helper may hold how the path begins, and be given the rest.
    const parts = where.split('/');
    const splits = parts.map((_, at) => [parts.slice(0, at).join('/'), parts.slice(at)])
      .filter(([base, rest]) => base && !base.includes('{') && rest.some((part) => !isParameter(part)))
      .map(([base, rest]) => ({ ends: new RegExp(`${base}(?=['"\`]|\\$\\{)`), rest: pattern(`/${rest.join('/')}`) }));
    // A text without the longest word of the path need not be searched.
    const word = parts.filter((part) => !isParameter(part)).sort((a, b) => b.length - a.length)[0];
    const found = [];
    for (const { file, source, lines, around } of this.#files.filter((one) => one.source.includes(word))) {
      const helped = splits.filter(({ ends, rest }) => rest.test(source) && around.some((one) => ends.test(one)));
      const asks = [whole, ...helped.map(({ rest }) => rest)].filter((one) => one.test(source));
      const all = asks.length ? lines.map((line, at) => (asks.some((one) => one.test(line)) ? at + 1 : 0)).filter(Boolean) : [];
      // The method stands beside the path, unless a page is opened or a helper has it in its name.
      const meant = all.filter((at) => new RegExp(`\\b${method}\\b`, 'i').test(lines[at - 1]));
      if (all.length) found.push({ file, line: meant[0] ?? all[0], weight: (EVERY_ROUTE.test(file) ? 0 : 10_000) + meant.length * 100 + all.length });
    }
    return found.sort((a, b) => b.weight - a.weight || a.file.localeCompare(b.file)).map(({ file, line }) => ({ file, line }));
  }
}

/** Texts of the modules that a test takes its helpers from. */
function imported(file, source, sources) {
  return [...source.matchAll(/from '(\.[^']+)'/g)].map(([, from]) => sources.get(path.join(path.dirname(file), from)) ?? '');
}

/** A test with its constants in their places. */
function spelt(source, around) {
  const constants = around.flatMap((text) => [...text.matchAll(/^(?:export )?const (\w+) = '(\/[^']*)'/gm)]);
  return constants.reduce(
    (text, [, name, value]) => text.replaceAll(`\${${name}}`, value).replaceAll(new RegExp(`(?<=[(,] ?)${name}(?=[,)])`, 'g'), `'${value}'`),
    source,
  );
}

/** Finds a path in a text, as a whole. */
function pattern(where) {
  const literal = (part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const parts = where.split('/').slice(1).map((part) => (isParameter(part) ? '(?:\\$\\{[^}]*\\}|[^/\'"`\\s?${}])+' : literal(part)));
  return new RegExp(`(?<=['"\`} ])/${parts.join('/')}/?(?=['"\`?#\\s]|$)`, 'm');
}
