/** The documents against the tree: what they link to is there, what they name exists, and nothing of the tree is left out. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { routes, routesOf } from '../dev/urls/routes.mjs';
import { Document, read, treeFiles } from './support/documents.mjs';

const files = treeFiles();
const folders = new Set(files.flatMap((file) => ancestors(file)));
const isThere = (where) => files.includes(where) || folders.has(where.replace(/\/$/, ''));
const documents = files.filter((file) => /^(docs\/)?[^/]+\.md$/.test(file) || file === 'bench/README.md').map((file) => new Document(file));
/** What was, may be named by the changelog alone. */
const present = documents.filter(({ file }) => file !== 'CHANGELOG.md');
const pages = documents.filter(({ file }) => file.startsWith('docs/') && file !== 'docs/SUMMARY.md');

function ancestors(file) {
  const above = path.dirname(file);
  return above === '.' ? [] : [above, ...ancestors(above)];
}

/** Everything that is wrong, one line a fault, as an editor opens it. */
function assertNone(faults) {
  assert.deepEqual(faults, []);
}

test('every link and every picture leads to something', () => {
  assert.ok(documents.length > 25 && documents.some(({ links }) => links.length > 20), 'the documents are read');
  const faults = [];
  for (const { file, links } of documents) {
    for (const { line, to, isImage, label } of links) {
      if (/^(https?|mailto):/.test(to)) continue;
      const [where, anchor] = to.split('#');
      const target = where ? path.join(path.dirname(file), where) : file;
      const about = `${file}:${line} ${to}`;
      if (!isThere(target)) faults.push(`${about}: is not there`);
      else if (anchor !== undefined && !documents.find((one) => one.file === target)?.anchors.has(anchor)) faults.push(`${about}: there is no such heading`);
      if (isImage && label.length < 10) faults.push(`${about}: who cannot see the picture is not told what it shows`);
      // The site of docs/ has nothing else.
      if (file.startsWith('docs/') && !target.startsWith('docs/')) faults.push(`${about}: leads out of docs/`);
    }
  }
  assertNone(faults);
});

test('every page of docs/ stands in the summary, once, by its own name', () => {
  const summary = documents.find(({ file }) => file === 'docs/SUMMARY.md');
  const named = summary.links.map(({ to }) => `docs/${to}`);
  assert.deepEqual([...named].sort(), pages.map(({ file }) => file).sort());
  for (const { label, to } of summary.links) {
    const title = /^# (.*)/m.exec(read(`docs/${to}`))[1];
    assert.equal(label.replaceAll('_', ''), title.replaceAll('`', ''), `${to}: the summary calls it as it calls itself`);
  }
});

