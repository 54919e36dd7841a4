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

/** Lines of `Name: value`, as headers are written. What is no such line goes as it is: the API names the rule. */
function pairs(text) {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.split(':')[0].trim(), line.split(':').slice(1).join(':').trim()]));
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a form of changes began with. */
function begun(field) {
  return field.localName === 'select' ? [...field.options].find((one) => one.defaultSelected)?.value ?? '' : field.defaultValue;
}

/** A field as the API wants it; undefined when it says nothing, or nothing new unless it is `wholly` read. Text that is no number goes as it
 * is: the API names the rule. */
function read(field, wholly = false) {
  if (field.dataset.type === 'set') return readSet(field.form, field.name);
  if (field.type === 'checkbox') {
    const isSame = field.checked === field.defaultChecked;
    return isSame && !wholly && field.form.hasAttribute('data-changes') ? undefined : field.checked;
  }
  if (field.type === 'radio' && !field.checked) return undefined;
  const text = field.value.trim();
  if (!wholly && field.form.hasAttribute('data-changes') && text === begun(field).trim()) return undefined;
  if (text === '') return { null: null, 0: 0, '': '', list: [] }[field.dataset.empty];
  const { type } = field.dataset;
  if (type === undefined) return text;
  if (type === 'lines') return text.split('\n').map((line) => line.trim()).filter(Boolean);
  if (type === 'pairs') return pairs(text);
  if (type === 'json') return json(text);
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
  if (type === 'day-seconds') return Math.round(number * DAY);
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
  const text = await answer.text();
  const said = text ? JSON.parse(text) : {};
  // The Xpert API names the field in its sentence alone.
  if (typeof said.detail === 'string') said.error = { field: /^([\w.]+): /.exec(said.detail)?.[1], message: said.detail };
  return { ok: answer.ok, said };
}

