/** An operator's page of his own sign-in, driven in a real browser: the password, the second factor, where he is signed in. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, sendLogin, signIn, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { codeOf } from './support/totp.mjs';
import { MARKUP, text, visitAs } from './support/visits.mjs';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

let panel;
let browser;
let owner;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (somebody, where, look) => visitAs(panel, browser, somebody, where, look);

/** The browser itself says so of every refusal. */
const refused = (status) => (complaint) => complaint === `console: Failed to load resource: the server responded with a status of ${status} (Unprocessable Entity)`;

async function calm(page) {
  assert.deepEqual(page.complaints.filter((complaint) => !refused(422)(complaint)), []);
  await page.context().close();
}

for (const role of ['admin', 'reseller', 'viewer']) {
  test(`every role gives itself a new password, which is shown once and ends the old one (${role})`, async () => {
    const ann = await addOperator(panel, owner, { name: `new-${role}`, role });
    const elsewhere = await signIn(panel, ann.name, ann.password);
    const page = await visit(ann, '/');
    if (role === 'reseller') await page.goto(`${panel.url}/users`);
    await page.getByRole('link', { name: ann.name }).click();
    await page.waitForURL(`${panel.url}/account`);
    assert.match(await text(page.locator('.reason')), new RegExp(`${ann.name} · ${role}`));
    await page.locator('#password').fill('wrong');
    await page.getByRole('button', { name: 'New password' }).click();
    await page.locator('#password-error').getByText('it is wrong').waitFor();
    await page.locator('#password').fill(ann.password);
    await page.getByRole('button', { name: 'New password' }).click();
    await page.locator('#new-password').waitFor();
    const password = await text(page.locator('#new-password-text'));
    assert.match(password, /^[0-9a-f]{32}$/);
    assert.equal((await elsewhere.api('GET', '/api/v1/me')).status, 401, 'other sessions end');
    assert.equal((await sendLogin(panel, { name: ann.name, password: ann.password })).status, 401);
    await signIn(panel, ann.name, password);
    await page.getByRole('link', { name: 'Done' }).click();
    await page.waitForLoadState();
    assert.ok(!(await page.content()).includes(password), 'shown once');
    await calm(page);
  });
}

test('a second factor is set up with the code of its picture, renewed, and turned off', async () => {
  const ben = await addOperator(panel, owner, { name: 'ben', role: 'viewer' });
  const page = await visit(ben, '/account');
  assert.match(await text(page.locator('#factor-title')), /off/);
  await page.locator('#enrol-password').fill(ben.password);
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.locator('#confirm').waitFor();
  const secret = await text(page.locator('#secret'));
  assert.match(secret, /^[A-Z2-7]{32}$/);
  const picture = page.getByAltText('QR code for your authenticator app');
  await picture.evaluate((image) => image.decode());
  assert.ok(await picture.evaluate((image) => image.naturalWidth > 0));

  await page.getByLabel('Code that the app shows').fill('000000');
  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.locator('#code-error').getByText('six digits').waitFor();
  await page.getByLabel('Code that the app shows').fill(codeOf(secret));
  await page.getByRole('button', { name: 'Turn on' }).click();
  await page.locator('#codes').waitFor();
  const codes = (await text(page.locator('#codes-text'))).split(' ');
  assert.equal(codes.length, 10);
  assert.equal(await page.locator('#secret').isVisible(), false, 'the secret is gone');
  const ticket = async () => /name="ticket" value="([^"]+)"/.exec((await sendLogin(panel, { name: 'ben', password: ben.password })).text)?.[1];
  assert.equal((await sendLogin(panel, { ticket: await ticket(), code: codes[0] })).status, 303);

  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByText('Recovery codes left: 9').waitFor();
  assert.match(await text(page.locator('#factor-title')), /on$/);
  await page.getByRole('button', { name: 'New recovery codes' }).click();
  const renew = page.locator('dialog#renew');
  await renew.locator('#renew-password').fill('wrong');
  await renew.getByRole('button', { name: 'New recovery codes' }).click();
  await renew.locator('#renew-password-error').getByText('it is wrong').waitFor();
  await renew.locator('#renew-password').fill(ben.password);
  await renew.getByRole('button', { name: 'New recovery codes' }).click();
  await page.locator('#codes').waitFor();
  const renewed = (await text(page.locator('#codes-text'))).split(' ');
  assert.equal(renewed.length, 10);
  assert.equal((await sendLogin(panel, { ticket: await ticket(), code: codes[1] })).status, 401, 'the old codes end');

  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Turn off' }).click();
  await page.locator('#off-password').fill(ben.password);
  await page.locator('dialog#turn-off').getByRole('button', { name: 'Turn off' }).click();
  await page.locator('#factor-title').getByText('off').waitFor();
  await signIn(panel, 'ben', ben.password);
  await calm(page);
});

test('sessions are told apart, and ended one by one or all but this one', async () => {
  const cara = await addOperator(panel, owner, { name: 'cara', role: 'viewer' });
  const fox = await signIn(panel, 'cara', cara.password, { 'user-agent': FIREFOX, 'cf-connecting-ip': '2001:db8::7' });
  const odd = await signIn(panel, 'cara', cara.password, { 'user-agent': MARKUP });
  const page = await visit(cara, '/account');
  const lines = page.locator('#live li');
  assert.equal(await lines.count(), 3);
  assert.match(await text(lines.first()), /this one/);
  assert.equal(await lines.first().getByRole('button').count(), 0);
  const foxes = lines.filter({ hasText: 'Firefox · Linux' });
  assert.match(await text(foxes), /2001:db8::7 · signed in/);
  assert.equal(await lines.filter({ hasText: '<img' }).count(), 1, 'what a browser calls itself is text');

  await foxes.getByRole('button', { name: 'Sign out' }).click();
  await foxes.waitFor({ state: 'detached' });
  assert.equal((await fox.api('GET', '/api/v1/me')).status, 401);
  assert.equal((await odd.api('GET', '/api/v1/me')).status, 200);
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.locator('dialog#end-others').getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.waitForFunction(() => document.querySelectorAll('#live li').length === 1);
  assert.equal((await odd.api('GET', '/api/v1/me')).status, 401);
  assert.equal((await cara.api('GET', '/api/v1/me')).status, 200);
  await calm(page);
});

test('the page is complete in every language, fits a phone, and is nobody else\'s', async () => {
  const dan = await addOperator(panel, owner, { name: 'dan', role: 'reseller' });
  await signIn(panel, 'dan', dan.password, { 'user-agent': MARKUP });
  const page = await visit(dan, '/account', { width: 360, height: 740, touch: true });
  for (const [code, word] of [['en', 'Second factor'], ['zh', '两步验证'], ['ru', 'Второй фактор'], ['fa', 'تأیید دومرحله‌ای']]) {
    await page.context().addCookies([{ name: 'language', value: code, url: panel.url }]);
    assert.equal((await page.goto(`${panel.url}/account`)).status(), 200);
    await page.getByRole('heading', { name: word }).waitFor();
    assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, code);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, code);
    const live = await page.evaluate(() => [...document.querySelectorAll('[style], [onerror], img[src=x]')].length);
    assert.equal(live, 0);
  }
  assert.equal((await panel.request('GET', '/account')).headers.get('location'), '/login');
  await calm(page);
});
