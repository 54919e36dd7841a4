/** The own API's list of users over HTTP: search, status, order, pages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const names = (answer) => answer.items.map(({ name }) => name);

test('a list counts, filters, sorts and pages', async () => {
  const fresh = await startPanel();
  try {
    const node = await seedAgent(fresh);
    const users = [
      ['Zoe', { note: 'Ärger' }, 30],
      ['anna', { email: 'X@example.org' }, 10],
      ['Bert', { monthly_quota: 20 }, 20],
      ['clara', { expires_at: now() - 1 }, 0],
      ['dirk', { total_quota: 5 }, 5],
      ['eve', {}, 40],
    ];
    for (const [name, fields] of users) {
      assert.equal((await fresh.api('POST', '/api/v1/users', { name, ...fields })).status, 201);
      await fresh.db.prepare('UPDATE users SET created_at = 1000 + id').run();
    }
    await fresh.api('POST', '/api/v1/users/eve/disable');
    const slots = new Map((await fresh.db.prepare('SELECT name, slot FROM users').all()).results.map(({ name, slot }) => [name, slot]));
    const lines = users.map(([name, , bytes]) => [slots.get(name), bytes, 0]);
    assert.equal((await node.sync({ report: node.report({ seq: 1, users: lines }) })).status, 200);
    const found = async (query) => {
      const answer = await fresh.api('GET', `/api/v1/users?${query}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(Object.keys(answer.body).sort(), ['items', 'next', 'total']);
      return answer.body;
    };
    const all = await found('');
    assert.deepEqual([names(all), all.total, all.next], [['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe'], 6, null]);
    assert.deepEqual(all.items[0], (await fresh.api('GET', '/api/v1/users/anna')).body);
    for (const [query, expected] of [
      ['sort=name', ['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe']],
      ['sort=-name', ['Zoe', 'eve', 'dirk', 'clara', 'Bert', 'anna']],
      ['sort=used', ['clara', 'dirk', 'anna', 'Bert', 'Zoe', 'eve']],
      ['sort=-used', ['eve', 'Zoe', 'Bert', 'anna', 'dirk', 'clara']],
      ['sort=created', ['Zoe', 'anna', 'Bert', 'clara', 'dirk', 'eve']],
      ['sort=-created', ['eve', 'dirk', 'clara', 'Bert', 'anna', 'Zoe']],
      ['status=active', ['anna', 'Zoe']],
      ['status=limited', ['Bert', 'dirk']],
      ['status=expired', ['clara']],
      ['status=disabled', ['eve']],
      ['search=ER', ['Bert', 'Zoe']],
      ['search=x%40EXAMPLE', ['anna']],
      [`search=${encodeURIComponent('Ärg')}`, ['Zoe']],
      ['search=%25', []],
      [`search=${encodeURIComponent("' OR 1=1 --")}`, []],
      ['search=a&status=active&sort=-name', ['anna']],
      ['search=&status=&sort=', ['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe']],
    ]) {
      const answer = await found(query);
      assert.deepEqual([names(answer), answer.total, answer.next], [expected, expected.length, null], query);
    }
    for (const query of ['sort=name', 'sort=-name', 'sort=used', 'sort=-created', 'search=e', 'status=active']) {
      const whole = await found(query);
      const paged = [];
      let next = 0;
      while (next !== null) {
        const page = await found(`${query}&limit=2&offset=${next}`);
        assert.equal(page.total, whole.total);
        assert.ok(page.items.length <= 2);
        paged.push(...page.items);
        next = page.next;
      }
      assert.deepEqual(paged, whole.items, query);
    }
    const beyond = await found('offset=600');
    assert.deepEqual([beyond.items, beyond.total, beyond.next], [[], 6, null]);
  } finally {
    await fresh.stop();
  }
});

test('a list has 50 users unless told, and at most 200', async () => {
  const crowd = await startPanel();
  try {
    for (let index = 0; index < 205; index += 5) {
      await Promise.all(Array.from({ length: 5 }, (_, of) => crowd.api('POST', '/api/v1/users', { name: `user-${index + of}` })));
    }
    const page = async (query) => {
      const { items, total, next } = (await crowd.api('GET', `/api/v1/users${query}`)).body;
      return [items.length, total, next];
    };
    assert.deepEqual(await page(''), [50, 205, 50]);
    assert.deepEqual(await page('?limit=200'), [200, 205, 200]);
    assert.deepEqual(await page('?limit=200&offset=200'), [5, 205, null]);
    // More were created than one pool holds, and each got a slot of his own.
    const { results } = await crowd.db.prepare('SELECT count(DISTINCT slot) AS slots FROM users').all();
    assert.equal(results[0].slots, 205);
  } finally {
    await crowd.stop();
  }
});
