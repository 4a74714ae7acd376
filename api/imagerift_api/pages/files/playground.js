// The playground: the public generate call, under the account session.
import { attempt, call, get, refuse } from "./api.js";
import { byId, make, show } from "./dom.js";
import { followOverview } from "./overview.js";
import { aspectWords, chosenShapes, formatWords, offerShapes, prepareShapes, shapeWords, sizeWords } from "./shapes.js";

const MOST_BYTES = 20 * 2 ** 20;
// What every browser of today can show; others are left to the server to judge.
const SHOWN = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"]);
// Links live for ten minutes.
const RENEW_MS = 8 * 60_000;
let modes = [];
let renewing = null;
let current = null;
// What was written for a mode is for that mode alone.
const drafts = new Map();

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
    make("option", { value: exportSize, disabled: !permitted, textContent: sizeWords(exportSize) + (permitted ? "" : " (not in your plan)") })));
  form.outputAspect.replaceChildren(...chosen.outputAspects.map((aspect) =>
    make("option", { value: aspect, textContent: aspectWords(aspect) })));
  form.outputFormat.replaceChildren(...chosen.outputFormats.map((format) =>
    make("option", { value: format, textContent: formatWords(format), selected: format === form.outputFormat.value })));
  const presets = chosen.presets.map((name) => preset(name, name.replaceAll("_", " "), chosen.presetPreviewUrls[name]));
  const none = chosen.presetRequired ? [] : [preset("", chosen.cutoutOptions === null ? "by prompt" : "default", null)];
  byId("preset-list").replaceChildren(...none, ...presets);
  byId("preset-list").querySelector("input").checked = true;
  show(byId("presets"), presets.length > 0);
  const cuts = chosen.cutoutOptions !== null;
  show(byId("cutout"), cuts);
  const stays = cuts || chosen.keepsSubject;
  show(byId("cut-unclear"), stays);
  show(byId("fail-unclear"), !stays && chosen.takesSource);
  show(byId("drop"), chosen.takesSource);
  form.image.required = chosen.takesSource;
  if (current !== null) drafts.set(current, form.prompt.value);
  else drafts.set(chosen.mode, form.prompt.value);
  current = chosen.mode;
  form.prompt.value = drafts.get(current) ?? "";
  form.prompt.required = chosen.promptRequired;
  form.prompt.placeholder = chosen.promptRequired ? "" : "optional";
  for (const option of form.variations.options) option.disabled = Number(option.value) > chosen.maxVariations;
  if (form.variations.selectedOptions[0]?.disabled) form.variations.value = "1";
  offerShapes(chosen);
}

function preset(value, words, previewUrl) {
  const picture = previewUrl
    ? make("img", { src: previewUrl, alt: "", loading: "lazy", width: 96, height: 96 })
    : make("span", { className: "no-picture", textContent: value ? words[0].toUpperCase() : "auto" });
  return make("label", {}, make("input", { type: "radio", name: "preset", value, required: true }), picture, make("span", { textContent: words }));
}

