import { copyText } from "./copy.js";

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => {
    copyText(document.getElementById(button.dataset.copy).textContent, button);
  });
}
