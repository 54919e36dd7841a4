/**
 * An import: what an old panel has is compared with what is here, told, and with `apply` written. A second run finds what the first one made and
 * changes nothing; one that was cut off is taken up by the next.
 */
import { Unanswered, each } from './http.mjs';
import { areSame, hostToDo, strangeTags, templateDiffers } from './beside.mjs';
import { Refused } from './panel.mjs';
import { creation, differences, hidden, isChangeable, separate } from './user.mjs';

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 2_000;

/**
 * @param {import('./panel.mjs').Panel} panel
 * @param {{source: string, users: import('./user.mjs').Wish[], operators: Array<{name: string, isSudo: boolean}>, plans: object[],
 *   templates?: object[], hosts?: Record<string, object[]>, todo: string[]}} old
 * @param {{apply: boolean, overwrite: boolean, secret?: string, atOnce: number, say: (text: string) => void,
 *   passwords: Array<{name: string, password?: string}>}} options `passwords` is filled with the operators that are created as they are, because
 *   nobody can ask for their passwords again, whatever ends the run; they are no part of the report
 * @returns {Promise<object>} the report
 */
export async function importInto(panel, old, options) {
  const run = new Run(panel, old, options);
  await run.look();
  await run.beside();
  await run.users();
  return run.report();
}

class Run {
  #panel;
  #old;
  #options;
  #existing = new Map();
  #operators = new Map();
  #hasOwners;
  #created = [];
  #differing = [];
  #failed = [];
  #done = [];
  #todo;
  #unchanged = 0;

  constructor(panel, old, options) {
    this.#panel = panel;
    this.#old = old;
    this.#options = options;
    this.#todo = [...old.todo];
    this.#hasOwners = old.users.some(({ owner }) => owner !== null) || old.operators.length > 0;
    separate(old.users);
  }

  /** What is here already. */
  async look() {
    for (const user of await this.#panel.all('/users')) this.#existing.set(user.name.toLowerCase(), user);
    if (!this.#hasOwners) return;
    const { items } = await this.#panel.call('GET', '/operators');
    for (const operator of items) this.#operators.set(operator.name.toLowerCase(), operator);
  }

  /** Everything that is no user: what users need comes first. */
  async beside() {
    await this.#secret();
    await this.#plans();
    await this.#templates();
    await this.#hosts();
    await this.#owners();
  }

  async #secret() {
    const { secret, apply, overwrite } = this.#options;
    if (secret === undefined) return;
    const { jwt_secret_key_set: isSet } = await this.#panel.call('GET', '/settings/marzban');
    if (isSet && !overwrite) {
      this.#todo.push('a secret of a Marzban is set already; nobody can tell whether it is this one: --overwrite sets it again');
      return;
    }
    if (apply) await this.#panel.call('PUT', '/settings/marzban', { jwt_secret_key: secret });
    this.#done.push('the secret with which the old links were signed: set');
  }

  async #plans() {
    if (this.#old.plans.length === 0) return;
    const { items } = await this.#panel.call('GET', '/plans');
    const here = new Map(items.map((plan) => [plan.name.toLowerCase(), plan]));
    for (const plan of this.#old.plans) {
      const same = here.get(plan.name.toLowerCase());
      const differs = same && Object.keys(plan).filter((field) => field !== 'name' && plan[field] !== same[field]);
      if (differs?.length > 0) this.#todo.push(`the plan ${plan.name} exists with other values: ${differs.map((field) => `${field} old ${plan[field]}, here ${same[field]}`).join('; ')}`);
      if (same) continue;
      await this.#beside(`the plan ${plan.name}`, () => this.#panel.call('POST', '/plans', plan));
    }
  }

  /** Templates of users, for clients that make users of them. */
  async #templates() {
    const { templates = [] } = this.#old;
    if (templates.length === 0) return;
    const here = new Map((await this.#panel.marzban('GET', '/api/user_template')).map((template) => [template.name, template]));
    const known = new Set(Object.values(await this.#panel.marzban('GET', '/api/inbounds')).flatMap((list) => list.map(({ tag }) => tag)));
    for (const template of templates) {
      const same = here.get(template.name);
      const differs = same ? templateDiffers(template, same, known) : [];
      if (differs.length > 0) this.#todo.push(`the template ${template.name} exists with other values: ${differs.join('; ')}`);
      const strange = strangeTags(template, known);
      if (strange.length > 0) this.#todo.push(`the template ${template.name} names inbounds that no node has: ${strange.join(', ')}`);
      if (same) continue;
      await this.#beside(`the template ${template.name}`, () => this.#panel.marzban('POST', '/api/user_template', template));
    }
  }

  /** Hosts of inbounds that a node here has; the others are to do. */
  async #hosts() {
    const old = Object.entries(this.#old.hosts ?? {}).filter(([, hosts]) => hosts.length > 0);
    if (old.length === 0) return;
    const here = await this.#panel.marzban('GET', '/api/hosts').catch((error) => {
      if (!(error instanceof Refused) || error.status !== 403) throw error;
      this.#todo.push('hosts: the key needs nodes:read and nodes:write');
      return {};
    });
    for (const [tag, hosts] of old) {
      const there = here[tag];
      if (!there) this.#todo.push(...hosts.map((host) => hostToDo(tag, host)));
      else if (areSame(hosts, there)) continue;
      else if (there.length > 0 && !this.#options.overwrite) this.#todo.push(`the inbound ${tag} has other hosts here: --overwrite puts the old ones there`, ...hosts.map((host) => hostToDo(tag, host)));
      else await this.#beside(`the hosts of the inbound ${tag} (${hosts.length})`, () => this.#put(tag, hosts));
    }
  }

  /** Puts hosts; if they are not taken together, those that are taken, and the others are to do. */
  async #put(tag, hosts) {
    const put = (list) => this.#panel.marzban('PUT', '/api/hosts', { [tag]: list });
    try {
      return await put(hosts);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 422) throw error;
    }
    const taken = [];
    for (const host of hosts) {
      try {
        await put([...taken, host]);
        taken.push(host);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 422) throw error;
        this.#todo.push(`${hostToDo(tag, host)}; as it is it was refused: ${error.field}: ${error.message}`);
      }
    }
  }

