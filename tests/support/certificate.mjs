/** A self-signed certificate for the TLS inbounds of the test nodes. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `.test` is reserved (RFC 6761), so this name can never be somebody's. */
export const TEST_DOMAIN = 'weir.test';

/**
 * Write a key and a self-signed certificate, valid for two days, into a new temporary directory.
 *
 * @param {string[]} [names] whose it is; `*.` stands for any one label
 * @returns {Promise<{certificatePath: string, keyPath: string, remove: () => Promise<void>}>} PEM files; `remove` deletes both
 * @throws {Error} if the `openssl` command is missing or fails
 */
export async function makeCertificate(names = [TEST_DOMAIN]) {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-certificate-'));
  const certificatePath = path.join(directory, 'certificate.pem');
  const keyPath = path.join(directory, 'key.pem');
  try {
    await run('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
      '-keyout', keyPath, '-out', certificatePath,
    ]);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw new Error(`the test certificate needs the openssl command: ${error.message}`, { cause: error });
  }
  return { certificatePath, keyPath, remove: () => rm(directory, { recursive: true, force: true }) };
}
