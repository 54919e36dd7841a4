/**
 * The words in which the APIs are described. Each makes a piece of OpenAPI 3.1, whose schemas are JSON Schema 2020-12; `document` puts
 * them together. What is the same everywhere (credentials, errors, path parameters) follows from the path and the scope.
 */

/** @param {string} name of a schema */
export const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
/** The same schema with other words, or bounds. */
export const as = (schema, description, more = {}) => ({ ...schema, description, ...more });
export const text = (description, more = {}) => ({ type: 'string', ...(description && { description }), ...more });
export const bool = (description, more = {}) => ({ type: 'boolean', ...(description && { description }), ...more });
export const int = (minimum, maximum, description, more = {}) => ({
  type: 'integer',
  minimum,
  ...(maximum !== undefined && { maximum }),
  ...(description && { description }),
  ...more,
});
export const number = (description, more = {}) => ({ type: 'number', ...(description && { description }), ...more });
export const any = (description) => ({ description });
export const one = (values, description) => ({ type: 'string', enum: values, ...(description && { description }) });
export const only = (value) => ({ const: value });
export const list = (items, description, more = {}) => ({ type: 'array', items, ...(description && { description }), ...more });
export const map = (values, description, more = {}) => ({
  type: 'object',
  additionalProperties: values,
  ...(description && { description }),
  ...more,
});
export const either = (...schemas) => ({ anyOf: schemas });
const isNullable = ({ type, anyOf }) => [].concat(type).includes('null') || (anyOf ?? []).some((one) => one.type === 'null');
/** A value, or `null`. The description is moved to where readers look for it. */
export function nul(schema, description = schema.description) {
  if (isNullable(schema)) return { ...schema, ...(description && { description }) };
  const { description: _, default: standard, ...bare } = schema;
  const words = { ...(description && { description }), ...(standard !== undefined && { default: standard }) };
  if (bare.$ref || bare.anyOf || bare.const !== undefined) return { anyOf: [...(bare.anyOf ?? [bare]), { type: 'null' }], ...words };
  return { ...bare, type: [].concat(bare.type, 'null'), ...(bare.enum && { enum: [...bare.enum, null] }), ...words };
}

/** Fields of an object. One whose name ends in `?` may be missing. */
function object(fields, more) {
  const names = Object.keys(fields);
  const plain = (name) => name.replace(/\?$/, '');
  const required = names.filter((name) => !name.endsWith('?'));
  const properties = Object.fromEntries(names.map((name) => [plain(name), fields[name]]));
  return { type: 'object', properties, ...(required.length > 0 && { required }), ...more };
}
/** What is answered. Later releases may add fields. */
export const record = (fields, description, more = {}) => object(fields, { ...(description && { description }), ...more });
/** What is sent: a field that is not known is an error. */
export const form = (fields, description, more = {}) => object(fields, { additionalProperties: false, ...(description && { description }), ...more });
/** What is sent to a face that tolerates more fields. */
export const lenient = record;

/** Of a condition: the field is there, and not `null`. */
export const has = (name, type, more) => ({ required: [name], properties: { [name]: { type, ...more } } });

/** The usual list. */
export const page = (item, next = nul(int(0, undefined), 'The `offset` of the next page; `null` at the end')) =>
  record({ items: list(item), total: int(0, undefined, 'All that there are'), next });
/** A list that is given whole. */
export const whole = (item) => record({ items: list(item), total: int(0), next: { type: 'null' } });
/** A list without a count, whose `next` is the `before` of the following page. */
export const stream = (item, next = nul(int(1, undefined))) =>
  record({ items: list(item), next: as(next, 'The `before` of the next page; `null` at the end') });

/** A body or an answer that is JSON. */
const json = (schema, examples) => ({ 'application/json': { schema, ...(examples && { examples: named(examples) }) } });
const named = (examples) =>
  Object.fromEntries(Object.entries(examples).map(([name, value]) => [name.replace(/\W+/g, '-').toLowerCase(), { summary: name, value }]));

