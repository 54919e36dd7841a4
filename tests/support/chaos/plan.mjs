/** What goes wrong in one round, drawn from the seed before anything of it happens: the same seed makes the same sequence of faults. */
import { drawn } from '../chaos.mjs';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** Faults between two looks at the account. */
export const ROUND = 50;

/** What can happen to a host with a real agent, and its share. */
const HOST = [
  ['killAtPoint', 4],
  ['killAnyTime', 3],
  ['killBeforeAnswer', 3],
  ['freeze', 3],
  ['fullDisk', 2],
  ['stepClock', 2],
  ['endTwice', 2],
  ['gateWhileCoreIsDown', 2],
];
const POINTS = ['Credit', 'Save', 'Commit', 'Seal', 'Send', 'Reply', 'Ack'];
/** What can happen to an admin's or a client's request. */
const REQUEST = [
  ['crash', 6],
  ['twice', 3],
];
/** What a receiver of notices does instead of taking them. */
const RECEIVER = ['500', 'cut', '503', '302', '429'];
const PANEL = [
  ['freeze', 3],
  ['kill', 2],
  ['redeploy', 1],
];
/** The kinds of faults, of a hundred. A ledger's and a receiver's are cheap, the others take a second. */
const KINDS = [
  ['ledger', 72],
  ['putBack', 2],
  ['wire', 6],
  ['request', 8],
  ['receiver', 6],
  ['host', 4],
  ['panel', 2],
];

function weighted(dice, entries) {
  let roll = dice.from(0, entries.reduce((sum, [, share]) => sum + share, 0));
  return entries.find(([, share]) => (roll -= share) < 0)[0];
}

/** How far all clocks go on after a round. */
function passing(dice) {
  const roll = dice.from(0, 100);
  if (roll < 60) return 0;
  if (roll < 85) return dice.from(MINUTE, HOUR);
  return roll < 97 ? dice.from(HOUR, 10 * HOUR) : DAY + dice.from(0, DAY / 2);
}

/**
 * @typedef {object} Round
 * @property {Array<Array<{name: string, text: string, fault?: import('../fault-proxy.mjs').Fault}>>} ledgers by node
 * @property {Array<Array<{name: string, text: string, fault: import('../fault-proxy.mjs').Fault}>>} wires of the real agents, by node
 * @property {string[][]} hosts of the real agents, by node
 * @property {string[]} requests
 * @property {string[]} receiver
 * @property {string[]} panel
 * @property {number} passing seconds
 * @property {boolean} backsUp
 * @property {boolean} restores
 * @property {string} text all of it
 */

/**
 * @param {import('../dice.mjs').Dice} dice
 * @param {{ledgers: number, hosts: number, faults?: number}} options how many nodes of each kind there are
 * @returns {Round}
 */
export function planned(dice, { ledgers, hosts, faults = ROUND }) {
  const lists = (count) => Array.from({ length: count }, () => []);
  const round = { ledgers: lists(ledgers), wires: lists(hosts), hosts: lists(hosts), requests: [], receiver: [], panel: [] };
  for (let fault = 0; fault < faults; fault += 1) add(round, weighted(dice, KINDS), dice);
  Object.assign(round, { backsUp: dice.from(0, 8) === 0, restores: dice.from(0, 12) === 0, passing: passing(dice) });
  const named = (list) => list.map((one) => one.text ?? one).join(', ');
  round.text = JSON.stringify({ ...round, ledgers: round.ledgers.map(named), wires: round.wires.map(named) });
  return round;
}

function add(round, kind, dice) {
  if (kind === 'ledger') dice.one(round.ledgers).push(drawn(dice, 50));
  else if (kind === 'putBack') dice.one(round.ledgers).push({ name: kind, text: kind });
  else if (kind === 'wire') dice.one(round.wires).push(drawn(dice, 4));
  else if (kind === 'request') round.requests.push(request(dice));
  else if (kind === 'receiver') round.receiver.push(dice.one(RECEIVER));
  else if (kind === 'host') dice.one(round.hosts).push(host(dice));
  else round.panel.push(`${weighted(dice, PANEL)} ${dice.from(100, 800)}`);
}

function host(dice) {
  const what = weighted(dice, HOST);
  return what === 'killAtPoint' ? `${what} ${dice.one(POINTS)}:${dice.from(1, 4)}` : `${what} ${dice.from(100, 2000)}`;
}

function request(dice) {
  const what = weighted(dice, REQUEST);
  return what === 'crash' ? `${what} ${dice.from(0, 8)}` : what;
}
