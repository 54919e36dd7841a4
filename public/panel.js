// What buttons and forms of the panel do: they call the API, which judges, and the page shows what it answers.
const GB = 2 ** 30;
const DAY = 86_400; // s
const SHOWN = 2_000; // ms
const ASKED = 4_000; // ms in which a second click means it
const CHORD = 1_000; // ms in which a second key follows a `g`

const pulse = document.getElementById('pulse');

/** The boxes of one set that are ticked; undefined in a form of changes that leaves them as they are. */
function readSet(form, name) {
  const boxes = [...form.querySelectorAll(`[name="${CSS.escape(name)}"][data-type=set]`)];
  const isSame = boxes.every((box) => box.checked === box.defaultChecked);
  return isSame && form.hasAttribute('data-changes') ? undefined : boxes.filter((box) => box.checked).map((box) => box.value);
}

/** A field as the API wants it; undefined when it says nothing. Text that is no number goes as it is: the API names the rule. */
function read(field) {
  if (field.dataset.type === 'set') return readSet(field.form, field.name);
  if (field.type === 'checkbox') {
    const isSame = field.checked === field.defaultChecked;
    return isSame && field.form.hasAttribute('data-changes') ? undefined : field.checked;
  }
  if (field.type === 'radio' && !field.checked) return undefined;
  const text = field.value.trim();
  if (field.form.hasAttribute('data-changes')) {
    const was = field.localName === 'select' ? [...field.options].find((one) => one.defaultSelected)?.value ?? '' : field.defaultValue;
    if (text === was) return undefined;
  }
  if (text === '') return { null: null, 0: 0, '': '', list: [] }[field.dataset.empty];
  const { type } = field.dataset;
  if (type === undefined) return text;
  if (type === 'lines') return text.split('\n').map((line) => line.trim()).filter(Boolean);
  if (type === 'words') return text.split(/[\s,،]+/).filter(Boolean);
  if (type === 'bool') return text === 'true';
  if (type === 'date') return Date.parse(`${text}T00:00:00Z`) / 1000;
  // Digits of other scripts, as Persian keyboards have them.
  const plain = text.replace(/[۰-۹]/g, (digit) => digit.charCodeAt(0) - 0x6f0).replace(/[٫,]/g, '.');
  if (type === 'ints') return plain.split(/[\s.،]+/).filter(Boolean).map((one) => (/^\d+$/.test(one) ? Number(one) : one));
  const number = Number(plain);
  if (!Number.isFinite(number)) return text;
  if (type === 'gb') return Math.round(number * GB);
  if (type === 'kb') return Math.round(number * 1024);
  if (type === 'days') return number === 0 ? null : Math.round(Date.now() / 1000 + number * DAY);
  return number;
}

