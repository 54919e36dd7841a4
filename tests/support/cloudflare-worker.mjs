/** A Worker as Cloudflare has it after an upload: its code, bindings and assets, and how miniflare runs it. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** See the module's description. */
export class Worker {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.bindings = [];
    this.modules = [];
    this.classes = [];
    this.assets = new Map();
    this.schedules = [];
    this.isOnWorkersDev = false;
    this.uploads = 0;
    this.version = randomUUID();
  }

  /**
   * Take a version.
   *
   * @param {FormData} form as wrangler sends it
   * @param {(jwt: string) => {manifest: object, files: Map<string, Buffer>}|undefined} sessionOf of an upload of assets
   */
  async take(form, sessionOf) {
    const metadata = JSON.parse(form.get('metadata'));
    const given = metadata.bindings.filter(({ type }) => type !== 'inherit');
    const kept = this.bindings.filter(({ type, name }) => metadata.keep_bindings?.includes(type) && !given.some((one) => one.name === name));
    this.bindings = [...kept, ...given];
    this.modules = await modulesOf(form, metadata.main_module);
    this.compatibilityDate = metadata.compatibility_date;
    this.tag = metadata.migrations?.new_tag ?? this.tag;
    this.classes.push(...(metadata.migrations?.steps ?? []).flatMap((step) => step.new_sqlite_classes ?? []));
    const session = sessionOf(metadata.assets?.jwt);
    if (session) this.assets = new Map(Object.entries(session.manifest).map(([file, { hash }]) => [file, session.files.get(hash)]));
    this.version = randomUUID();
    this.uploads += 1;
  }

  /** @returns {object} what the API says of it */
  service() {
    const script = { tag: this.name, tags: [], migration_tag: this.tag, last_deployed_from: 'wrangler' };
    return { id: this.name, default_environment: { environment: 'production', script } };
  }

  /** @returns {object} what is bound to it; of a secret there is only the name */
  settings() {
    const bindings = this.bindings.map(({ text, ...binding }) => (binding.type === 'secret_text' ? binding : { ...binding, ...(text && { text }) }));
    return { bindings, compatibility_date: this.compatibilityDate, usage_model: 'standard' };
  }

  subdomain() {
    return { enabled: this.isOnWorkersDev, previews_enabled: false };
  }

  deployment() {
    return { id: this.version, source: 'wrangler', strategy: 'percentage', versions: [{ version_id: this.version, percentage: 100 }] };
  }

  /**
   * What miniflare needs to run it: the bindings of the upload, not those of a file of this checkout.
   *
   * @param {string} folder for its assets
   * @param {string[]} hosts that lead to it
   * @returns {Promise<object>}
   */
  async options(folder, hosts) {
    const all = (type) => this.bindings.filter((binding) => binding.type === type);
    const directory = path.join(folder, 'assets', this.name);
    await mkdir(directory, { recursive: true });
    for (const [file, content] of this.assets) {
      await mkdir(path.dirname(path.join(directory, file)), { recursive: true });
      await writeFile(path.join(directory, file), content);
    }
    const known = ['d1', 'secret_text', 'plain_text', 'ratelimit', 'durable_object_namespace', 'assets', 'r2_bucket'];
    const strange = this.bindings.find(({ type }) => !known.includes(type));
    if (strange) throw new Error(`this test knows no binding of type ${strange.type}`);
    return {
      name: this.name,
      // Otherwise miniflare takes a form that a page of this address sends for an attack.
      routes: hosts.map((host) => `${host}/*`),
      compatibilityDate: this.compatibilityDate,
      modules: this.modules,
      bindings: Object.fromEntries([...all('secret_text'), ...all('plain_text')].map(({ name, text }) => [name, text])),
      d1Databases: Object.fromEntries(all('d1').map(({ name, id }) => [name, id])),
      r2Buckets: Object.fromEntries(all('r2_bucket').map(({ name, bucket_name: bucket }) => [name, bucket])),
      ratelimits: Object.fromEntries(all('ratelimit').map(({ name, simple, namespace_id: space }) => [name, { simple, namespace_id: space }])),
      durableObjects: Object.fromEntries(
        all('durable_object_namespace').map(({ name, class_name: className }) => [
          name,
          { className, useSQLite: this.classes.includes(className) },
        ]),
      ),
      ...(all('assets').length > 0 && { assets: { directory, binding: all('assets')[0].name } }),
    };
  }
}

/** @param {import('node:http').IncomingHttpHeaders} headers @param {Buffer} body @returns {Promise<FormData>} */
export function formOf(headers, body) {
  return new Response(body, { headers: { 'content-type': headers['content-type'] } }).formData();
}

async function modulesOf(form, main) {
  const modules = [];
  for (const [name, file] of form) {
    if (name === 'metadata' || /source-map/.test(file.type)) continue;
    const isScript = /javascript/.test(file.type);
    const contents = isScript ? await file.text() : new Uint8Array(await file.arrayBuffer());
    const module = { type: isScript ? 'ESModule' : 'CompiledWasm', path: file.name, contents };
    if (name === main || file.name === main) modules.unshift(module);
    else modules.push(module);
  }
  return modules;
}
