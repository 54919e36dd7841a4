/** Whose account a deployment is in. */
import { Trouble } from '../home.mjs';
import { WranglerTrouble } from './wrangler.mjs';

/**
 * @param {import('./wrangler.mjs').Wrangler} wrangler
 * @returns {Promise<{id: string, name: string}[]|undefined>} the accounts of the login; undefined if nobody is logged in
 * @throws {Trouble} if Cloudflare does not accept the login, or cannot be asked
 */
export async function signedInAccounts(wrangler) {
  try {
    const { accounts = [] } = await wrangler.json('checking the login', ['whoami', '--json']);
    return accounts;
  } catch (error) {
    if (error instanceof WranglerTrouble && /"loggedIn":\s*false/.test(error.output)) return undefined;
    throw error;
  }
}

/**
 * @param {{id: string, name: string}[]|undefined} accounts of the login
 * @param {{wished?: string, known?: string}} ids the one that the operator asks for, the one that this deployment is in
 * @returns {string} an id
 * @throws {Trouble}
 */
export function chooseAccount(accounts, { wished, known }) {
  if (accounts === undefined) throw new Trouble('not logged in to Cloudflare: run npx wrangler login, or set CLOUDFLARE_API_TOKEN');
  const named = accounts.map(({ id, name }) => `${id} (${name})`).join(', ');
  if (known !== undefined) {
    if (wished !== undefined && wished !== known) {
      throw new Trouble(`this deployment is in account ${known}, and CLOUDFLARE_ACCOUNT_ID is ${wished}: choose another name with NAME=`);
    }
    // A token need not be allowed to list accounts.
    if (accounts.length === 0 || accounts.some(({ id }) => id === known)) return known;
    throw new Trouble(`this deployment is in account ${known}, and the login is for ${named}: log in there`);
  }
  if (wished !== undefined) return wished;
  if (accounts.length === 1) return accounts[0].id;
  if (accounts.length === 0) throw new Trouble('the login does not say which account it is for: set CLOUDFLARE_ACCOUNT_ID');
  throw new Trouble(`the login is for several accounts: set CLOUDFLARE_ACCOUNT_ID to one of ${named}`);
}
