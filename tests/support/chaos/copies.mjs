/** Backups of a panel that is in the middle of everything, and the restore of one, by the commands that an operator has. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';

import { ROOT } from '../panel.mjs';
import { until } from '../site.mjs';
import { assertAccount } from './account.mjs';

/** Agents that were without a panel for long wait for up to a minute; then everybody replays. */
const REPLAYED_WITHIN_MS = 240_000;

export class Copies {
  #kept = null;

  /** @param {import('./run.mjs').Run} run */
  constructor(run) {
    this.run = run;
  }

  /** @returns {boolean} whether a backup was made */
  get hasOne() {
    return this.#kept !== null;
  }

  /** A backup while the nodes go on and nobody else changes anything. */
  async backup() {
    const { fleet, product, done } = this.run;
    // A run that died with the panel keeps others from beginning for a quarter of an hour, and rounds may follow each other faster.
    await fleet.panel.db.prepare('UPDATE backup_state SET held_until = NULL').run();
    const { body: before } = await product.ask(undefined, 'GET', '/api/v1/backups');
    await product.ask(undefined, 'POST', '/api/v1/backups');
    let instant;
    await until('the backup is complete', async () => {
      await fleet.panel.cron('backup');
      const { body } = await product.ask(undefined, 'GET', '/api/v1/backups');
      instant = body.items.find((item) => item.complete && !before.items.some((old) => old.instant === item.instant))?.instant;
      return instant;
    }).catch(async (error) => {
      const { body } = await product.ask(undefined, 'GET', '/api/v1/jobs');
      throw new Error(`${error.message}: ${JSON.stringify(body.items.find(({ name }) => name === 'backup'))}`, { cause: error });
    });
    const folder = path.join(fleet.folder, `copy-${done.backups % 2}`);
    await rm(folder, { recursive: true, force: true });
    await this.#command('backup.mjs', { LOCAL: fleet.folder, TO: folder, INSTANT: String(instant) });
    this.#kept = { folder, product: product.snapshot() };
    done.backups += 1;
  }

  /** The database is lost and restored from the backup; the nodes go on all the while. */
  async restore(dice) {
    const { run } = this;
    const { fleet, ledgers } = run;
    const { panel } = fleet;
    for (const node of fleet.nodes) run.flow(node, run.people, dice.split());
    await run.away(async () => {
      await panel.stop();
      await rm(path.join(panel.folder, 'v3/d1'), { recursive: true });
      for (const node of ledgers) for (let times = 0; times < 5; times += 1) node.spend(dice.one(run.people), 1000, dice.from(1, 200_000));
      await this.#command('restore.mjs', { LOCAL: fleet.folder, FROM: this.#kept.folder });
      await panel.start();
      // The command has this machine's clock, and not that of the bench.
      const sql = "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + ?1 AS TEXT) WHERE name = 'restored_at'";
      await panel.db.prepare(sql).bind(run.clocks.ahead).run();
    }, false);
    run.restoredAt = run.clocks.now;
    this.#kept.product();
    const { results: epochs } = await panel.db.prepare('SELECT epoch, last_seq FROM epochs').all();
    const last = new Map(epochs.map(({ epoch, last_seq: seq }) => [epoch, seq]));
    for (const node of ledgers) node.restored(last);
    assert.equal(await panel.cron('pool'), 'ok');
    for (const node of fleet.nodes) run.still(node);
    const isOver = async () => {
      for (const node of ledgers) await node.talk();
      return !(await panel.db.prepare("SELECT 1 FROM meta WHERE name = 'restored_at'").first());
    };
    await fleet.explained(until('nobody is waited for', isOver, { limitMs: REPLAYED_WITHIN_MS }));
    await run.settle();
    await assertAccount(run);
    run.done.checks += 1;
    run.done.restores += 1;
  }

  /** One of the commands, as make runs it. */
  async #command(file, env) {
    const child = spawn(process.execPath, [path.join(ROOT, 'dev', file)], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (data) => (said += data));
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, said);
  }
}
