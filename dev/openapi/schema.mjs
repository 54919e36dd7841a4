/** Schemas as readers want them: a type in words, its bounds, and the fields of an object below it. */
import { escape, inline } from './text.mjs';

const nameOf = (schema) => schema.$ref?.split('/').at(-1);
const types = (schema) => [].concat(schema.type ?? []);
/** An `anyOf` without its `null`. */
const choices = (schema) => (schema.properties ? [] : (schema.anyOf ?? []).filter((one) => one.type !== 'null'));
const isNullable = (schema) => types(schema).includes('null') || (schema.anyOf ?? []).some((one) => one.type === 'null');

/** @param {object} schema @returns {string} HTML of a few words, such as `integer or null` */
export function typeOf(schema) {
  const words = bare(schema);
  return isNullable(schema) && words !== 'null' ? `${words} or null` : words;
}

function bare(schema) {
  if (schema.$ref) return `<a href="#schema-${nameOf(schema)}">${nameOf(schema)}</a>`;
  if (schema.const !== undefined) return `<code>${escape(schema.const)}</code>`;
  if (schema.enum)
    return schema.enum
      .filter((value) => value !== null && value !== '')
      .map((value) => `<code>${escape(value)}</code>`)
      .join(' ');
  const several = choices(schema);
  if (several.length > 0) return [...new Set(several.map(typeOf))].join(' or ');
  const [type] = types(schema).filter((one) => one !== 'null');
  if (type === 'array') return `list of ${typeOf(schema.items)}`;
  if (type === 'object' && !schema.properties && schema.additionalProperties) return `object of ${typeOf(schema.additionalProperties)}`;
  return type ?? (isNullable(schema) || schema.type === 'null' ? 'null' : 'any JSON');
}

/**
 * A document whose named texts and numbers stand where they are spoken of: a reader need not look up what a name may be made of.
 *
 * @param {object} document @returns {object}
 */
export function plain(document) {
  const { schemas } = document.components;
  const isScalar = ({ type }) => type === 'string' || type === 'integer';
  const walk = (part) => {
    if (typeof part !== 'object' || part === null) return part;
    if (Array.isArray(part)) return part.map(walk);
    const named = part.$ref && schemas[nameOf(part)];
    if (named && isScalar(named)) {
      const { $ref: _, ...words } = part;
      return { ...named, ...words };
    }
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, walk(value)]));
  };
  const kept = Object.entries(schemas).filter(([, schema]) => !isScalar(schema));
  return walk({ ...document, components: { ...document.components, schemas: Object.fromEntries(kept) } });
}

/** Bounds in words. */
function rules(schema) {
  const alone = choices(schema);
  if (alone.length === 1 && !alone[0].$ref) return rules({ ...alone[0], ...schema, anyOf: undefined });
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems, maxProperties, pattern, default: standard } = schema;
  const range = (least, most, what) => {
    if (least !== undefined && most !== undefined) return least === most ? `${least}${what}` : `${figure(least)} to ${figure(most)}${what}`;
    if (most !== undefined) return `at most ${figure(most)}${what}`;
    if (least === 1 && what === ' characters') return 'not empty';
    return least ? `at least ${figure(least)}${what}` : '';
  };
  return [
    range(minimum, maximum === 2 ** 53 - 1 ? undefined : maximum, ''),
    exclusiveMinimum !== undefined && `above ${exclusiveMinimum}`,
    range(minLength, maxLength, ' characters'),
    range(minItems, maxItems, ' items'),
    maxProperties && `at most ${maxProperties} fields`,
    // What keeps control characters out, or is too long to be read, says nothing that a reader needs.
    pattern && pattern.length < 60 && !pattern.includes('\\u0000') && `<code>${escape(pattern)}</code>`,
    standard !== undefined && `default <code>${escape(JSON.stringify(standard))}</code>`,
  ]
    .filter(Boolean)
    .join(', ');
}
const figure = (number) => number.toLocaleString('en');

/** @param {object} schema @returns {string} HTML of one line: type, bounds, words */
export function line(schema) {
  const bounds = rules(schema);
  const alone = choices(schema).length === 1 ? choices(schema)[0] : {};
  const example = (schema.examples ?? alone.examples)?.[0];
  const description = schema.description ?? alone.description;
  const words = [
    description && inline(description),
    bounds,
    example !== undefined && typeof example !== 'object' && `such as <code>${escape(example)}</code>`,
  ].filter(Boolean);
  return `<span class="type">${typeOf(schema)}</span>${words.length > 0 ? ` <span class="words">${words.join('; ')}</span>` : ''}`;
}

/** Fields of an object, and of the objects in it; nothing for what has none. @param {object} schema @returns {string} HTML */
export function fields(schema) {
  if (schema.$ref) return '';
  if (schema.items) return fields(schema.items);
  const several = choices(schema);
  if (several.length > 0) return several.map(fields).filter(Boolean).join('<p class="or">or</p>');
  if (!schema.properties) return typeof schema.additionalProperties === 'object' ? fields(schema.additionalProperties) : '';
  const needed = new Set(schema.required ?? []);
  const items = Object.entries(schema.properties).map(
    ([name, field]) =>
      `<li><code class="field">${escape(name)}</code>${needed.has(name) ? '' : '<span class="may">optional</span>'} ${line(field)}${fields(field)}</li>`,
  );
  return `<ul class="tree">${items.join('\n')}</ul>`;
}
