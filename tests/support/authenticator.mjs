/** An authenticator of passkeys in software, which also says what no real one would say. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const PRESENT = 0x01;
const VERIFIED = 0x04;
const ATTESTED = 0x40;

const sha256 = (data) => createHash('sha256').update(data).digest();
const base64url = (data) => Buffer.from(data).toString('base64url');

/** See the module's description. */
export class Authenticator {
  #keys;
  id = randomBytes(32);

  /** @param {string} origin of the panel @param {'ES256'|'RS256'} [algorithm] */
  constructor(origin, algorithm = 'ES256') {
    this.origin = origin;
    this.algorithm = algorithm === 'ES256' ? -7 : -257;
    this.#keys = algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  }

  #data({ site = new URL(this.origin).hostname, flags, count = 0 }, rest = Buffer.alloc(0)) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(count);
    return Buffer.concat([sha256(site), Buffer.from([flags]), counter, rest]);
  }

  #says(type, challenge, origin) {
    return Buffer.from(JSON.stringify({ type, challenge: base64url(challenge), origin, crossOrigin: false }));
  }

  /** @returns {object} the body that keeps a new passkey */
  make(name, challenge, { origin = this.origin, flags = PRESENT | VERIFIED, ...how } = {}) {
    const length = Buffer.from([0, this.id.length]);
    return {
      name,
      client_data: base64url(this.#says('webauthn.create', challenge, origin)),
      authenticator_data: base64url(this.#data({ flags: flags | ATTESTED, ...how }, Buffer.concat([Buffer.alloc(16), length, this.id]))),
      public_key: base64url(this.#keys.publicKey.export({ type: 'spki', format: 'der' })),
      algorithm: this.algorithm,
    };
  }

  /** @returns {Record<string, string>} the fields of the form that signs in */
  show(user, challenge, { origin = this.origin, flags = PRESENT | VERIFIED, type = 'webauthn.get', ...how } = {}) {
    const clientData = this.#says(type, challenge, origin);
    const data = this.#data({ flags, ...how });
    return {
      passkey: base64url(this.id),
      user: base64url(String(user)),
      client_data: base64url(clientData),
      authenticator_data: base64url(data),
      signature: base64url(sign('sha256', Buffer.concat([data, sha256(clientData)]), this.#keys.privateKey)),
    };
  }
}
