/** Which role reaches what, and the scope that a key needs: read from the table that the panel itself decides by. */
import { readFileSync } from 'node:fs';

const table = readFileSync(new URL('../src/domain/role.rs', import.meta.url), 'utf8');
const ROW = /row\("([a-z:]+)",\s+"([a-z:]+)",\s+\[(\w+), +(\w+), +(\w+), +(\w+)\]\)/g;

/** By action. @type {Record<string, {scope: string, reach: {owner: string, admin: string, reseller: string, viewer: string}}>} */
export const roles = Object.fromEntries(
  [...table.matchAll(ROW)].map(([, action, scope, owner, admin, reseller, viewer]) => [action, { scope, reach: { owner, admin, reseller, viewer } }]),
);
if (Object.keys(roles).length === 0) throw new Error('src/domain/role.rs has no table of roles that could be read');
