// Asks the API whether the log is as it was written, piece by piece, and says the answer in words.
const form = document.getElementById('verify');
const verdict = document.getElementById('verdict');
const headNow = document.getElementById('head-now');
const failed = document.getElementById('pulse').dataset.failed;
const { lang } = document.documentElement;

function say(words, facts = {}) {
  verdict.textContent = words.replace(/\{(\w+)\}/g, (_, name) => facts[name]);
}

/** Which of the sentences an answer means. The first broken entry says most. */
function outcome({ first_broken: broken, head, kept }, from) {
  if (broken) return broken.kind;
  if (head !== 'ok') return `head-${head}`;
  if (kept && kept !== 'ok') return `kept-${kept}`;
  return from === 1 ? 'whole' : 'whole-from';
}

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

async function ask(query) {
  const answer = await fetch(`/api/v1/audit/verify?${new URLSearchParams(query)}`, { signal: AbortSignal.timeout(30_000) });
  const said = await answer.json();
  if (!answer.ok) throw said.error;
  return said;
}

async function verify() {
  const first = Number(form.elements.from.value) || 1;
  const head = form.elements.head.value.trim();
  let said = await ask({ from: first, ...(head && { head }) });
  const [begun, number] = [said, (count) => count.toLocaleString(lang)];
  let count = said.checked;
  while (said.ok && said.next) {
    say(verdict.dataset.working, { count: number(count) });
    said = await ask({ from: said.next });
    count += said.checked;
  }
  const date = begun.since && new Date(begun.since * 1000).toLocaleDateString(lang, { dateStyle: 'medium' });
  const name = outcome(said, first);
  verdict.classList.toggle('well', name.startsWith('whole'));
  verdict.classList.toggle('error', !name.startsWith('whole'));
  say(verdict.dataset[camel(name)], { count: number(count), number: number(said.first_broken?.number ?? first), date });
  headNow.hidden = !name.startsWith('whole') || !said.link;
  document.getElementById('head-text').textContent = `${said.count}:${said.link}`;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  verdict.className = 'verdict';
  headNow.hidden = true;
  try {
    await verify();
  } catch (error) {
    verdict.classList.add('error');
    verdict.textContent = typeof error?.code === 'string' ? error.message : failed;
  }
  form.ariaBusy = 'false';
});
