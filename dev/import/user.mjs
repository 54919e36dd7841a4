/**
 * A user of an old panel as this one takes him, and in what one who exists differs from that.
 *
 * @typedef {object} Wish
 * @property {string} name here
 * @property {string} was what the old panel calls him
 * @property {Record<string, unknown>} account fields of `POST /api/v1/users` that can be changed later too
 * @property {Record<string, string>} credentials
 * @property {Record<string, number>} brought what is set at his creation alone
 * @property {boolean} disabled a person has shut him out
 * @property {string|null} owner an operator's name
 * @property {string|null} alias what stands in his old link where a token does here
 * @property {string} [status] what the old panel says
 * @property {Array<{field: string, value: unknown, why: string}>} lost what cannot be carried
 */

/** Of what is set at his creation alone: what is told of a user afterwards. */
const TOLD = ['created_at', 'monthly_used', 'total_used'];

/** @param {string} was @returns {Wish} one of whom nothing is known but the name */
export function wishOf(was) {
  return { name: was, was, account: {}, credentials: {}, brought: {}, disabled: false, owner: null, alias: null, lost: [] };
}

/** @param {Wish} wish @returns {object} the body that creates him */
export function creation(wish) {
  return {
    name: wish.name,
    ...without(wish.account),
    ...wish.brought,
    ...(wish.disabled && { disabled: true }),
    ...(wish.owner && { owner: wish.owner }),
    ...(Object.keys(wish.credentials).length > 0 && { credentials: wish.credentials }),
  };
}

/** What is `null` is not said: it is so without it. */
function without(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

/**
 * What differs between a user who exists and what the old panel says of him; of a credential, that it does.
 *
 * @param {Wish} wish
 * @param {{user: object, credentials: object, owner: string|null, aliases: string[]}} found
 * @param {boolean} knowsOwners whether owners were read at all
 * @returns {Array<{field: string, old: unknown, here: unknown}>}
 */
export function differences(wish, { user, credentials, owner, aliases }, knowsOwners) {
  const found = [];
  const compare = (field, old, here, told = (value) => value) => {
    if (JSON.stringify(old ?? null) !== JSON.stringify(here ?? null)) found.push({ field, old: told(old ?? null), here: told(here ?? null) });
  };
  for (const [field, value] of Object.entries(wish.account)) compare(field, plain(field, value), plain(field, user[field]));
  for (const field of TOLD) if (field in wish.brought) compare(field, wish.brought[field], user[field]);
  compare('disabled', wish.disabled, user.reason === 'person');
  for (const [field, value] of Object.entries(wish.credentials)) compare(`credentials.${field}`, value, credentials[field], (one) => one && hidden());
  if (wish.alias !== null && !aliases.includes(wish.alias)) found.push({ field: 'alias', old: hidden(), here: null });
  if (knowsOwners) compare('owner', wish.owner?.toLowerCase() ?? null, owner?.toLowerCase() ?? null);
  return found;
}

/** A field as it is compared: with what is meant by a part that is missing, in one order. */
function plain(field, value) {
  if (value === null || value === undefined) return field === 'note' ? '' : null;
  if (field === 'next_plan') {
    const { monthly_quota = 0, expires_at = null, plan = null, add_remaining_traffic, fire_on_either } = value;
    return { plan, monthly_quota, expires_at, add_remaining_traffic, fire_on_either };
  }
  if (field === 'protocols') {
    const names = Object.keys(value).sort();
    return Object.fromEntries(names.map((name) => [name, { flow: value[name].flow ?? '', method: value[name].method ?? null, excluded: [...(value[name].excluded ?? [])].sort() }]));
  }
  return value;
}

/** @param {string} field @returns {boolean} whether a user who exists can be given it */
export function isChangeable(field) {
  return !TOLD.includes(field);
}

/** @param {string} old @returns {string} a name that the panel takes */
export function nameFrom(old) {
  return old.replace(/[^A-Za-z0-9_.@-]/g, '_').slice(0, 32).padEnd(3, '_');
}

/**
 * Two users cannot have one name or one credential: the later one in the order of names loses it.
 *
 * @param {Wish[]} wishes changed in place
 */
export function separate(wishes) {
  const names = new Set();
  const owners = new Map();
  wishes.sort((a, b) => (a.was < b.was ? -1 : 1));
  for (const wish of wishes) {
    const base = nameFrom(wish.was);
    let name = base;
    for (let number = 2; names.has(name.toLowerCase()); number += 1) name = `${base.slice(0, 32 - `-${number}`.length)}-${number}`;
    names.add(name.toLowerCase());
    if (name !== wish.was) wish.lost.push({ field: 'name', value: wish.was, why: `he is called ${name} here` });
    wish.name = name;
    for (const [field, value] of Object.entries(wish.credentials)) {
      // What tells a user of tuic is his uuid.
      if (field === 'tuic_password') continue;
      const key = `${field}\n${value}`;
      const other = owners.get(key);
      if (other === undefined) owners.set(key, wish.name);
      else {
        delete wish.credentials[field];
        wish.lost.push({ field: `credentials.${field}`, value: hidden(), why: `${other} has the same` });
      }
    }
  }
}

/** A credential in a report: that there is one. */
export function hidden() {
  return '(secret)';
}
