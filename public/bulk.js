// The bar that does something to many users at once: it selects, shows what would change, and asks the API to do it.
const bar = document.getElementById('bulk');
const dialog = document.getElementById('bulk-preview');
const [count, action, days, plan] = ['count', 'action', 'days', 'plan'].map((id) => document.getElementById(`bulk-${id}`));
const items = document.getElementById('bulk-items');
const language = document.documentElement.lang;
const SHOWN = 8; // users of a preview
const MOST = 1_000; // names that the API takes in one selection

/** Names that are selected; null for all that fit the list. */
let picked = new Set();
/** What the preview has shown, which is what is done. */
let shown;

const number = (value) => new Intl.NumberFormat(language).format(value);
const boxes = () => [...document.querySelectorAll('.pick[value]')].filter((box) => box.id !== 'pick-page');

/** Boxes and bar as the selection is; also after a refresh, which may have moved users. */
function show(total) {
  for (const box of boxes()) box.checked = picked === null || picked.has(box.value);
  const whole = document.getElementById('pick-page');
  if (whole) whole.checked = boxes().every((box) => box.checked);
  bar.hidden = picked?.size === 0;
  count.textContent = picked ? count.dataset.words.replace('{count}', number(picked.size)) : document.getElementById('bulk-all').textContent;
  if (total !== undefined && !picked) count.textContent += `: ${number(total)}`;
  days.hidden = action.value !== 'extend';
  plan.hidden = action.value !== 'plan';
  complain('bulk-error', '');
}

function complain(id, message) {
  const place = document.getElementById(id);
  place.textContent = message;
  place.hidden = !message;
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.assign('/login');
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error.message);
  return said;
}

function wanted() {
  const selection = picked ? { users: [...picked] } : JSON.parse(bar.dataset.filter);
  const many = { extend: { extend: { days: Number(days.value) } }, plan: { change: { plan: plan.value } } };
  return { selection, action: many[action.value] ?? action.value };
}

/** A value of a preview as a person reads it. */
function written(field, value) {
  if (value === null || value === undefined) return dialog.dataset.none;
  if (/_quota$|_used$/.test(field)) return value ? number(Math.round((value / 2 ** 30) * 1000) / 1000) : dialog.dataset.none;
  if (field === 'speed_limit') return value ? number(Math.round(value / 1024)) : dialog.dataset.none;
  if (/_at$|_start$|_end$/.test(field)) return new Date(value * 1000).toLocaleDateString(language, { dateStyle: 'medium' });
  if (/_limit$/.test(field) && value === 0) return dialog.dataset.none;
  if (typeof value === 'number') return number(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function line({ name, before, after, why }, labels) {
  const item = document.createElement('li');
  const who = item.appendChild(document.createElement('bdi'));
  who.className = 'name';
  who.textContent = name;
  const changes = Object.keys(after ?? {}).filter((field) => field !== 'plan_version').map((field) => `${labels[field] ?? field}: ${written(field, before[field])} → ${written(field, after[field])}`);
  item.append(' ', Object.assign(document.createElement('small'), { textContent: why ?? changes.join(' · '), dir: 'auto' }));
  return item;
}

async function preview() {
  shown = wanted();
  const { total, items: users, rows_written_at_most: rows } = await ask(`/api/v1/bulk/preview?limit=${SHOWN}`, shown);
  shown.expect = total;
  show(total);
  const labels = JSON.parse(dialog.dataset.labels);
  items.replaceChildren(...users.map((user) => line(user, labels)));
  if (total > users.length) items.append(Object.assign(document.createElement('li'), { textContent: dialog.dataset.more.replace('{count}', number(total - users.length)) }));
  const isVain = total === users.length && users.every(({ why }) => why);
  document.getElementById('bulk-rows').textContent = isVain ? dialog.dataset.nobody : dialog.dataset.rows.replace('{count}', number(rows));
  document.getElementById('bulk-do').disabled = isVain;
  complain('bulk-refused', '');
  dialog.showModal();
}

/** One at a time, and what goes wrong is said where it was asked for. Where `work` says that another page follows, it was the last. */
async function busy(button, place, work) {
  button.disabled = true;
  let isLeft = false;
  try {
    isLeft = Boolean(await work());
  } catch (error) {
    complain(place, error.name === 'TimeoutError' || error instanceof TypeError ? document.getElementById('pulse').dataset.failed : error.message);
  }
  button.disabled = isLeft;
}

document.addEventListener('change', ({ target }) => {
  if (target === action) return show();
  if (!target.matches('.pick')) return;
  const chosen = target.id === 'pick-page' ? boxes() : [target];
  // All that fit, but for some: those that are seen are what is left.
  picked ??= new Set(boxes().map((box) => box.value));
  for (const box of chosen) picked[target.checked && picked.size < MOST ? 'add' : 'delete'](box.value);
  show();
});
document.getElementById('bulk-all').addEventListener('click', () => {
  picked = null;
  show();
});
document.getElementById('bulk-clear').addEventListener('click', () => {
  picked = new Set();
  show();
});
document.addEventListener('weir:fresh', () => show());
bar.addEventListener('submit', (event) => {
  event.preventDefault();
  busy(event.submitter ?? bar.querySelector('.main'), 'bulk-error', preview);
});
document.getElementById('bulk-do').addEventListener('click', ({ target }) =>
  busy(target, 'bulk-refused', async () => {
    await ask('/api/v1/bulk', shown);
    location.assign('/bulk');
    return true;
  }),
);
// Whoever comes back to the page as the browser has kept it has done what the preview shows: another one can be asked for.
addEventListener('pageshow', ({ persisted }) => persisted && dialog.close());
