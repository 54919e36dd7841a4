/** How figures are collected, judged and printed. */

/**
 * @typedef {{title: string, tables: Table[], notes: string[]}} Section what a part of the benchmark returns
 * @typedef {{title?: string, head: string[], rows: Array<Array<string|number>>}} Table the first column is text, the others figures
 */

const started = performance.now();

/** Tell on stderr what goes on. @param {string} line */
export function progress(line) {
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stderr.write(`bench: [${String(seconds).padStart(3)}s] ${line}\n`);
}

/** @param {Section} section @param {string} again the command that measures it anew */
export function print({ title, tables, notes }, again) {
  const lines = [`\n== ${title}`];
  for (const { title: name, head, rows } of tables) {
    if (name) lines.push('', name);
    lines.push('', ...grid([head, ...rows.map((row) => row.map(String))]));
  }
  lines.push('', ...notes.map((note) => `   ${note}`), `   again: ${again}`, '');
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** A Markdown table, so that it can be copied into a document as it stands. */
function grid(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const pad = (row) => widths.map((width, column) => (column === 0 ? (row[0] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)));
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  const [head, ...body] = rows;
  return [line(pad(head)), line(rule), ...body.map((row) => line(pad(row)))];
}

/** @param {number} figure @param {number} aim the most that it should be @returns {string} empty when it is kept */
export function verdict(figure, aim) {
  return figure <= aim ? '' : 'missed';
}

/** @param {number[]} numbers at least one @returns {number} */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number[]} numbers at least one @param {number} share 0..=100 @returns {number} the least that so many of a hundred do not exceed */
export function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * share) / 100) - 1)];
}

/** @param {number} number @returns {string} with three digits that mean something, or all of its whole ones */
export function figure(number) {
  if (!Number.isFinite(number)) return '-';
  const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
  return number.toFixed(digits).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** @param {number} bytes @returns {string} */
export function mebibytes(bytes) {
  return `${(bytes / 1024 ** 2).toFixed(2)} MiB`;
}
