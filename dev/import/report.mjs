/** The report of an import, for people. */
import { hidden } from './user.mjs';

/** Lines of one kind that are printed; the JSON report has all. */
const MOST = 200;

const shown = (field, value) => (field.startsWith('credentials.') ? hidden() : JSON.stringify(value));

/** @param {string} title @param {string[]} lines @param {number} [most] @returns {string[]} */
function section(title, lines, most = MOST) {
  if (lines.length === 0) return [];
  const more = lines.length > most ? [`  ... and ${lines.length - most} more; --report FILE has all`] : [];
  return ['', `${title} (${lines.length})`, ...lines.slice(0, most).map((line) => `  ${line}`), ...more];
}

/** All of them: they are in no report file. */
function ofOperators(passwords) {
  const unknown = 'not known, for the panel did not answer; if he is there, reset it at /settings/operators';
  return section('new operators and their passwords, shown once', passwords.map(({ name, password = unknown }) => `${name}: ${password}`), Infinity);
}

/** @param {Array<{name: string, password?: string}>} passwords of operators that an import has created that ended early @returns {string} */
export function printedPasswords(passwords) {
  return ofOperators(passwords).map((line) => `${line}\n`).join('');
}

/** @param {object} report of `importInto` @param {Array<{name: string, password?: string}>} passwords @returns {string} */
export function printed(report, passwords) {
  const { counts, applied } = report;
  const would = applied ? '' : 'would be ';
  const differing = report.differing.flatMap(({ name, fields, overwritten }) =>
    fields.map(({ field, old, here }) => {
      const end = overwritten.includes(field) ? ` -> ${would}overwritten` : '';
      return `${name}: ${field}: old ${shown(field, old)}, here ${shown(field, here)}${end}`;
    }),
  );
  const lines = [
    `${report.source}: ${counts.found} users`,
    ...section(`${would}created`, report.created.map(({ name, fields }) => `${name}: ${fields.map(([field, value]) => `${field} ${shown(field, value)}`).join(', ')}`)),
    ...section('exist with other values', differing),
    ...section('not carried', report.lost.map(({ name, field, value, why }) => `${name}: ${field} ${JSON.stringify(value)}: ${why}`)),
    ...section('failed', report.failed.map(({ name, field, why }) => `${name}: ${field ? `${field}: ` : ''}${why}`)),
    ...section(`beside users, ${would}done`, report.done),
    ...ofOperators(passwords),
    ...section('to do by hand', report.todo),
    '',
    `found ${counts.found}, ${would}created ${counts.created}, unchanged ${counts.unchanged}, differing ${counts.differing}, ` +
      `${would}overwritten ${counts.overwritten}, with something not carried ${counts.lost}, failed ${counts.failed}`,
  ];
  if (!applied) lines.push('nothing was changed: --apply writes');
  else if (counts.created + counts.overwritten + report.done.length === 0) lines.push('nothing had to be changed');
  return `${lines.join('\n')}\n`;
}
