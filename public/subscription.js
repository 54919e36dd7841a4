// Copies links. Without it every link can be marked and copied by hand.
const SHOWN = 2_000; // ms

for (const button of document.querySelectorAll('button[data-copies]')) {
  const text = document.getElementById(button.dataset.copies);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = button.dataset.done;
      setTimeout(() => (button.textContent = label), SHOWN);
    } catch {
      getSelection().selectAllChildren(text); // where the browser forbids it, one keystroke is left
    }
  });
}
