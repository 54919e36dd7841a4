/** A certificate authority for a test, and a server's certificate that it signed. */
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * @param {string[]} names of the server, such as `DNS:localhost` or `IP:::1`
 * @returns {Promise<{ca: string, key: Buffer, certificate: Buffer, chain: Buffer, pins: {own: string, authority: string}, remove: () => Promise<void>}>}
 * `ca` is the path of the authority's certificate, `chain` the server's certificate with the authority's behind it
 */
export async function makeAuthority(names) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-authority-'));
  const file = (name) => path.join(folder, name);
  await run('openssl', ['req', '-x509', ...KEY, '-days', '2', '-subj', '/CN=Weir test authority', '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', file('ca.key'), '-out', file('ca.pem')]);
  await run('openssl', ['req', ...KEY, '-subj', '/CN=weir.test', '-keyout', file('key.pem'), '-out', file('request.pem')]);
  await writeFile(file('extensions'), `subjectAltName=${names.join(',')}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n`);
  await run('openssl', ['x509', '-req', '-in', file('request.pem'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('extensions'), '-out', file('certificate.pem')]);
  const [key, certificate, authority] = await Promise.all(['key.pem', 'certificate.pem', 'ca.pem'].map((name) => readFile(file(name))));
  return {
    ca: file('ca.pem'),
    key,
    certificate,
    chain: Buffer.concat([certificate, authority]),
    pins: { own: pin(certificate), authority: pin(authority) },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** As docs/agent.md shows it with openssl. @param {Buffer} certificate PEM @returns {string} */
export function pin(certificate) {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(key).digest('base64')}`;
}
