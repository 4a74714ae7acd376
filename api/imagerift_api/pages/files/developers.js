import { copyTextOf } from "./copy.js";

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copyTextOf(document.getElementById(button.dataset.copy), button));
}