/**
 * One operation.
 *
 * @param {string} where `GET /api/v1/users`
 * @param {string} id unique in the document
 * @param {string} summary
 * @param {object} more
 * @param {string|null} [more.scope] that an API key needs; `null`: no credential; `session`: an operator who is signed in
 * @param {string} [more.text] more about it, in Markdown of one paragraph
 * @param {Record<string, object>} [more.query] schemas by name; `name!` is needed
 * @param {Record<string, object>} [more.header]
 * @param {object} [more.body] schema
 * @param {Record<string, unknown>} [more.examples] of the body, by a few words
 * @param {Record<number, [string, object?, string?]>} more.gives words, schema and media type by status
 * @param {Record<number, string>} [more.refuses] besides what always may be refused
 * @param {Record<string, object>} [more.path] schemas of path parameters, unless the document knows them by name
 */
export const op = (where, id, summary, more) => ({ where, id, summary, ...more });

/**
 * @param {object} parts
 * @param {object} parts.info
 * @param {Array<{name: string, description: string, operations: object[], schemas?: object, face?: string}>} parts.areas
 * @param {object} parts.schemas that areas share
 * @param {Record<string, object>} parts.parameters schemas of path parameters by name
 * @param {(operation: object, area: object) => {security: object[], text?: string}} parts.credentials
 * @param {(status: number, face: string) => object} parts.error schema of an error's body
 * @param {(operation: object, area: object) => Record<number, string>} parts.refusals what may always be refused
 * @param {object} parts.securitySchemes
 * @returns {object} an OpenAPI document
 */
export function document({ info, servers, areas, schemas, parameters, credentials, error, refusals, securitySchemes }) {
  const paths = {};
  for (const area of areas) {
    for (const operation of area.operations) {
      const [method, path] = operation.where.split(' ');
      paths[path] ??= pathItem(path, { ...parameters, ...area.parameters, ...(method !== 'OPTIONS' && operation.path) });
      paths[path][method.toLowerCase()] = rendered(operation, area, { credentials, error, refusals });
      if (method === 'OPTIONS' && path.includes('{')) paths[path].options.parameters = pathItem(path, operation.path).parameters;
    }
  }
  const ours = Object.assign({}, schemas, ...areas.map((area) => area.schemas ?? {}));
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info,
    servers,
    tags: areas.map(({ name, description }) => ({ name, description })),
    paths,
    components: { schemas: sorted(ours), securitySchemes },
  };
}

function pathItem(path, schemas) {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  if (names.length === 0) return {};
  const parameters = names.map((name) => {
    if (!schemas[name]) throw new Error(`${path}: nothing is said of {${name}}`);
    const { description, ...schema } = schemas[name];
    return { name, in: 'path', required: true, ...(description && { description }), schema };
  });
  return { parameters };
}

function rendered(operation, area, { credentials, error, refusals }) {
  const { id, summary, query = {}, header = {}, body, examples, gives, refuses = {}, media = 'application/json', bodyNeeded = true } = operation;
  const { security, text: who } = credentials(operation, area);
  const parameter =
    (place) =>
    ([name, { description, ...schema }]) => ({
      name: name.replace(/!$/, ''),
      in: place,
      ...(name.endsWith('!') && { required: true }),
      ...(description && { description }),
      schema,
    });
  const parameters = [...Object.entries(query).map(parameter('query')), ...Object.entries(header).map(parameter('header'))];
  const responses = {};
  for (const [status, [description, schema, type = 'application/json', headers]] of Object.entries(gives)) {
    responses[status] = {
      description,
      ...(headers && { headers }),
      ...(schema && { content: Object.fromEntries([].concat(type).map((one) => [one, { schema }])) }),
    };
  }
  for (const [status, description] of Object.entries({ ...refusals(operation, area), ...refuses })) {
    if (description && !responses[status]) responses[status] = { description, content: error(Number(status), area, operation) };
  }
  return {
    operationId: id,
    tags: [area.name],
    summary,
    ...((operation.text || who) && { description: [operation.text, who].filter(Boolean).join('\n\n') }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: bodyNeeded, content: media === 'application/json' ? json(body, examples) : { [media]: { schema: body } } },
    }),
    responses,
    security,
  };
}

const sorted = (things) => Object.fromEntries(Object.entries(things).sort(([a], [b]) => (a < b ? -1 : 1)));
