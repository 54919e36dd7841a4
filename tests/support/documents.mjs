/** Reading the documents of the tree: what they link to and what they name. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { ROOT } from '../../dev/urls/routes.mjs';

/** Every file of the tree, but for what builds leave: it works without git as well. @returns {string[]} */
export function treeFiles() {
  const left = new Set(['.git', ...read('.gitignore').split('\n').filter(Boolean).map((line) => line.replace(/^\/|\/$/g, ''))]);
  const walk = (folder) => readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const where = path.join(folder, entry.name);
    if (left.has(where)) return [];
    return entry.isDirectory() ? walk(where) : [where];
  });
  return walk('').sort();
}

export const read = (file) => readFileSync(path.join(ROOT, file), 'utf8');

/** One document in Markdown, in the parts that a check asks about; every part has the line that it begins in. */
export class Document {
  constructor(file, text = read(file)) {
    this.file = file;
    /** Texts between backticks. */
    this.spans = [];
    /** Lines of fenced blocks, with what the fence says. */
    this.code = [];
    this.links = [];
    this.anchors = new Set();
    let fence;
    // What a link or a span breaks over two lines is one all the same.
    let prose = '';
    for (const [at, line] of text.split('\n').entries()) {
      const mark = /^\s*```(\w*)/.exec(line);
      if (mark) fence = fence === undefined ? mark[1] : undefined;
      else if (fence !== undefined) this.code.push({ line: at + 1, language: fence, text: line });
      const isProse = !mark && fence === undefined;
      prose += `${isProse ? line : ''}\n`;
      const heading = isProse && /^#{1,6} (.*)/.exec(line);
      if (heading) this.#addAnchor(heading[1]);
    }
    const lineAt = (index) => prose.slice(0, index).split('\n').length;
    for (const { 1: span, index } of prose.matchAll(/`([^`]+)`/g)) this.spans.push({ line: lineAt(index), text: span.replaceAll(/\s+/g, ' ') });
    // A link in backticks is text.
    const plain = prose.replaceAll(/`[^`]+`/g, (span) => span.replaceAll(/[^\n]/g, '_'));
    for (const { 1: image, 2: label, 3: to, index } of plain.matchAll(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g)) {
      this.links.push({ line: lineAt(index), isImage: image === '!', label, to });
    }
  }

  /** As GitHub and mdBook make them. */
  #addAnchor(heading) {
    const slug = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(/\s/g, '-');
    let unique = slug;
    for (let n = 1; this.anchors.has(unique); n += 1) unique = `${slug}-${n}`;
    this.anchors.add(unique);
  }

  /** Commands and names: what stands in backticks or in a fenced block. */
  get named() {
    return [...this.spans, ...this.code];
  }
}
