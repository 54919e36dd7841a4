// Keeps the numbers of a page fresh. Without it the page works the same and stands still.
const EVERY = 5_000; // ms
const IDLE = 60_000; // ms between refreshes once nobody has touched the page for a while: each one reads rows that are billed
const IDLE_AFTER = 600_000; // ms

const live = document.getElementById('live');
const pulse = document.getElementById('pulse');
let touched = Date.now();
let timer;

/** Makes `now` like `next` and touches nothing that is the same, so that focus, selection and scrolling stay. */
function morph(now, next) {
  if (now.isEqualNode(next)) return;
  const isSameKind = now.nodeType === next.nodeType && now.nodeName === next.nodeName;
  if (!isSameKind) return void now.replaceWith(next);
  if (now.nodeType !== Node.ELEMENT_NODE) return void (now.nodeValue = next.nodeValue);
  if (['input', 'select', 'textarea'].includes(now.localName)) {
    // What is being typed stays; a box that stands for something else than before is another box.
    return void (now.type === 'checkbox' && now.value !== next.value && now.replaceWith(next));
  }
  const isOpened = (name) => name === 'open' && now.localName === 'details'; // by a person
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && !isOpened(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  const [old, fresh] = [[...now.childNodes], [...next.childNodes]];
  fresh.forEach((node, index) => (index < old.length ? morph(old[index], node) : now.append(node)));
  old.slice(fresh.length).forEach((node) => node.remove());
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { 'weir-part': 'live' }, signal: AbortSignal.timeout(10_000) });
    if (answer.redirected) return location.reload(); // signed out
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const next = new DOMParser().parseFromString(`<div id="live">\n${await answer.text()}\n</div>`, 'text/html');
    morph(live, next.getElementById('live'));
    document.dispatchEvent(new Event('weir:fresh'));
    if (pulse.textContent === pulse.dataset.offline) pulse.textContent = '';
  } catch {
    pulse.textContent = pulse.dataset.offline;
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  // What stands still is fetched again only when something was done to it.
  if (!live || document.hidden || 'still' in live.dataset) return;
  timer = setTimeout(refresh, Date.now() - touched > IDLE_AFTER ? IDLE : EVERY);
}

for (const event of ['pointermove', 'pointerdown', 'keydown', 'wheel', 'touchstart']) {
  addEventListener(event, () => {
    const wasIdle = Date.now() - touched > IDLE_AFTER;
    touched = Date.now();
    if (wasIdle) plan();
  }, { passive: true });
}
document.addEventListener('visibilitychange', () => (document.hidden || !live || 'still' in live.dataset ? clearTimeout(timer) : refresh()));
// Something was done: what it changed is shown at once.
document.addEventListener('weir:done', () => live && refresh());
plan();
