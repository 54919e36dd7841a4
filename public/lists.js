// Lists of users that are looked at again and again: their filters and order, under a name, kept in this browser.
const KEY = 'lists';
const PLACES = ['older', 'newer', 'offset']; // where in a list, which is not what is saved
const menu = document.getElementById('lists');
const dialog = document.getElementById('save-list');

const saved = () => JSON.parse(localStorage.getItem(KEY) ?? '[]');
const keep = (lists) => localStorage.setItem(KEY, JSON.stringify(lists));

/** The filters and the order of this page. */
function here() {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of [...query]) if (!value || PLACES.includes(name)) query.delete(name);
  query.sort();
  return query.toString();
}

function fill() {
  const now = here();
  const lists = saved();
  const options = lists.map(({ name, query }) => new Option(name, query, false, query === now));
  const isSaved = lists.some(({ query }) => query === now);
  if (isSaved) options.push(new Option(menu.dataset.forget, '-'));
  else if (now) options.push(new Option(menu.dataset.save, '+'));
  menu.replaceChildren(menu.options[0], ...options);
  if (!isSaved) menu.selectedIndex = 0;
}

menu.addEventListener('change', () => {
  const { value } = menu;
  if (value === '+') {
    menu.selectedIndex = 0;
    dialog.showModal();
  } else if (value === '-') {
    keep(saved().filter(({ query }) => query !== here()));
    fill();
  } else if (value) location.assign(`/users?${value}`);
});
dialog.querySelector('form').addEventListener('submit', () => {
  const input = document.getElementById('list-name');
  const name = input.value.trim();
  if (!name) return;
  keep([...saved().filter((list) => list.name !== name), { name, query: here() }]);
  input.value = '';
  fill();
});
try {
  fill();
} catch {
  menu.hidden = true; // a browser that keeps nothing
}