  async #owners() {
    for (const { name, isSudo } of this.#old.operators) {
      if (this.#operators.has(name.toLowerCase())) continue;
      if (isSudo) {
        this.#todo.push(`the sudo admin ${name} is no operator here: his users are the panel's own until he is one`);
        continue;
      }
      await this.#beside(`the operator ${name}, a reseller`, () => this.#operator(name));
      if (!this.#options.apply) this.#operators.set(name.toLowerCase(), { name });
    }
  }

  /** Creates an operator. He is noted before: he may be there though no answer comes. */
  async #operator(name) {
    const noted = { name };
    const { passwords } = this.#options;
    passwords.push(noted);
    try {
      const made = await this.#panel.call('POST', '/operators', { name, role: 'reseller' });
      noted.password = made.password;
      this.#operators.set(name.toLowerCase(), made);
    } catch (error) {
      if (!(error instanceof Unanswered)) passwords.pop();
      throw error;
    }
  }

  /** Does one thing that is no user; a refusal does not stop the rest. */
  async #beside(what, deed) {
    try {
      if (this.#options.apply) await deed();
      this.#done.push(`${what}: created`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#failed.push({ name: what, field: error.field, why: error.message });
    }
  }

  async users() {
    const { users } = this.#old;
    let told = Date.now();
    let done = 0;
    await each(users, this.#options.atOnce, async (wish) => {
      try {
        await this.#one(wish);
      } catch (error) {
        if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
        this.#failed.push({ name: wish.name, field: error.field, why: error.message });
      }
      done += 1;
      if (Date.now() - told < PROGRESS_MS && done < users.length) return;
      told = Date.now();
      this.#options.say(`${done} of ${users.length} users`);
    });
  }

  async #one(wish) {
    // Whose operator is none here is the panel's own.
    if (!this.#operators.has(wish.owner?.toLowerCase())) wish.owner = null;
    const user = this.#existing.get(wish.name.toLowerCase());
    if (user) return this.#compare(wish, user);
    let isLinked = wish.alias !== null;
    if (this.#options.apply) {
      await this.#create(wish);
      isLinked &&= await this.#addAlias(wish);
    }
    const { name, credentials, ...fields } = creation(wish);
    const ofCredentials = Object.keys(credentials ?? {}).map((field) => [`credentials.${field}`, hidden()]);
    const ofAlias = isLinked ? [['alias', hidden()]] : [];
    this.#created.push({ name, fields: [...Object.entries(fields), ...ofCredentials, ...ofAlias] });
  }

  /** His old link goes on to work, unless it is another user's here or none that the panel takes. @returns {Promise<boolean>} whether it does */
  async #addAlias(wish) {
    try {
      await this.#panel.call('POST', this.#panel.user(wish.name, '/aliases'), { alias: wish.alias });
      return true;
    } catch (error) {
      if (![409, 422].includes(error.status)) throw error;
      wish.lost.push({ field: 'alias', value: hidden(), why: error.message });
      return false;
    }
  }

  /** Creates a user; of a credential that somebody here has already he gets another one. */
  async #create(wish) {
    for (;;) {
      try {
        return await this.#panel.call('POST', '/users', creation(wish));
      } catch (error) {
        const field = error.status === 409 && /^credentials\.(\w+): /.exec(error.message)?.[1];
        if (!field || !(field in wish.credentials)) throw error;
        delete wish.credentials[field];
        wish.lost.push({ field: `credentials.${field}`, value: hidden(), why: 'another user here has the same' });
      }
    }
  }

  async #compare(wish, user) {
    const hasSecrets = Object.keys(wish.credentials).length > 0;
    const credentials = hasSecrets ? await this.#panel.call('GET', this.#panel.user(user.name, '/credentials')) : {};
    const aliases = wish.alias === null ? [] : (await this.#panel.call('GET', this.#panel.user(user.name, '/aliases'))).items.map(({ alias }) => alias);
    const owner = [...this.#operators.values()].find(({ id }) => id !== undefined && id === user.owner_id)?.name ?? null;
    const fields = differences(wish, { user, credentials, owner, aliases }, this.#hasOwners);
    if (fields.length === 0) {
      this.#unchanged += 1;
      return;
    }
    // An alias takes nothing's place: a run that was cut off before it is taken up by the next.
    const isTaken = ({ field }) => field === 'alias' || (this.#options.overwrite && isChangeable(field));
    let overwritten = fields.filter(isTaken).map(({ field }) => field);
    if (this.#options.apply && overwritten.length > 0) overwritten = await this.#overwrite(wish, user, overwritten);
    this.#differing.push({ name: user.name, fields, overwritten });
  }

  /** @returns {Promise<string[]>} the fields that he has now */
  async #overwrite(wish, user, fields) {
    const at = (rest) => this.#panel.user(user.name, rest);
    const change = Object.fromEntries(fields.filter((field) => field in wish.account).map((field) => [field, wish.account[field]]));
    if (Object.keys(change).length > 0) await this.#panel.call('PATCH', at(''), change);
    if (fields.some((field) => field.startsWith('credentials.'))) await this.#panel.call('PUT', at('/credentials'), wish.credentials);
    if (fields.includes('disabled')) await this.#panel.call('POST', at(wish.disabled ? '/disable' : '/enable'));
    if (fields.includes('owner')) await this.#panel.call('PUT', at('/owner'), { operator: wish.owner });
    const isLinked = fields.includes('alias') && (await this.#addAlias(wish));
    return fields.filter((field) => field !== 'alias' || isLinked);
  }

  report() {
    const { users, source } = this.#old;
    const byName = (a, b) => (a.name < b.name ? -1 : 1);
    const lost = users.flatMap(({ name, lost: fields }) => fields.map((field) => ({ name, ...field })));
    const counts = {
      found: users.length,
      created: this.#created.length,
      unchanged: this.#unchanged,
      differing: this.#differing.length,
      overwritten: this.#differing.filter(({ overwritten }) => overwritten.length > 0).length,
      lost: new Set(lost.map(({ name }) => name)).size,
      failed: this.#failed.length,
    };
    const stays = this.#differing.some(({ fields, overwritten }) => overwritten.length < fields.length);
    return {
      source,
      applied: this.#options.apply,
      allWell: !stays && counts.lost === 0 && counts.failed === 0,
      counts,
      created: this.#created.sort(byName),
      differing: this.#differing.sort(byName),
      lost,
      failed: this.#failed.sort(byName),
      done: this.#done,
      todo: this.#todo,
    };
  }
}
