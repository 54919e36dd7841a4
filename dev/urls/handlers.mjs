/** What answers a route: the function that the dispatcher calls, and what of the database it and its helpers use. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { ROOT } from './routes.mjs';

/** So many calls away from the handler a store's function still counts as one that it uses. */
const DEPTH = 4;
/** What every handler calls first or last: whose tables these read or write says nothing of one of them. */
const EVERYWHERE = /^(authorize\w*|recorded)$/;

/** Every source file below a folder. @returns {Promise<Map<string, string>>} text by path in the tree */
export async function sourcesIn(folder, ending = '.rs') {
  const names = await readdir(path.join(ROOT, folder), { recursive: true });
  const files = names.filter((name) => name.endsWith(ending)).map((name) => path.join(folder, name)).sort();
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(path.join(ROOT, file), 'utf8')])));
}

/** One file of `src/http/`, as far as calls go. */
class Source {
  constructor(file, text) {
    this.file = file;
    this.text = text;
    /** Where each function begins, by its name. */
    this.functions = new Map([...text.matchAll(/^(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?fn (\w+)/gm)].map(({ 1: name, index }) => [name, index]));
    /** What it imports; of what is renamed, the new name is the last word. */
    this.imports = [...text.matchAll(/^ *(?:pub(?:\([^)]*\))? )?use ([^;]+);/gm)].flatMap(([, what]) => unfolded(what));
    /** Folders that `a::b` may begin in: its own module's, those around it, and the one of all faces. */
    this.bases = path.basename(file) === 'mod.rs' ? [] : [file.replace(/\.rs$/, '')];
    for (let folder = path.dirname(file); folder.startsWith('src/http'); folder = path.dirname(folder)) this.bases.push(folder);
  }

  /** A function from its head to the brace that ends it. */
  body(at) {
    return this.text.slice(at).split(/^}/m)[0];
  }
}

/**
 * @typedef {object} Handler
 * @property {string} name
 * @property {string} file
 * @property {number} line
 * @property {string[]} store files of `src/store/` whose functions it uses
 */

export class Handlers {
  #http;
  #store;
  /** What each variant leads to: `Ok(Route::User(name)) => api::users::get(`. */
  #arms = new Map();
  #found = new Map();

  /** @param {Map<string, string>} http files of `src/http/` by path @param {Iterable<string>} store paths in `src/store/` */
  constructor(http, store) {
    this.#http = new Map([...http].map(([file, text]) => [file, new Source(file, text)]));
    this.#store = new Set(store);
    for (const source of this.#http.values()) {
      for (const { 1: variant, 2: called, index } of source.text.matchAll(/\b([A-Z]\w*::[A-Z]\w*)\b[^=\n]*=>\s*((?:\w+::)*\w+)\(/g)) {
        if (!this.#arms.has(variant)) this.#arms.set(variant, { source, called: called.split('::'), index });
      }
    }
  }

  static async read() {
    return new Handlers(await sourcesIn('src/http'), (await sourcesIn('src/store')).keys());
  }

  /** @param {string} variant such as `Nodes::RotateKey` @returns {Handler | undefined} */
  of(variant) {
    if (!this.#found.has(variant)) this.#found.set(variant, this.#lookFor(variant));
    return this.#found.get(variant);
  }

  #lookFor(variant) {
    const arm = this.#arms.get(variant);
    if (!arm) return undefined;
    // What calls no handler is answered where the arm stands.
    const { source, name, at } = this.#find(arm.source, arm.called) ?? { source: arm.source, name: 'answer', at: arm.index };
    const modules = [...this.#storeOf(source, at, DEPTH, new Set())].flatMap((module) => [`src/store/${module}.rs`, `src/store/${module}/mod.rs`]);
    // What every query goes through says nothing.
    const store = modules.filter((one) => this.#store.has(one) && one !== 'src/store/d1.rs').sort();
    return { name, file: source.file, line: source.text.slice(0, at).split('\n').length, store };
  }

  /** The function that a path of modules means in a file. */
  #find(source, called, seen = new Set()) {
    const key = `${source.file} ${called.join('::')}`;
    if (seen.has(key)) return undefined; // imported in a circle
    seen.add(key);
    const name = called.at(-1);
    if (called.length === 1) return source.functions.has(name) ? { source, name, at: source.functions.get(name) } : this.#imported(source, name, seen);
    const [first, ...rest] = called.slice(0, -1);
    // `use super::usage as charts`
    const renamed = source.imports.find((one) => one.as && one.at(-1) === first)?.at(-2) ?? first;
    // `super::enter` names no module of its own, but one of those around.
    const modules = [renamed, ...rest].filter((one) => !['crate', 'http', 'super', 'self'].includes(one));
    for (const base of source.bases) {
      for (const file of [`${path.join(base, ...modules)}.rs`, path.join(base, ...modules, 'mod.rs')]) {
        const other = this.#http.get(file);
        if (!other || (modules.length === 0 && other === source)) continue;
        if (other.functions.has(name)) return { source: other, name, at: other.functions.get(name) };
        const found = modules.length > 0 && this.#imported(other, name, seen);
        if (found) return found;
      }
    }
    return undefined;
  }

  /** `use token::enter`, `use super::{reading::{one, enter}, other}`: the function that a file has from another one. */
  #imported(source, name, seen) {
    for (const one of source.imports) {
      const isHere = one.at(-1) === name && one.length > 1 && !one.includes('store') && !one.includes('domain');
      if (isHere) return this.#find(source, one, seen);
    }
    return undefined;
  }

  /** Modules of the store that a function names, and those that what it calls does. */
  #storeOf(source, at, depth, seen) {
    const found = new Set();
    const key = `${source.file} ${at}`;
    if (depth === 0 || seen.has(key)) return found;
    seen.add(key);
    const body = source.body(at);
    const words = new Set(body.match(/\w+/g));
    for (const one of source.imports) {
      if (one[0] !== 'crate' || one[1] !== 'store') continue;
      const name = one.at(-1) === 'self' ? one.at(-2) : one.at(-1);
      if (words.has(name)) found.add(one[2]);
    }
    for (const [, module] of body.matchAll(/\bstore::(\w+)/g)) found.add(module);
    for (const [, called] of body.matchAll(/(?<![.\w:])((?:\w+::)*[a-z]\w*)(?:::<[^>]*>)?\(/g)) {
      const names = called.split('::');
      const next = EVERYWHERE.test(names.at(-1)) ? undefined : this.#find(source, names);
      if (next) for (const module of this.#storeOf(next.source, next.at, depth - 1, seen)) found.add(module);
    }
    return found;
  }
}

/** `a::{b, c::{self, d as e}}` as the paths that it stands for; one that is renamed has its new name at the end, and is marked. */
function unfolded(text) {
  const words = (part) => part.split('::').map((word) => word.trim()).filter(Boolean);
  const group = /^([^{]*)\{([^]*)\}\s*$/.exec(text.trim());
  if (!group) {
    const [where, renamed] = text.trim().split(' as ');
    return [renamed ? Object.assign([...words(where), renamed], { as: true }) : words(where)];
  }
  return membersOf(group[2]).flatMap((one) => unfolded(one).map((rest) => Object.assign([...words(group[1]), ...rest], { as: rest.as })));
}

/** What commas separate, but for those within braces. */
function membersOf(text) {
  const members = [];
  let depth = 0;
  let member = '';
  for (const letter of `${text},`) {
    if (letter === '{') depth += 1;
    if (letter === '}') depth -= 1;
    if (letter !== ',' || depth > 0) member += letter;
    else {
      if (member.trim()) members.push(member);
      member = '';
    }
  }
  return members;
}
