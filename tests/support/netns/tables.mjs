/** The tables of nftables in the namespace of this process. */
import { execFileSync } from 'node:child_process';

/** `nft ARGS`. @param {...string} args @returns {string} what it prints */
export function nft(...args) {
  return execFileSync('nft', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}

/** @returns {string} why there can be no rules here; empty if there can */
export function missing() {
  try {
    // Looked at and not made: it holds for the namespaces of a test as well.
    const hook = 'type filter hook egress device lo priority 0;';
    execFileSync('nft', ['-c', '-f', '-'], { input: `table netdev weir-probe {\nchain out {\n${hook}\n}\n}\n`, stdio: ['pipe', 'ignore', 'pipe'], encoding: 'utf8' });
    return '';
  } catch (error) {
    return error.code === 'ENOENT' ? 'nftables is not installed' : `nft cannot make rules: ${error.stderr ?? error.message}`;
  }
}

/** @returns {string[]} `family name` of each table */
export function tables() {
  return nft('list', 'tables').split('\n').filter(Boolean).map((line) => line.replace(/^table /, ''));
}

/**
 * Count what arrives from a port by a device and is not dropped.
 *
 * @param {string} device
 * @param {number} port
 * @returns {{bytes: () => number, remove: () => void}}
 */
export function countFrom(device, port) {
  const chain = `type filter hook input priority 100;\niif "${device}" tcp sport ${port} counter`;
  execFileSync('nft', ['-f', '-'], { input: `table inet weir-count {\nchain in {\n${chain}\n}\n}\n`, stdio: ['pipe', 'ignore', 'pipe'] });
  return {
    bytes: () => Number(/counter packets \d+ bytes (\d+)/.exec(nft('list', 'table', 'inet', 'weir-count'))[1]),
    remove: () => nft('delete', 'table', 'inet', 'weir-count'),
  };
}
