/** Reads Prometheus' exposition format 0.0.4 as strictly as its specification, and more: each metric's lines together, HELP and TYPE first. */

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const VALUE = '[+-]?(?:Inf|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)|NaN';

/** @param {string} text with its escapes @param {string} known letters that may follow a backslash */
function unescape(text, known) {
  return text.replace(/\\(.?)/g, (whole, letter) => {
    if (letter === '' || !known.includes(letter)) throw new Error(`unknown escape ${whole} in ${text}`);
    return letter === 'n' ? '\n' : letter;
  });
}

/** @param {string} text between braces @returns {Record<string, string>} */
function readLabels(text, line) {
  const labels = {};
  let rest = text;
  while (rest !== '') {
    const found = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(,|$)/.exec(rest);
    if (!found) throw new Error(`labels cannot be read: ${line}`);
    const [whole, name, value] = found;
    if (name in labels) throw new Error(`label ${name} comes twice: ${line}`);
    labels[name] = unescape(value, '\\"n');
    rest = rest.slice(whole.length);
    if (found[3] === ',' && rest === '') throw new Error(`a comma too many: ${line}`);
  }
  return labels;
}

/**
 * @param {string} text
 * @returns {Map<string, {help: string, type: string, samples: Array<{labels: Record<string, string>, value: number, text: string}>}>} by name
 * @throws {Error} at the first line that breaks a rule
 */
export function readExposition(text) {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map();
  let now;
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line);
    if (comment) {
      const [, what, name, rest] = comment;
      if (what === 'HELP') {
        if (families.has(name)) throw new Error(`${name} comes twice`);
        now = { name, help: unescape(rest, '\\n'), type: undefined, samples: [] };
        families.set(name, now);
      } else {
        if (now?.name !== name || now.type !== undefined) throw new Error(`a TYPE that does not follow its HELP: ${line}`);
        if (!['counter', 'gauge'].includes(rest)) throw new Error(`unknown type: ${line}`);
        if ((rest === 'counter') !== name.endsWith('_total')) throw new Error(`counters, and they alone, end in _total: ${line}`);
        now.type = rest;
      }
      continue;
    }
    const sample = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (${VALUE})$`).exec(line);
    if (!sample) throw new Error(`neither comment nor sample: ${line}`);
    const [, name, labels = '', value] = sample;
    if (now?.name !== name || now.type === undefined) throw new Error(`a sample away from its metric: ${line}`);
    const read = readLabels(labels, line);
    const key = JSON.stringify(Object.entries(read).sort());
    if (now.samples.some((other) => other.key === key)) throw new Error(`the same labels twice: ${line}`);
    now.samples.push({ labels: read, value: Number(value.replace('Inf', 'Infinity')), text: value, key });
  }
  return families;
}

/**
 * @param {ReturnType<typeof readExposition>} families
 * @param {string} name
 * @param {Record<string, string>} [labels] all of the sample's
 * @returns {number|undefined}
 */
export function valueOf(families, name, labels = {}) {
  const key = JSON.stringify(Object.entries(labels).sort());
  return families.get(name)?.samples.find((sample) => sample.key === key)?.value;
}
