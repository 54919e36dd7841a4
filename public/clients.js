// Changes the rules of which client gets which format. The API takes them as a whole, so one is put into what the page was made of, unless
// somebody has changed that meanwhile.
const PATH = '/api/v1/client-rules';

async function ask(method, body) {
  const answer = await fetch(PATH, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.assign('/login');
  const said = await answer.json();
  if (!answer.ok) throw said.error;
  return said;
}

/** Puts other rules in place of those that a page shows; `edit` gets a copy of them. */
async function change({ dataset }, moved, edit) {
  const shown = JSON.parse(dataset.rules);
  const { rules } = await ask('GET');
  if (JSON.stringify(rules) !== JSON.stringify(shown)) throw { message: moved };
  edit(rules);
  await ask('PUT', { rules });
}

const failed = document.getElementById('pulse').dataset.failed;
/** What the API said, or that it said nothing. */
const reason = (error) => (error instanceof Error ? failed : error.message);

const list = () => document.getElementById('rules');
const trouble = document.getElementById('trouble');

async function act(edit) {
  trouble.hidden = true;
  try {
    await change(list(), trouble.dataset.moved, edit);
  } catch (error) {
    trouble.textContent = reason(error);
    trouble.hidden = false;
  }
  document.dispatchEvent(new Event('weir:done'));
}

let doomed = 0;
document.addEventListener('click', ({ target }) => {
  const { moves, by, place } = target.closest('button')?.dataset ?? {};
  if (place) doomed = Number(place);
  if (!moves) return;
  const from = Number(moves) - 1;
  act((rules) => rules.splice(from + Number(by), 0, ...rules.splice(from, 1)));
});
document.querySelector('[data-removes]')?.addEventListener('submit', (event) => {
  event.preventDefault();
  event.target.closest('dialog').close();
  act((rules) => rules.splice(doomed - 1, 1));
});

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

/** The condition that a set of fields says; undefined for an empty one. */
function condition(set) {
  const of = (part) => set.querySelector(`[data-part=${part}]`).value.trim();
  const said = {};
  for (const part of ['equals', 'starts', 'contains']) if (of(part)) said[part] = lines(of(part));
  if (of('product') || of('version')) {
    const version = /^(\d+)\.(\d+)$/.exec(of('version'));
    said.before = { product: of('product'), version: version ? [Number(version[1]), Number(version[2])] : of('version') };
  }
  return Object.keys(said).length ? { header: of('header'), ...said } : undefined;
}

/** Says an error beside the part of the rule that it is about, else at the form's end. */
function complain(form, error, kept) {
  const field = error.field?.replace(/^rules(\[\d+\])?\.?/, '') ?? '';
  const [, at] = /^when\[(\d+)\]/.exec(field) ?? [];
  const name = at === undefined ? field.split(/[.[]/)[0] : `when[${kept[at]}]`;
  const place = form.querySelector(`[data-error="${CSS.escape(name)}"]`) ?? form.querySelector('[data-error=""]');
  place.textContent = error.field ? error.message.replace(`${error.field}: `, '') : reason(error);
  place.hidden = false;
}

const form = document.getElementById('rule');
form?.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  for (const place of form.querySelectorAll('[data-error]')) place.hidden = true;
  const { name, format, headers } = form.elements;
  const sets = [...form.querySelectorAll('[data-condition]')].map((set) => [set.dataset.condition, condition(set)]).filter(([, one]) => one);
  const pairs = lines(headers.value).map((line) => [line.split(':')[0].trim(), line.split(':').slice(1).join(':').trim()]);
  const rule = { name: name.value.trim(), when: sets.map(([, one]) => one), format: format.value, headers: Object.fromEntries(pairs) };
  let isLeft = false;
  try {
    const { index } = form.dataset;
    // A new one stands before all, where it counts.
    await change(form, form.dataset.moved, (rules) => (index === undefined ? rules.unshift(rule) : rules.splice(Number(index), 1, rule)));
    location.assign('/settings/clients');
    isLeft = true;
  } catch (error) {
    complain(form, error, sets.map(([at]) => at));
  }
  // Until the next page is there this one can be clicked. Whoever comes back finds it free: public/panel.js.
  form.ariaBusy = String(isLeft);
});
