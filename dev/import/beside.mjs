/** What of a Marzban is neither user nor plan and has a place here in its own form: templates of users, and hosts. */

/** What a host may be without saying so. */
const UNSAID = [null, undefined, '', false];
/** What stands for each node's own address. */
const OWN = '{SERVER_IP}';
const SHOWN = ['data_limit', 'expire_duration', 'username_prefix', 'username_suffix'];

/** @param {object} template as an API shows it @returns {string[]} its tags in an order that tells nothing */
const tagsOf = ({ inbounds }) => Object.values(inbounds ?? {}).flat().sort();

/**
 * In what a template differs from the one of its name here. What is said of inbounds counts only as far as they are known here.
 *
 * @param {object} old
 * @param {object} here
 * @param {Set<string>} known tags
 * @returns {string[]} sentences
 */
export function templateDiffers(old, here, known) {
  const differ = SHOWN.filter((field) => (old[field] ?? null) !== (here[field] ?? null)).map((field) => `${field} old ${old[field] ?? null}, here ${here[field] ?? null}`);
  const tags = tagsOf(old).filter((tag) => known.has(tag));
  const has = tagsOf(here);
  if (known.size > 0 && tags.join() !== has.join()) differ.push(`inbounds old ${tags.join(', ') || 'none'}, here ${has.join(', ') || 'none'}`);
  return differ;
}

/** @param {object} template @param {Set<string>} known tags @returns {string[]} tags of it that nobody knows here; none while nobody knows any */
export function strangeTags(template, known) {
  return known.size > 0 ? tagsOf(template).filter((tag) => !known.has(tag)) : [];
}

/** Whether two hosts say the same. */
function isSame(old, here) {
  const fields = new Set([...Object.keys(old), ...Object.keys(here)]);
  return [...fields].every((field) => {
    const [a, b] = [old[field], here[field]];
    if (field === 'address' && a === OWN) return true;
    return a === b || (UNSAID.includes(a) && UNSAID.includes(b));
  });
}

/** Whether the hosts of a tag are here as they were there. @param {object[]} old @param {object[]} here @returns {boolean} */
export function areSame(old, here) {
  return old.every((host) => here.some((other) => isSame(host, other))) && here.every((other) => old.some((host) => isSame(host, other)));
}

/** @param {string} tag @param {object} host @returns {string} what an operator has to do */
export function hostToDo(tag, { remark, address, port, sni, host, is_disabled: isDisabled }) {
  const facts = [address, port && `port ${port}`, sni && `sni ${sni}`, host && `host ${host}`, isDisabled && 'disabled'].filter(Boolean);
  return `the host "${remark}" of the inbound ${tag} (${facts.join(', ')}): an address of the node with that inbound`;
}
