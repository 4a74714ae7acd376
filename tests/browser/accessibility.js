// Faults of what is visible: controls without a name, pictures without words, pale text, and
// whatever sticks out at the side.
() => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const numbers = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const channel = (value) => { const v = value / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      const parts = numbers(color);
      if (color.startsWith("rgb") && (parts.length === 3 || parts[3] === 1)) return parts;
    }
    return [255, 255, 255];
  };
  for (const control of document.querySelectorAll("a, button, input, select, textarea")) {
    const words = control.getAttribute("aria-label") ?? control.labels?.[0]?.textContent ?? control.textContent;
    if (shown(control) && !words.trim() && !control.querySelector("img[alt]:not([alt=''])")) faults.push(`no name: ${control.outerHTML.slice(0, 80)}`);
  }
  for (const picture of document.querySelectorAll("img:not([alt])")) faults.push(`no alt: ${picture.src}`);
  if (document.querySelectorAll("h1").length < 1) faults.push("no h1");
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !shown(element) || element.closest("[disabled], option, .hidden-text, noscript, .skip")) continue;
    const style = getComputedStyle(element);
    if (!style.color.startsWith("rgb(")) continue;
    const [a, b] = [light(numbers(style.color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > room) {
    for (const element of document.querySelectorAll("body *")) {
      const { right } = element.getBoundingClientRect();
      if (right > room + 0.5 && !element.closest(".scroll, pre")) faults.push(`too wide: ${element.outerHTML.slice(0, 80)}`);
    }
  }
  return faults;
}
