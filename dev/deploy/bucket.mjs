/** The bucket that a Worker has for backups: what a machine goes by that did not deploy it. */
import { Trouble } from '../home.mjs';

/** What the Worker calls it. */
export const BINDING = 'BACKUP';

/**
 * @param {import('./api.mjs').Api} api
 * @param {string} worker that exists
 * @returns {Promise<string|undefined>} undefined if none is bound
 * @throws {Trouble} if that cannot be found out: a version without the binding would end the backups, and nobody would be told
 */
export async function boundBucket(api, worker) {
  let bindings;
  try {
    ({ bindings } = await api.call('GET', `/workers/scripts/${worker}/settings`));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    throw new Trouble(`whether the Worker ${worker} has a bucket for backups cannot be read: ${error.message}; run make deploy again, or name it with BACKUP=`);
  }
  return bindings.find(({ type, name }) => type === 'r2_bucket' && name === BINDING)?.bucket_name;
}
