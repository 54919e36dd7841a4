// Makes a page of an API searchable, shows named schemas where they are spoken of, and copies calls. Without it the page reads the same.
const SHOWN = 2_000; // ms
const DEEPEST = 3; // a schema in a schema in a schema

const find = document.getElementById('find');
const none = document.getElementById('none');
const found = document.getElementById('found');
const areas = [...document.querySelectorAll('.area:not(.rest)')].map((area) => ({
  area,
  link: document.querySelector(`.side a[href="#${CSS.escape(area.getAttribute('aria-labelledby'))}"]`),
  operations: [...area.querySelectorAll('.op')].map((of) => ({ of, words: `${of.querySelector('summary').textContent} ${of.id} ${area.querySelector('h2').textContent}`.toLowerCase() })),
}));
const rest = document.querySelectorAll('.area.rest');

/** Leaves what has every word that was typed. */
function filter() {
  const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { area, link, operations } of areas) {
    let here = 0;
    for (const { of, words } of operations) {
      of.hidden = !wanted.every((word) => words.includes(word));
      here += of.hidden ? 0 : 1;
    }
    area.hidden = here === 0;
    link.querySelector('span').textContent = here;
    count += here;
  }
  for (const area of rest) area.hidden = wanted.length > 0;
  none.hidden = count > 0;
  found.textContent = wanted.length > 0 ? `${count} ${count === 1 ? 'operation' : 'operations'}` : '';
}

function showAll() {
  find.value = '';
  filter();
}

find.addEventListener('input', filter);
find.form.addEventListener('submit', (event) => {
  event.preventDefault();
  document.querySelector('.op:not([hidden]) > summary')?.focus();
});
document.getElementById('clear').addEventListener('click', () => {
  showAll();
  find.focus();
});
document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest('input, textarea, select');
  if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    find.select();
  }
  if (event.key === 'Escape' && event.target === find) showAll();
});

/** Puts the fields of a named schema in the place of its name. */
function fill(place, depth = 0) {
  for (const shown of place.querySelectorAll('[data-schema]')) {
    const schema = document.querySelector(`#schema-${CSS.escape(shown.dataset.schema)} > .inside`);
    if (!schema) continue;
    shown.removeAttribute('data-schema');
    shown.append(...schema.cloneNode(true).childNodes);
    if (depth < DEEPEST) fill(shown, depth + 1);
  }
}
for (const of of document.querySelectorAll('.op')) of.addEventListener('toggle', () => of.open && fill(of));

/** Opens what the address names. */
function open() {
  const named = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named) return;
  if (named.closest('[hidden]')) showAll();
  if (named.localName === 'details') {
    named.open = true;
    fill(named);
  }
  named.scrollIntoView();
}
addEventListener('hashchange', open);
open();

for (const button of document.querySelectorAll('[data-copy]')) {
  const label = button.textContent;
  const text = button.parentElement.querySelector('pre');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = 'Copied';
      setTimeout(() => (button.textContent = label), SHOWN);
    } catch {
      getSelection().selectAllChildren(text); // where the browser forbids it, one keystroke is left
    }
  });
}

// The area that is being read is marked beside.
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      for (const { area, link } of areas) {
        if (area === target) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    }
  },
  { rootMargin: '-20% 0px -75% 0px' },
);
for (const { area } of areas) seen.observe(area);
