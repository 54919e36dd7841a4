/** Text as HTML. */

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** @param {unknown} text @returns {string} */
export const escape = (text) => String(text).replace(/[&<>"]/g, (letter) => ENTITIES[letter]);

/** The little of Markdown that descriptions use: code and links. */
export const inline = (text) =>
  escape(text)
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/\[([^\]]+)\]\(([^)]+)\)/g, '<a href="$2">$1</a>');

/** The same with paragraphs. */
export const paragraphs = (text = '') =>
  text
    .split('\n\n')
    .filter(Boolean)
    .map((part) => `<p>${inline(part)}</p>`)
    .join('\n');

/** What stands in an id, of any words. */
export const slug = (text) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
