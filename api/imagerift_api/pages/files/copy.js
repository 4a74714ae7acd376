// Copies an element's text and says so on the button that was pressed. Where a page may not reach
// the clipboard (plain http on another host), the text is selected, and copied the old way if it can be.
export async function copyTextOf(element, button) {
  const before = button.dataset.words ?? button.textContent;
  button.dataset.words = before;
  let copied = false;
  try {
    await navigator.clipboard.writeText(element.textContent);
    copied = true;
  } catch {
    getSelection().selectAllChildren(element);
    copied = document.execCommand("copy");
  }
  button.textContent = copied ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = before; }, 1600);
}
