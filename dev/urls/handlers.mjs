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

  /** @param {Map<string, string>} http files of `src/http/` by path @param {Iterable<string>} store paths in `src/store/` */
  constructor(http, store) {
    this.#http = http;
    this.#store = new Set(store);
  }

  static async read() {
    return new Handlers(await sourcesIn('src/http'), (await sourcesIn('src/store')).keys());
  }

  /** @param {string} variant such as `Nodes::RotateKey` @returns {Handler | undefined} */
  of(variant) {
    for (const [file, source] of this.#http) {
      // `Ok(Route::User(name)) => api::users::get(`
      const arm = new RegExp(`\\b${variant}\\b[^=\\n]*=>\\s*((?:\\w+::)*\\w+)\\(`).exec(source);
      if (!arm) continue;
      // What calls no handler is answered where the arm stands.
      const found = this.#find(file, arm[1].split('::')) ?? { file, name: 'answer', at: arm.index };
      const modules = [...this.#storeOf(found, DEPTH, new Set())].flatMap((module) => [`src/store/${module}.rs`, `src/store/${module}/mod.rs`]);
      // What every query goes through says nothing.
      const store = modules.filter((one) => this.#store.has(one) && one !== 'src/store/d1.rs').sort();
      return { name: found.name, file: found.file, line: lineOf(this.#http.get(found.file), found.at), store };
    }
    return undefined;
  }

  /** The function that a path of modules means in a file. */
  #find(from, called, seen = new Set()) {
    const key = `${from} ${called.join('::')}`;
    if (seen.has(key)) return undefined; // imported in a circle
    seen.add(key);
    const name = called.at(-1);
    let modules = called.slice(0, -1);
    const source = this.#http.get(from);
    // `use super::usage as charts`
    if (modules[0]) modules[0] = new RegExp(`(\\w+) as ${modules[0]}\\b`).exec(source)?.[1] ?? modules[0];
    modules = modules.filter((one) => !['crate', 'http', 'super', 'self'].includes(one));
    // What is here or imported; `super::enter` names no module of its own, but one of those around.
    const isHere = called.length === 1;
    if (isHere && functionAt(source, name) >= 0) return { file: from, name, at: functionAt(source, name) };
    if (isHere) return this.#imported(from, name, seen);
    for (const base of basesOf(from)) {
      for (const file of [`${path.join(base, ...modules)}.rs`, path.join(base, ...modules, 'mod.rs')]) {
        if (!this.#http.has(file) || (modules.length === 0 && file === from)) continue;
        const at = functionAt(this.#http.get(file), name);
        const found = at >= 0 ? { file, name, at } : modules.length > 0 && this.#imported(file, name, seen);
        if (found) return found;
      }
    }
    return undefined;
  }

  /** `use token::enter`, `use super::{reading::{one, enter}, other}`: the function that a file has from another one. */
  #imported(file, name, seen) {
    for (const [, what] of this.#http.get(file).matchAll(/^(?:pub(?:\([^)]*\))? )?use ([^;]+);/gm)) {
      for (const one of unfolded(what)) {
        if (one.at(-1) === name && one.length > 1 && !one.includes('store') && !one.includes('domain')) return this.#find(file, one, seen);
      }
    }
    return undefined;
  }

  /** Modules of the store that a function names, and those that it calls. */
  #storeOf({ file, at }, depth, seen) {
    const found = new Set();
    if (depth === 0 || seen.has(`${file} ${at}`)) return found;
    seen.add(`${file} ${at}`);
    const source = this.#http.get(file);
    const body = source.slice(at).split(/^}/m)[0];
    for (const [, what] of source.matchAll(/^ *use crate::store::([^;]+);/gm)) {
      for (const [module, ...items] of unfolded(what)) {
        const name = items.length === 0 || items.at(-1) === 'self' ? module : items.at(-1);
        if (new RegExp(`\\b${name}\\b`).test(body)) found.add(module.split(' as ')[0]);
      }
    }
    for (const [, module] of body.matchAll(/\bstore::(\w+)/g)) found.add(module);
    for (const [, called] of body.matchAll(/(?<![.\w:])((?:\w+::)*[a-z]\w*)(?:::<[^>]*>)?\(/g)) {
      const next = EVERYWHERE.test(called.split('::').at(-1)) ? undefined : this.#find(file, called.split('::'));
      if (next) for (const module of this.#storeOf(next, depth - 1, seen)) found.add(module);
    }
    return found;
  }
}

/** `a::{b, c::{self, d as e}}` as the paths that it stands for; of one that is renamed, the new name is the last. */
function unfolded(text) {
  const group = /^([^{]*)\{([^]*)\}\s*$/.exec(text.trim());
  const words = (part) => part.split('::').map((word) => word.trim()).filter(Boolean);
  if (!group) {
    const [where, renamed] = text.trim().split(' as ');
    return [renamed ? [...words(where), renamed] : words(where)];
  }
  const members = [];
  let depth = 0;
  let member = '';
  for (const letter of `${group[2]},`) {
    if (letter === '{') depth += 1;
    if (letter === '}') depth -= 1;
    if (letter !== ',' || depth > 0) member += letter;
    else {
      if (member.trim()) members.push(member);
      member = '';
    }
  }
  return members.flatMap((one) => unfolded(one).map((rest) => [...words(group[1]), ...rest]));
}

/** Folders that `a::b` in a file may begin in: its own module's, those around it, and the one of all faces. */
function basesOf(file) {
  const bases = path.basename(file) === 'mod.rs' ? [] : [file.replace(/\.rs$/, '')];
  for (let folder = path.dirname(file); folder.startsWith('src/http'); folder = path.dirname(folder)) bases.push(folder);
  return bases;
}

const functionAt = (source, name) => source.search(new RegExp(`^(?:pub(?:\\([^)]*\\))? )?(?:const )?(?:async )?fn ${name}\\b`, 'm'));

/** @param {string} source @param {number} at */
const lineOf = (source, at) => source.slice(0, at).split('\n').length;
