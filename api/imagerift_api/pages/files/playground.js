// The playground: the public generate call, under the account session.
import { attempt, call, get } from "./api.js";
import { byId, make, show } from "./dom.js";
import { showOverview } from "./overview.js";

const SIZES = { base: "Base, 1,024 px", "2k": "2K, 2,048 px", "4k": "4K, 4,096 px" };
let modes = [];

export async function showPlayground() {
  modes = (await get("/api/v1/modes")).data;
  const { mode } = byId("play").elements;
  mode.replaceChildren(...modes.map((entry) => make("option", { value: entry.mode, textContent: entry.mode })));
  chooseMode();
}

function chooseMode() {
  const form = byId("play").elements;
  const chosen = modes.find((entry) => entry.mode === form.mode.value);
  if (!chosen) return;
  form.exportSize.replaceChildren(...chosen.exportSizes.map(({ exportSize, permitted }) =>
    make("option", { value: exportSize, disabled: !permitted, textContent: SIZES[exportSize] + (permitted ? "" : " (not in your plan)") })));
  form.outputAspect.replaceChildren(...chosen.outputAspects.map((aspect) =>
    make("option", { value: aspect, textContent: aspect === "source" ? "as the source" : aspect })));
  const presets = chosen.presets.map((name) => preset(name, name.replaceAll("_", " "), chosen.presetPreviewUrls[name]));
  const none = chosen.presetRequired ? [] : [preset("", "by prompt", null)];
  byId("preset-list").replaceChildren(...none, ...presets);
  byId("preset-list").querySelector("input").checked = true;
  show(byId("presets"), presets.length > 0);
  form.prompt.required = chosen.promptRequired;
}

function preset(value, words, previewUrl) {
  const picture = previewUrl
    ? make("img", { src: previewUrl, alt: "", loading: "lazy", width: 96, height: 96 })
    : make("span", { className: "no-picture", textContent: value ? words[0].toUpperCase() : "auto" });
  return make("label", {}, make("input", { type: "radio", name: "preset", value, required: true }), picture, make("span", { textContent: words }));
}

function choosePicture() {
  const [file] = byId("play").elements.image.files;
  const preview = byId("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  show(preview, Boolean(file));
  show(byId("drop-text"), !file);
  if (file) preview.src = URL.createObjectURL(file);
}

async function base64Of(file) {
  const reader = new FileReader();
  reader.readAsDataURL(file);
  await new Promise((done, failed) => { reader.onload = done; reader.onerror = failed; });
  return reader.result.slice(reader.result.indexOf(",") + 1);
}

async function generate(form) {
  const status = byId("play-status");
  const fields = new FormData(form);
  const body = { imageBase64: await base64Of(fields.get("image")) };
  for (const name of ["mode", "prompt", "exportSize", "outputAspect"]) body[name] = fields.get(name);
  if (fields.get("preset")) body.preset = fields.get("preset");
  show(byId("result"), false);
  status.textContent = "Sending…";
  let { content: job, headers } = await call("POST", "/api/v1/generate", body);
  while (!["succeeded", "failed", "canceled"].includes(job.status)) {
    const place = job.queue.position ? `, number ${job.queue.position} in line` : "";
    status.textContent = `${job.status[0].toUpperCase()}${job.status.slice(1)}${place}…`;
    await new Promise((done) => setTimeout(done, 1000 * Number(headers.get("Retry-After") ?? 4)));
    ({ content: job, headers } = await call("GET", job.statusUrl));
  }
  status.textContent = job.status === "succeeded" ? "Done." : job.error?.message ?? `The job was ${job.status}.`;
  if (job.downloadUrl) {
    byId("result-image").src = job.downloadUrl;
    byId("result").href = job.downloadUrl;
    show(byId("result"));
  }
  await showOverview();
}

export function preparePlayground() {
  const form = byId("play");
  form.elements.mode.addEventListener("change", chooseMode);
  form.elements.image.addEventListener("change", choosePicture);
  for (const [name, over] of [["dragenter", true], ["dragleave", false], ["drop", false]]) {
    byId("drop").addEventListener(name, () => byId("drop").classList.toggle("over", over));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      try {
        await generate(form);
      } catch (error) {
        byId("play-status").textContent = "";
        throw error;
      }
    }, form.querySelector("button[type=submit]"));
  });
}
