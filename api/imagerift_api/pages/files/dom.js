// Small means of building elements. Text is only ever set as text.
export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function button(text, onClick, kind = "") {
  const made = make("button", { type: "button", textContent: text, className: `button button-small ${kind}` });
  made.addEventListener("click", onClick);
  return made;
}

export const mark = (text, kind = text) => make("span", { textContent: text, className: `mark mark-${kind}` });

export function show(element, shown = true) {
  element.hidden = !shown;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function ago(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

export function ask({ title, text, yes, overlap = false }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  show(byId("confirm-extra"), overlap);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}