async function call(api, body) {
  const [method, path] = api.split(' ');
  const answer = await fetch(path, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.assign('/login');
  const said = answer.status === 204 ? {} : await answer.json();
  return { ok: answer.ok, said };
}

/** Says an error beside the field that it is about, else at the form's end. */
function complain(form, field, message) {
  // Of a list the API names the member: `quota_percent[1]`.
  const places = [field ?? '', (field ?? '').split('[')[0], ''].map((name) => form.querySelector(`[data-error="${CSS.escape(name)}"]`));
  const place = places.find((one) => one);
  place.textContent = place.dataset.error || !field ? message : `${field}: ${message}`;
  place.hidden = false;
  const named = form.elements.namedItem(place.dataset.error);
  const input = named instanceof RadioNodeList ? named[0] : named; // a set of boxes
  if (!input) return;
  input.setAttribute('aria-invalid', 'true');
  input.focus();
}

function calm(form) {
  for (const place of form.querySelectorAll('[data-saved]')) place.textContent = '';
  for (const place of form.querySelectorAll('[data-error]')) place.hidden = true;
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

const fill = (pattern, said) => pattern.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(said[key]));

/** What was sent is how it stands from now on. */
function keep(form) {
  for (const field of form.elements) {
    for (const one of field.options ?? []) one.defaultSelected = one.selected;
    if (field.type === 'checkbox' || field.type === 'radio') field.defaultChecked = field.checked;
    else if ('defaultValue' in field) field.defaultValue = field.value;
  }
  const place = form.querySelector('[data-saved]');
  place.textContent = place.dataset.saved;
}

/** An error of either face: the Xpert API has `field: rule` in one text. */
function told({ error, detail }) {
  if (error) return error;
  const [, field] = /^([a-z_]+): /.exec(detail) ?? [];
  return { field, message: detail };
}

/** What follows when the API has done it. */
function follow(form, said) {
  form.closest('dialog')?.close();
  const then = form.dataset.then;
  if (then === 'keep') keep(form);
  else if (then === 'refresh') {
    form.reset();
    document.dispatchEvent(new Event('weir:done'));
  } else if (then.startsWith('#')) {
    // Shown here, once: an install command, a key, a password.
    const place = document.querySelector(then);
    for (const out of place.querySelectorAll('[data-out]')) out.textContent = [said[out.dataset.out]].flat().join('\n');
    for (const picture of place.querySelectorAll('img[data-picture]')) picture.src = `data:image/svg+xml,${encodeURIComponent(said[picture.dataset.picture])}`;
    for (const link of place.querySelectorAll('[data-href]')) link.href = fill(link.dataset.href, said);
    if (form.classList.contains('form')) form.hidden = true;
    place.hidden = false;
    place.querySelector('button').focus();
    document.dispatchEvent(new Event('weir:done'));
  } else location.assign(fill(then, said));
}

/** Sets what a dotted name means: `telegram.token` lies in an object of its own. */
function put(body, [name, ...rest], value) {
  if (rest.length === 0) body[name] = value;
  else put((body[name] ??= {}), rest, value);
}

document.addEventListener('submit', async (event) => {
  const form = event.target;
  if (!form.dataset.api) return;
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  calm(form);
  const body = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    // One order a purchase, however often it is sent.
    if ('draws' in field.dataset && !field.value) field.value = `panel-${crypto.getRandomValues(new Uint32Array(3)).join('-')}`;
    const value = read(field);
    if (value !== undefined) put(body, field.name.split('.'), value);
  }
  try {
    const { ok, said } = await call(form.dataset.api, Object.keys(body).length || form.elements.length > 2 ? body : undefined);
    if (ok) {
      for (const field of form.querySelectorAll('[data-draws]')) field.value = '';
      follow(form, said);
    } else {
      const { field, message } = told(said);
      complain(form, field, field ? message.replace(`${field}: `, '') : message);
    }
  } catch {
    complain(form, '', pulse.dataset.failed);
  }
  form.ariaBusy = 'false';
});

/** What cannot be undone asks once more, on the button itself. */
function isSure(button) {
  const { sure } = button.dataset;
  const label = button.textContent;
  if (sure === undefined || label === sure) return true;
  button.textContent = sure;
  setTimeout(() => (button.textContent = label), ASKED);
  return false;
}

async function act(button) {
  if (!isSure(button)) return;
  button.disabled = true;
  try {
    const { call: api, body } = button.dataset;
    const { ok, said } = await call(api, body && JSON.parse(body));
    pulse.textContent = ok ? '' : said.error.message;
    if (ok) document.dispatchEvent(new Event('weir:done'));
  } catch {
    pulse.textContent = pulse.dataset.failed;
  }
  button.disabled = false;
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copies);
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = label), SHOWN);
  } catch {
    getSelection().selectAllChildren(text); // where the browser forbids it, one keystroke is left
  }
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { call: api, copies, opens } = button.dataset;
  if (api) act(button);
  else if (copies) copy(button);
  else if (opens) document.getElementById(opens).showModal();
  else if ('closes' in button.dataset) button.closest('dialog').close();
});

/** What a plan gives stands in the fields that are left empty. */
function suggest(select) {
  const gives = select.selectedOptions[0]?.dataset ?? {};
  for (const field of select.form.querySelectorAll('[data-plan]')) {
    field.placeholder = gives[field.dataset.plan] ?? '';
    // An account that is given another plan takes its values.
    const isGiven = select.form.hasAttribute('data-changes') && field.value === field.defaultValue && gives[field.dataset.plan];
    if (isGiven) field.value = field.defaultValue = gives[field.dataset.plan];
  }
}

document.addEventListener('change', ({ target }) => {
  if (target.matches('select[data-plans]')) suggest(target);
  if (target.matches('select[data-submits]')) target.form.requestSubmit();
});

let chord = 0;
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea, dialog')) return;
  const follows = Date.now() - chord < CHORD;
  chord = event.code === 'KeyG' ? Date.now() : 0;
  if (follows && /^Key[A-Z]$/.test(event.code)) document.querySelector(`[data-key="${event.code.at(3).toLowerCase()}"]`)?.click();
  else if (event.key === '?') document.getElementById('help').showModal();
  else if (event.key === '/' || (event.code === 'Slash' && !event.shiftKey)) {
    event.preventDefault();
    const search = document.querySelector('input[type=search]');
    if (search) search.select();
    else location.assign('/users#search');
  }
});
if (location.hash === '#search') document.querySelector('input[type=search]')?.focus();