// Shows the chosen picture, or says what is wrong with it before anything is sent.
async function choosePicture() {
  const { image } = byId("play").elements;
  const [file] = image.files;
  const preview = byId("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  image.setCustomValidity("");
  let words = null;
  if (file) {
    words = await faultOf(file, preview);
    if (image.files[0] !== file) return;
  }
  const shown = Boolean(file) && !words && SHOWN.has(file.type);
  show(preview, shown);
  show(byId("drop-text"), !shown);
  byId("drop-name").textContent = file && !words ? file.name : "Choose or drop a picture";
  image.setCustomValidity(words ?? "");
  if (words) throw refuse(words, "imageBase64");
}

async function faultOf(file, preview) {
  if (file.size > MOST_BYTES) return `“${file.name}” has ${(file.size / 2 ** 20).toFixed(1)} MiB; 20 MiB is the most.`;
  if (!file.size) return `“${file.name}” is empty.`;
  if (!SHOWN.has(file.type)) return file.type.startsWith("image/") || await isHeic(file) ? null : `“${file.name}” is no picture.`;
  preview.src = URL.createObjectURL(file);
  return preview.decode().then(() => null, () => `“${file.name}” is broken: it cannot be shown as a picture.`);
}

// Systems that do not know HEIC leave its type out.
async function isHeic(file) {
  return (await file.slice(4, 8).text()) === "ftyp";
}

async function base64Of(file) {
  const reader = new FileReader();
  reader.readAsDataURL(file);
  await new Promise((done, failed) => { reader.onload = done; reader.onerror = failed; });
  return reader.result.slice(reader.result.indexOf(",") + 1);
}

function cutsOut(mode) {
  return modes.some((entry) => entry.mode === mode && entry.cutoutOptions !== null);
}

function cutoutOf(fields) {
  const chosen = ["background", "shadow"].filter((name) => fields.get(name)).map((name) => [name, fields.get(name)]);
  return { ...Object.fromEntries(chosen), ...(fields.get("fill") ? { fill: Number(fields.get("fill")) } : {}) };
}

async function generate(form) {
  const status = byId("play-status");
  const fields = new FormData(form);
  const { takesSource, keepsSubject } = modes.find((entry) => entry.mode === fields.get("mode"));
  const body = takesSource ? { imageBase64: await base64Of(fields.get("image")) } : {};
  body.mode = fields.get("mode");
  const shapes = chosenShapes();
  if (shapes.length > 1) body.outputs = shapes;
  else for (const name of ["exportSize", "outputAspect", "outputFormat"]) body[name] = fields.get(name);
  if (fields.get("prompt").trim()) body.prompt = fields.get("prompt");
  if (!takesSource) fields.delete("mask");
  else if (cutsOut(body.mode) || keepsSubject) {
    if (fields.get("cutUnclear")) body.onUnclearSubject = "cut";
  } else if (fields.get("onUnclearSubject")) body.onUnclearSubject = "fail";
  if (cutsOut(body.mode)) {
    const cutout = cutoutOf(fields);
    if (Object.keys(cutout).length) body.cutout = cutout;
  }
  if (fields.get("mask")?.size) body.maskBase64 = await base64Of(fields.get("mask"));
  if (fields.get("preset")) body.preset = fields.get("preset");
  body.variations = Number(fields.get("variations"));
  show(byId("result"), false);
  showPictures([]);
  clearTimeout(renewing);
  status.textContent = "Sending…";
  let { content: job, headers } = await call("POST", "/api/v1/generate", body);
  // From here on it is in the list below, and followed there too.
  await followOverview();
  while (!["succeeded", "failed", "canceled"].includes(job.status)) {
    status.textContent = `${job.status[0].toUpperCase()}${job.status.slice(1)}${whereabouts(job)}…`;
    showProgress(job.progress);
    showPictures(job.partialOutputs, job.requestedOutputs);
    await new Promise((done) => setTimeout(done, 1000 * Number(headers.get("Retry-After") ?? 4)));
    ({ content: job, headers } = await call("GET", job.statusUrl));
  }
  showProgress(null);
  status.textContent = job.status === "succeeded" ? ["Done.", chosenLook(job), wholePicture(job), sureness(job)].filter(Boolean).join(" ") : job.error?.message ?? `The job was ${job.status}.`;
  showPictures([]);
  if (job.downloadUrl) showResult(job);
  await followOverview();
}

// Where a job waits, or how far it is.
function whereabouts({ queue, progress }) {
  if (!progress) return queue.position > 1 ? `, after ${queue.position - 1} other pictures` : "";
  const { step, steps, variation, variations, etaSeconds } = progress;
  const parts = [
    step === null ? "" : `step ${step} of ${steps}`,
    variations > 1 ? `variation ${variation + 1} of ${variations}` : "",
    etaSeconds === null ? "" : `about ${Math.ceil(etaSeconds)} s left`,
  ];
  return parts.filter(Boolean).map((part) => `, ${part}`).join("");
}

function showProgress(progress) {
  byId("play-progress").value = progress?.share ?? 0;
  show(byId("play-progress"), Boolean(progress));
}

// Thumbnails of several, by shape: of those that are finished while the job runs, and then of all, with their links.
function showPictures(outputs, requested = null) {
  const place = byId("play-pictures");
  const there = new Map([...place.querySelectorAll("li")].map((item) => [item.value, item]));
  const shown = outputs.filter(({ thumbnailUrl }) => thumbnailUrl);
  const shapes = requested ?? [null];
  place.replaceChildren(...shapes.flatMap((shape, position) => {
    const name = shape ? shapeWords(shape) : "";
    const items = shown.filter(({ index }) => index % shapes.length === position)
      .map((output) => (!output.downloadUrl && there.get(output.index + 1)) || finished(output, shapes.length, name));
    const heading = name ? [make("h3", { textContent: name })] : [];
    return items.length ? [...heading, make("ul", { className: "strip" }, ...items)] : [];
  }));
  show(place, shown.length > 0);
}

function finished({ index, thumbnailUrl, downloadUrl }, shapes, shape) {
  const alt = [`Picture ${Math.floor(index / shapes) + 1}`, shape].filter(Boolean).join(", ");
  const image = make("img", { src: thumbnailUrl, alt });
  const picture = downloadUrl ? make("a", { href: downloadUrl, target: "_blank", rel: "noopener" }, image) : image;
  return make("li", { value: index + 1 }, picture);
}

const WHY = {
  request: () => "as you chose",
  background: (words) => `the background you ask for: “${words}”`,
  look: (words) => `the look you ask for: “${words}”`,
  meaning: () => "nearest to your words",
  default: () => "your words name no look",
};

const IGNORED = { unknown: "", conflict: " (other words went before)", impossible: " (not in this picture)" };

// Which preset was used and why, and what else of the prompt had an effect, where the model says so.
function chosenLook({ analysis }) {
  const why = WHY[analysis?.presetReason];
  const look = why ? `Preset ${analysis.preset.replaceAll("_", " ")}: ${why(analysis.presetWords)}.` : "";
  const { applied = [], ignored = [] } = analysis?.promptRead ?? {};
  const set = applied
    .filter(({ part }) => part !== "look")
    .map(({ part, value, words }) => `${part.replace("copySpace", "copy space")} ${value.replaceAll("_", " ")} (“${words}”)`);
  const unused = ignored.map(({ words, reason }) => `“${words}”${IGNORED[reason] ?? ""}`);
  return [look, set.length ? `Applied: ${set.join(", ")}.` : "", unused.length ? `Without effect: ${unused.join(", ")}.` : ""]
    .filter(Boolean)
    .join(" ");
}

const WHOLE = {
  none: "nothing stands out",
  doubt: "its cut-out is in doubt",
  close_up: "the frame cuts it on several sides",
};

// Where the subject was not cut out: that the picture was graded as a whole, and why.
function wholePicture({ analysis }) {
  const why = analysis?.subject?.treatment === "graded" ? WHOLE[analysis.subject.reason] : null;
  return why ? `The whole picture was graded, the subject not cut out: ${why}.` : "";
}

// How sure the model is of a cut-out.
function sureness({ mode, analysis }) {
  const { treatment, confidence } = analysis?.subject ?? {};
  if (!cutsOut(mode) || treatment !== "cut_out" || confidence === null) return "";
  return `Confidence in the cut-out: ${Math.round(100 * confidence)} %.`;
}

function showResult(job) {
  const image = byId("result-image");
  if (image.dataset.job !== job.jobId) image.src = job.downloadUrl;
  image.dataset.job = job.jobId;
  byId("result").href = job.downloadUrl;
  show(byId("result"));
  showPictures(job.outputs.length > 1 ? job.outputs : [], job.requestedOutputs);
  renewing = setTimeout(() => get(job.statusUrl).then(showResult, () => {}), RENEW_MS);
}

export function preparePlayground() {
  const form = byId("play");
  prepareShapes();
  form.elements.mode.addEventListener("change", chooseMode);
  form.elements.image.addEventListener("change", (event) => attempt(choosePicture, event.currentTarget));
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
        showProgress(null);
        showPictures([]);
        throw error;
      }
    }, form.querySelector("button[type=submit]"));
  });
}