/** Says an error beside the field that it is about, else at the form's end. */
function complain(form, field, message) {
  // Of a list the API names the member: `quota_percent[1]`.
  const places = [field ?? '', (field ?? '').split('[')[0], ''].map((name) => form.querySelector(`[data-error="${CSS.escape(name)}"]`));
  const place = places.find((one) => one);
  place.textContent = place.dataset.error || !field ? message : `${field}: ${message}`;
  place.hidden = false;
  place.closest('details')?.setAttribute('open', '');
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

/** What a dotted name means in an answer, as text. */
function found(said, name) {
  const value = name.split('.').reduce((part, key) => part?.[key], said);
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join('\n');
  return typeof value === 'object' && value ? JSON.stringify(value) : String(value ?? '');
}

/** Puts an answer where the page has room for it: texts, lists, and sentences for one outcome or another. */
function show(place, said) {
  for (const list of place.querySelectorAll('[data-each]')) {
    const template = list.querySelector('template');
    list.replaceChildren(template, ...(said[list.dataset.each] ?? []).map((item) => {
      const line = template.content.cloneNode(true);
      for (const out of line.querySelectorAll('[data-out]')) out.textContent = typeof item === 'object' ? found(item, out.dataset.out) : item;
      return line;
    }));
    list.hidden = list.children.length < 2;
  }
  for (const out of place.querySelectorAll('[data-out]')) {
    const text = found(said, out.dataset.out);
    // Places are counted from 0 by the API and from 1 by people.
    if (!out.closest('[data-each]')) out.textContent = 'plus' in out.dataset && text ? Number(text) + 1 : text;
  }
  for (const part of place.querySelectorAll('[data-when]')) {
    const [name, value] = part.dataset.when.split('=');
    part.hidden = value === undefined ? !found(said, name) : found(said, name) !== value;
  }
}

/** What follows when the API has done it. @returns {boolean} whether another page does */
function follow(form, said, then = form.dataset.then) {
  form.closest('dialog')?.close();
  if (then === 'keep') keep(form);
  else if (then === 'refresh') {
    form.reset();
    document.dispatchEvent(new Event('weir:done'));
  } else if (then.startsWith('#')) {
    // Shown here, once: an install command, a key, a password.
    const place = document.querySelector(then);
    show(place, said);
    for (const picture of place.querySelectorAll('img[data-picture]')) picture.src = `data:image/svg+xml,${encodeURIComponent(said[picture.dataset.picture])}`;
    for (const link of place.querySelectorAll('[data-href]')) link.href = fill(link.dataset.href, said);
    const isFinal = form.classList.contains('form') && then === form.dataset.then;
    if (isFinal) form.hidden = true;
    place.hidden = false;
    if (isFinal) place.querySelector('button')?.focus();
    if ('clears' in form.dataset) form.reset();
    document.dispatchEvent(new Event('weir:done'));
  } else {
    const next = new URL(fill(then, said), location.href);
    location.assign(next);
    // A place on the page that is there brings no other one.
    return next.hash === '' || next.href.split('#')[0] !== location.href.split('#')[0];
  }
  return false;
}

/** Sets what a dotted name means: `telegram.token` lies in an object of its own. */
function put(body, [name, ...rest], value) {
  if (rest.length === 0) body[name] = value;
  else put((body[name] ??= {}), rest, value);
}

/**
 * What a form says. Of a group that the API replaces as one (`data-whole`) all is said if any of it was changed, and `null` if all of it was
 * emptied, or the one field that the others belong to (`data-if`). Where that field is empty because something else stands in its place, the
 * fields of that (`data-instead`) are said with the others.
 */
function collect(form) {
  const body = {};
  for (const group of form.querySelectorAll('[data-whole]')) {
    const fields = [...group.querySelectorAll('[name]')];
    if (form.hasAttribute('data-changes') && fields.every((field) => read(field) === undefined && field.value.trim() === begun(field).trim())) continue;
    const isEmptied = group.dataset.if && !form.elements[group.dataset.if].value;
    const isInstead = (field) => 'instead' in field.dataset;
    const said = fields.filter((field) => (isEmptied ? fields.some(isInstead) : !isInstead(field)));
    const values = said.map((field) => [field.name.split('.'), read(field, true)]).filter(([, value]) => value !== undefined);
    for (const [name, value] of values) put(body, name, value);
    if (values.length === 0 && form.hasAttribute('data-changes')) body[group.dataset.whole] = null;
  }
  for (const field of form.elements) {
    if (!field.name || field.closest('[data-whole]')) continue;
    // One order a purchase, however often it is sent.
    if ('draws' in field.dataset && !field.value) field.value = `panel-${crypto.getRandomValues(new Uint32Array(3)).join('-')}`;
    const value = read(field);
    if (value !== undefined) put(body, field.name.split('.'), value);
  }
  return body;
}

/** Those of a form's fields that a button asks about, whether they were changed or not. */
function partly(form, names) {
  const body = {};
  for (const field of form.querySelectorAll('[name]')) {
    const value = names.includes(field.name.split('.')[0]) ? read(field, true) : undefined;
    if (value !== undefined) put(body, field.name.split('.'), value);
  }
  return body;
}

document.addEventListener('submit', async (event) => {
  const form = event.target;
  if (!form.dataset.api) return;
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  calm(form);
  // A second button may ask something about what was entered before it is sent.
  const { asks, about = '', answers } = event.submitter?.dataset ?? {};
  const body = asks ? partly(form, about.split(' ')) : collect(form);
  let isLeft = false;
  try {
    const { ok, said } = await call(asks ?? form.dataset.api, Object.keys(body).length || form.elements.length > 2 ? body : undefined);
    if (ok) {
      for (const field of form.querySelectorAll('[data-draws]')) field.value = '';
      isLeft = follow(form, said, answers);
    } else {
      const { field, message } = said.error;
      complain(form, field, field ? message.replace(`${field}: `, '') : message);
    }
  } catch {
    complain(form, '', pulse.dataset.failed);
  }
  // Until the next page is there this one can be clicked: what was done is not done twice.
  form.ariaBusy = String(isLeft);
});

// Whoever comes back to a page as the browser has kept it can use its forms again.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) for (const form of document.forms) form.ariaBusy = 'false';
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

/** Opens a dialog. One that serves many rows is told by the button which of them it is about. */
function open({ dataset }) {
  const dialog = document.getElementById(dataset.opens);
  for (const form of dialog.querySelectorAll('[data-api-of]')) {
    form.dataset.api = fill(form.dataset.apiOf, dataset);
    calm(form);
    for (const [name, value] of Object.entries(JSON.parse(dataset.begins ?? '{}'))) form.elements[name].value = form.elements[name].defaultValue = value;
  }
  if (dataset.title) dialog.querySelector('h2').textContent = dataset.title;
  dialog.showModal();
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { call: api, copies, opens } = button.dataset;
  if (api) act(button);
  else if (copies) copy(button);
  else if (opens) open(button);
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

let chord = -CHORD;
document.addEventListener('keydown', (event) => {
  // What had the focus in a dialog has it until the next frame after that was closed.
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea, dialog[open]')) return;
  // When the keys were pressed: a page that is busy hears of them later.
  const follows = event.timeStamp - chord < CHORD;
  chord = event.code === 'KeyG' ? event.timeStamp : -CHORD;
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
