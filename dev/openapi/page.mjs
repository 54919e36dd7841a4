/** The page that shows a document: plain HTML, which a small script makes searchable. */
import { fields, line, plain, typeOf } from './schema.mjs';
import { escape, inline, paragraphs, slug } from './text.mjs';

/** Static files as pages name them: with a mark of their contents, as src/views/asset.rs makes it, so that a browser may keep them for good. */
export class Marks {
  #read;

  /** @param {(name: string) => Promise<Buffer>} read a file of public/ */
  constructor(read) {
    this.#read = read;
  }

  async of(name) {
    let hash = 0xcbf29ce484222325n;
    for (const byte of await this.#read(name)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
    return `/${name}?v=${hash.toString(16).padStart(16, '0')}`;
  }
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'];
const SHORT = { openapi: 'Own API', 'openapi/marzban': "Marzban's API" };

/**
 * @param {string} name of the document, as its address has it
 * @param {Record<string, object>} all documents by name
 * @param {Marks} marks
 * @returns {Promise<string>}
 */
export async function page(name, all, marks) {
  const document = plain(all[name]);
  const [icon, style, own, script] = await Promise.all(['weir.svg', 'weir.css', 'openapi.css', 'openapi.js'].map((file) => marks.of(file)));
  const areas = document.tags.map((tag) => ({ ...tag, id: slug(tag.name), operations: operationsOf(document, tag.name) }));
  const tabs = Object.keys(all).map((other) => `<a href="/${other}"${other === name ? ' aria-current="page"' : ''}>${SHORT[other]}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${escape(document.info.title)}: API</title>
<link rel="icon" type="image/svg+xml" href="${icon}">
<link rel="stylesheet" href="${style}">
<link rel="stylesheet" href="${own}">
<script type="module" src="${script}"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the operations</a>
<header class="top">
<a class="brand" href="/"><img src="${icon}" alt="" width="28" height="28">Weir</a>
<nav class="menu" aria-label="APIs">${tabs.join('')}</nav>
<span class="gap"></span>
<a class="json" href="/${name}.json">OpenAPI<span> document</span></a>
</header>
<div class="book">
<nav class="side" aria-label="Areas">
<ul>
${areas.map((area) => `<li><a href="#${area.id}">${escape(area.name)} <span>${area.operations.length}</span></a></li>`).join('\n')}
<li><a href="#schemas">Schemas</a></li>
</ul>
</nav>
<main id="main" tabindex="-1">
<h1>${escape(document.info.title)}</h1>
<div class="lead">${paragraphs(document.info.description)}</div>
<form class="find scripted" role="search">
<label class="hidden" for="find">Find an operation</label>
<input id="find" type="search" autocomplete="off" spellcheck="false" placeholder="Find: a word, a path, a method">
<kbd aria-hidden="true">/</kbd>
<output id="found" class="hidden"></output>
</form>
<p class="card empty" id="none" hidden>Nothing fits. <button type="button" id="clear">Show all</button></p>
${areas.map((area) => section(area, document)).join('\n')}
${securitySection(document)}
${schemaSection(document)}
</main>
</div>
</body>
</html>
`;
}

/** Operations of an area. HEAD is told with GET; OPTIONS, which browsers ask by themselves, is in the document alone. */
function operationsOf(document, tag) {
  const found = [];
  for (const [path, item] of Object.entries(document.paths)) {
    const methods = METHODS.filter((method) => item[method]?.tags[0] === tag);
    for (const method of methods.filter((one) => !['head', 'options'].includes(one))) {
      found.push({ method, path, parameters: item.parameters ?? [], operation: item[method], also: method === 'get' && item.head ? ['head'] : [] });
    }
  }
  return found;
}

function section({ id, name, description, operations }, document) {
  return `<section class="area" aria-labelledby="${id}">
<h2 id="${id}" tabindex="-1">${escape(name)}</h2>
<p class="about">${inline(description)}</p>
${operations.map((one) => operation(one, document)).join('\n')}
</section>`;
}

function operation({ method, path, parameters, operation: of, also }, document) {
  const all = [...parameters, ...(of.parameters ?? [])];
  const places = [
    ['path', 'In the path'],
    ['query', 'In the query'],
    ['header', 'In the head'],
  ];
  return `<details class="op card" id="${of.operationId}">
<summary><span class="method ${method}">${method.toUpperCase()}</span><span class="path">${breakable(path)}</span><span class="what">${escape(of.summary)}</span></summary>
<div class="inside">
${paragraphs(of.description)}
${also.length > 0 ? '<p>Also with HEAD, which answers the headers alone.</p>' : ''}
${places
  .map(([place, title]) =>
    given(
      title,
      all.filter((one) => one.in === place),
    ),
  )
  .join('')}
${of.requestBody ? body(of.requestBody) : ''}
<h3>Answers</h3>
<ul class="answers">${Object.entries(of.responses)
    .map(([status, answer]) => response(status, answer))
    .join('\n')}</ul>
${curl(method, path, of, document)}
<p class="link"><a href="#${of.operationId}">Link to this operation</a></p>
</div>
</details>`;
}

/** A path may be broken before each slash. */
const breakable = (path) =>
  escape(path)
    .replaceAll('/', '<wbr>/')
    .replace(/\{\w+\}/g, '<var>$&</var>');

function given(title, parameters) {
  if (parameters.length === 0) return '';
  const items = parameters.map(
    ({ name, required, description, schema }) =>
      `<li><code class="field">${escape(name)}</code>${required ? '' : '<span class="may">optional</span>'} ${line({ ...schema, ...(description && { description }) })}</li>`,
  );
  return `<h3>${title}</h3>\n<ul class="tree">${items.join('\n')}</ul>`;
}

function body({ required, content }) {
  const [[type, { schema }]] = Object.entries(content);
  const note = [type !== 'application/json' && `<code>${escape(type)}</code>`, !required && 'may be missing'].filter(Boolean).join(', ');
  return `<h3>Body${note ? ` <small>${note}</small>` : ''}</h3>\n${content_(schema)}`;
}

/** A schema that has a name is shown where the reader is, by the script; without it the name leads to it. */
function content_(schema) {
  const name = schema.$ref?.split('/').at(-1);
  if (name) return `<div class="shown" data-schema="${name}"><p>${typeOf(schema)}</p></div>`;
  const inner = fields(schema);
  return inner ? `${schema.description ? `<p>${inline(schema.description)}</p>` : ''}${inner}` : `<p>${line(schema)}</p>`;
}

function response(status, { description, content = {}, headers = {} }) {
  const types = Object.entries(content);
  const isGood = status < 400;
  const [type, media] = types[0] ?? [];
  const notJson = types.map(([name]) => name).filter((name) => name !== 'application/json');
  const words = `<span class="code ${isGood ? 'good' : 'bad'}">${status}</span> ${inline(description)}${notJson.length > 0 ? ` <span class="words">${notJson.map((name) => `<code>${name}</code>`).join(' ')}</span>` : ''}`;
  const heads = Object.entries(headers).map(
    ([name, { description: what }]) => `<li><code class="field">${escape(name)}</code> <span class="words">${inline(what)}</span></li>`,
  );
  const more = `${heads.length > 0 ? `<ul class="tree">${heads.join('')}</ul>` : ''}${isGood && type === 'application/json' ? content_(media.schema) : ''}`;
  return `<li>${words}${more}</li>`;
}

/** A call that can be pasted into a shell. */
function curl(method, path, { requestBody, parameters = [], security }, document) {
  const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const needed = parameters.filter((one) => one.required && one.in === 'query').map(({ name }) => `${name}=...`);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => `$${name.toUpperCase()}`);
  const schemes = document.components.securitySchemes;
  const byCookie = security.length > 0 && security.every((one) => Object.keys(one).every((name) => schemes[name].in === 'cookie'));
  const parts = [`curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$PANEL${filled}${needed.length > 0 ? `?${needed.join('&')}` : ''}"`];
  if (byCookie) parts.push('-H "Cookie: __Host-sid=$SESSION"', ...(method === 'get' ? [] : ['-H "Origin: $PANEL"']));
  else if (security.length > 0) parts.push('-H "Authorization: Bearer $KEY"');
  if (type === 'application/json') {
    const example = Object.values(media.examples ?? {})[0]?.value;
    parts.push(
      "-H 'Content-Type: application/json'",
      `-d '${example === undefined ? '{...}' : JSON.stringify(example).replaceAll("'", String.raw`'\''`)}'`,
    );
  } else if (type) parts.push("-d 'username=admin'", '--data-urlencode "password=$PASSWORD"');
  return `<h3>Try it</h3>\n<div class="try"><pre tabindex="0">${escape(parts.join(' \\\n  '))}</pre><button type="button" class="small scripted" data-copy>Copy</button></div>`;
}

function securitySection(document) {
  const items = Object.entries(document.components.securitySchemes).map(
    ([name, { description, bearerFormat, name: cookie }]) =>
      `<li><code class="field">${escape(name)}</code> ${bearerFormat || cookie ? `<span class="type">${cookie ? `Cookie: ${escape(cookie)}` : `Authorization: Bearer ${escape(bearerFormat)}`}</span> ` : ''}<span class="words">${inline(description)}</span></li>`,
  );
  return `<section class="area rest" aria-labelledby="credentials">\n<h2 id="credentials" tabindex="-1">Credentials</h2>\n<ul class="tree card pad">${items.join('\n')}</ul>\n</section>`;
}

function schemaSection(document) {
  const items = Object.entries(document.components.schemas).map(([name, schema]) => {
    const inner = fields(schema);
    return `<details class="op card schema" id="schema-${name}">\n<summary><span class="path">${name}</span></summary>\n<div class="inside">${inner ? `${schema.description ? `<p>${inline(schema.description)}</p>` : ''}${inner}` : `<p>${line(schema)}</p>`}</div>\n</details>`;
  });
  return `<section class="area rest" aria-labelledby="schemas">\n<h2 id="schemas" tabindex="-1">Schemas</h2>\n<p class="about">What several operations take and answer.</p>\n${items.join('\n')}\n</section>`;
}
