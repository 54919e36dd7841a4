/** Holding the panel's answers against the OpenAPI documents. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

/** Every operation of a document. @param {object} document @returns {Array<{method: string, path: string, operation: object}>} */
export function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ method: method.toUpperCase(), path, operation: item[method], parameters: item.parameters ?? [] })),
  );
}

/** A document by which answers are judged: a field that it does not name is a fault, though clients are told to expect later ones. */
export class Judge {
  #ajv = new Ajv2020({ strict: false, allErrors: true });
  #operations;
  #compiled = new Map();
  /** Statuses that were seen, by operation. @type {Map<string, Set<number>>} */
  seen = new Map();

  constructor(document) {
    formats.default(this.#ajv);
    const closed = structuredClone(document);
    close(closed.components.schemas);
    for (const { operation } of operationsOf(closed)) close(operation.responses);
    this.#ajv.addSchema(closed, 'document');
    // What names a segment comes before what stands for any.
    this.#operations = operationsOf(closed).sort((a, b) => a.parameters.length - b.parameters.length);
  }

  /**
   * @param {string} method
   * @param {string} where path and query
   * @param {{status: number, headers: Headers, text: string, body: unknown}} answer
   * @returns {string[]} what is wrong with it; nothing when it is as the document says
   */
  faults(method, where, { status, headers, text, body }) {
    const path = where.split(/[?#]/)[0];
    const found = this.#operations.find((one) => one.method === method && matches(one.path, path));
    if (!found) return [`${method} ${path}: the document has no such operation`];
    const { operationId, responses } = found.operation;
    if (!this.seen.has(operationId)) this.seen.set(operationId, new Set());
    this.seen.get(operationId).add(status);
    const name = `${operationId} ${status}`;
    const described = responses[status];
    if (!described) return [`${name}: this status is not in the document: ${text.slice(0, 200)}`];
    if (!described.content) return text === '' ? [] : [`${name}: a body is not in the document: ${text.slice(0, 200)}`];
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    const media = described.content[type];
    if (!media) return [`${name}: the document has ${Object.keys(described.content)}, the answer is ${type}`];
    if (type !== 'application/json') return [];
    const isValid = this.#validator(name, found, status, type);
    return isValid(body) ? [] : [`${name}: ${this.#ajv.errorsText(isValid.errors)} in ${text.slice(0, 300)}`];
  }

  /** Whether a body is one that the document says may be sent. */
  takes(operationId, body) {
    const found = this.#operations.find(({ operation }) => operation.operationId === operationId);
    const pointer = `document#/paths/${escaped(found.path)}/${found.method.toLowerCase()}/requestBody/content/application~1json/schema`;
    return this.#ajv.compile({ $ref: pointer })(body);
  }

  #validator(name, { method, path }, status, type) {
    if (!this.#compiled.has(name)) {
      const pointer = `document#/paths/${escaped(path)}/${method.toLowerCase()}/responses/${status}/content/${escaped(type)}/schema`;
      this.#compiled.set(name, this.#ajv.compile({ $ref: pointer }));
    }
    return this.#compiled.get(name);
  }
}

const escaped = (text) => text.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');

/** Whether a path is one of a template. */
export function matches(template, path) {
  const [parts, segments] = [template.split('/'), path.split('/')];
  return parts.length === segments.length && parts.every((part, at) => part === segments[at] || (/^\{\w+\}$/.test(part) && segments[at] !== ''));
}

/** Lets no object of a schema have fields that it does not name. */
function close(schema) {
  if (typeof schema !== 'object' || schema === null) return;
  if (schema.properties && schema.additionalProperties === undefined) schema.additionalProperties = false;
  // What is said of an object beside its fields is only a condition on them.
  const conditions = schema.properties ? ['anyOf', 'oneOf', 'allOf', 'if', 'then'] : [];
  for (const [name, part] of Object.entries(schema)) if (!conditions.includes(name)) close(part);
}