test('every target of make that a document names is in the Makefile, with the variables beside it', () => {
  const makefile = read('Makefile');
  const targets = new Set([...makefile.matchAll(/^([a-z-]+):/gm)].map(([, target]) => target));
  const scripts = files.filter((file) => /^(dev|bench)\/|^(Makefile|simulate\/)/.test(file)).map(read).join('\n');
  const faults = [];
  for (const { file, named } of present) {
    for (const { line, text } of named) {
      for (const [, target, rest] of text.matchAll(/(?:^|[\s;&(])make ([a-z][a-z-]*)((?: [A-Z_]+=\S*)*)/g)) {
        if (!targets.has(target)) faults.push(`${file}:${line} make ${target}`);
        for (const [, variable] of rest.matchAll(/ ([A-Z_]+)=/g)) {
          if (!new RegExp(`\\b${variable}\\b`).test(scripts)) faults.push(`${file}:${line} make ${target} ${variable}=`);
        }
      }
    }
  }
  assertNone(faults);
  const phony = [...makefile.matchAll(/^\.PHONY: (.*)/gm)].flatMap(([, names]) => names.split(' '));
  assert.deepEqual([...targets].sort(), [...phony].sort(), 'every target is phony');
  for (const target of targets) assert.match(makefile, new RegExp(`^${target}:.*## \\S`, 'm'), `make help tells of ${target}`);
});

test('every path of the tree in backticks is there', () => {
  const top = [...new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]))].map((name) => name.replace('.', '\\.'));
  const inTree = new RegExp(`^(?:\\./)?((?:${top.join('|')})/[\\w./*-]*)$`);
  const built = /^(public\/(agent|openapi)|fuzz\/(corpus|artifacts|target|coverage))\b/;
  const names = new Set(files.map((file) => path.basename(file)));
  const faults = [];
  for (const { file, spans, code } of present) {
    const words = code.flatMap(({ line, text }) => text.split(/\s+/).map((word) => ({ line, text: word })));
    for (const { line, text } of [...spans, ...words]) {
      const [, where] = inTree.exec(text.split(/[\s:]/)[0]) ?? [];
      if (!where || built.test(where)) continue;
      const asked = new RegExp(`^${where.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
      if (!(where.includes('*') ? files.some((one) => asked.test(one)) : isThere(where))) faults.push(`${file}:${line} ${where}`);
    }
    // A file that is named alone, beside the folder that the text is about.
    for (const { line, text } of spans) if (/^[\w.-]+\.(rs|mjs|sql)$/.test(text) && !names.has(text)) faults.push(`${file}:${line} ${text}`);
  }
  assertNone(faults);
});

test('every URL that a document names is in the route table', async () => {
  const all = await routes();
  const faults = [];
  let count = 0;
  for (const { file, spans } of present.filter((one) => one.file.startsWith('docs/'))) {
    for (const { line, text } of spans) {
      const [, methods, where] = /^((?:(?:GET|HEAD|POST|PUT|PATCH|DELETE)(?:, )?)+) (\/(?:api|agent|sub|users|metrics|health|install|language|login)\S*)$/.exec(text) ?? [];
      if (!where) continue;
      count += 1;
      // `/api/v1/users/{name}/a|b`, `...` and the like stand for several.
      const asked = where.replace(/\?.*/, '');
      if (/[|*]|\.\.\./.test(asked)) continue;
      for (const method of methods.split(', ')) {
        if (routesOf(all, asked, method).length === 0) faults.push(`${file}:${line} ${method} ${where}`);
      }
    }
  }
  assert.ok(count > 100, `${count} URLs were read`);
  assertNone(faults);
});

test('every variable, secret and setting in capitals that a document names is known to the code', () => {
  const code = files.filter((file) => !file.endsWith('.md') && !/\.(png|svg|json|lock)$/.test(file)).map(read).join('\n');
  const faults = [];
  for (const { file, spans } of present) {
    for (const { line, text } of spans) {
      for (const [name] of text.matchAll(/(?<![\w-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w-])/g)) {
        // Options of the kernel have such names as well.
        if (!code.includes(name) && !name.startsWith('CONFIG_')) faults.push(`${file}:${line} ${name}`);
      }
    }
  }
  assertNone(faults);
});

test('every variable that the Worker reads stands in the deploy guide', () => {
  // Of tests; of the compiler; told by wrangler.toml; taken from an old installation and ignored.
  const others = ['WEIR_SHOW_COST', 'WEIR_MUTANT', 'CARGO_PKG_VERSION', 'LOGIN_LIMIT', 'XPERT_TOKEN_LIMIT', 'XPERT_ADDRESS_LIMIT', 'XPERT_TRAFFIC_DB_PATH'];
  const guide = read('docs/deploy.md');
  const sources = files.filter((file) => /^src\/(http|notify|cron)\/.*\.rs$|^src\/\w+\.rs$/.test(file)).map(read).join('\n');
  const asked = [...new Set([...sources.matchAll(/"([A-Z]{3,}(?:_[A-Z]+)+)"/g)].map(([, name]) => name))];
  assert.ok(asked.length > 20, `${asked.length} variables were read`);
  assertNone(asked.filter((name) => !others.includes(name) && !guide.includes(`\`${name}\``)));
});

test('the architecture names every folder and part of the code, and none that is gone', () => {
  const text = read('docs/architecture.md');
  const names = (where) => text.includes(`\`${where}\``);
  const top = [...new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]))];
  assert.deepEqual(top.filter((folder) => !names(`${folder}/`)), [], 'folders of the tree');
  const parts = (folder) => [...new Set(files.filter((file) => file.startsWith(`${folder}/`)).map((file) => file.slice(folder.length + 1).split('/')))].map(([first, ...rest]) => (rest.length ? `${first}/` : first));
  const unnamed = (folder) => [...new Set(parts(folder))].filter((part) => !names(`${folder}/${part}`));
  assert.deepEqual(unnamed('src'), [], 'parts of src/');
  // A file and the folder of the same name are one module.
  const agent = [...new Set(parts('agent/src'))].filter((part) => !names(part) && !names(part.replace('.rs', '/')) && !names(part.replace('/', '.rs')));
  assert.deepEqual(agent, [], 'parts of agent/src/');
});
