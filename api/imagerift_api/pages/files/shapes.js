// The shapes in which a job makes each of its pictures: the one of the form's own fields, and those added to it.
import { button, byId, make, show } from "./dom.js";

const SIZES = { base: "Base, 1,024 px", "2k": "2K, 2,048 px", "4k": "4K, 4,096 px" };
const FORMATS = { png: "PNG", jpeg: "JPEG", webp: "WebP", avif: "AVIF" };
// A shape's fields: the form's own, and that of an added row.
const FIELDS = [["outputAspect", "shapeAspect"], ["exportSize", "shapeSize"], ["outputFormat", "shapeFormat"]];
let mode = null;

export const sizeWords = (size) => SIZES[size] ?? size;
export const aspectWords = (aspect) => (aspect === "source" ? "as the source" : aspect);
export const formatWords = (format) => FORMATS[format] ?? format;
export const shapeWords = ({ aspect, size, format }) => `${aspectWords(aspect)}, ${sizeWords(size)}, ${formatWords(format)}`;
const rows = () => [...byId("shapes").children];
const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// The fields of every shape: aspect, size and format.
function shapeFields() {
  const own = FIELDS.map(([name]) => byId("play").elements[name]);
  return [own, ...rows().map((row) => [...row.querySelectorAll("select")])];
}

export function chosenShapes() {
  return shapeFields().map(([aspect, size, format]) => ({ aspect: aspect.value, size: size.value, format: format.value }));
}

const isSame = (one, other) => one.aspect === other.aspect && one.size === other.size && one.format === other.format;

// Takes over what a mode offers, once the form's own fields have it.
export function offerShapes(chosen) {
  mode = chosen;
  for (const row of rows().slice(Math.max(0, mode.maxOutputs - 1))) row.remove();
  for (const select of byId("shapes").querySelectorAll("select")) takeOptions(select, select.value);
  check();
}

function takeOptions(select, value) {
  const own = byId("play").elements[FIELDS.find(([, name]) => name === select.name)[0]];
  select.replaceChildren(...[...own.options].map((option) => option.cloneNode(true)));
  select.value = [...select.options].some((option) => option.value === value && !option.disabled) ? value : own.value;
}

// The next one that is not there yet, in the form's own size and format where it can be.
function freeShape() {
  const { outputAspect, exportSize, outputFormat } = byId("play").elements;
  const permitted = [...exportSize.options].filter((option) => !option.disabled).map(({ value }) => value);
  const aspects = mode.oneAspect ? [outputAspect.value] : [...outputAspect.options].map(({ value }) => value);
  const format = outputFormat.value;
  const taken = chosenShapes();
  return [exportSize.value, ...permitted]
    .flatMap((size) => aspects.map((aspect) => ({ aspect, size, format })))
    .find((shape) => !taken.some((other) => isSame(shape, other)));
}

function addShape() {
  const free = freeShape() ?? {};
  const selects = FIELDS.map(([, name]) => make("select", { name }));
  [free.aspect, free.size, free.format].forEach((value, index) => takeOptions(selects[index], value));
  const row = make("li", {}, ...selects.map((select) => make("label", {}, make("span"), select)), button("Remove", () => {
    row.remove();
    check();
    byId("add-shape").focus();
  }));
  byId("shapes").append(row);
  check();
  selects[0].focus();
}

// Whether what is cut out comes without a ground.
function isTransparent() {
  if (mode.cutoutOptions === null) return false;
  const { background, preset } = byId("play").elements;
  return background.value ? background.value === "transparent" : !preset.value || mode.transparentPresets.includes(preset.value);
}

// Numbers the shapes, says what they cost, and what is wrong with them before anything is sent.
function check() {
  const { outputAspect, variations } = byId("play").elements;
  rows().forEach((row, index) => {
    const [aspect] = row.querySelectorAll("select");
    aspect.disabled = mode.oneAspect;
    if (mode.oneAspect) aspect.value = outputAspect.value;
    const labels = ["Shape", "Size of shape", "Format of shape"];
    row.querySelectorAll("span").forEach((span, place) => { span.textContent = `${labels[place]} ${index + 2}`; });
    row.querySelector("button").ariaLabel = `Remove shape ${index + 2}`;
  });
  const shapes = chosenShapes();
  const transparent = isTransparent();
  shapeFields().forEach(([, size, format], index) => {
    const same = shapes.findIndex((other) => isSame(shapes[index], other));
    size.setCustomValidity(same < index ? `Shape ${index + 1} is the same as shape ${same + 1}.` : "");
    format.setCustomValidity(transparent && format.value === "jpeg" ? "JPEG cannot be transparent: choose a background, or another format." : "");
  });
  const each = Number(variations.value);
  const pictures = each * shapes.length;
  variations.setCustomValidity(pictures > mode.maxPictures ? `That makes ${pictures} pictures; one job makes ${mode.maxPictures} at most.` : "");
  byId("cost").textContent = `Costs ${counted(pictures, "unit")}` + (shapes.length > 1 ? `: ${counted(each, "picture")} in each of ${shapes.length} shapes.` : ".");
  show(byId("shapes"), shapes.length > 1);
  show(byId("add-shape"), shapes.length < mode.maxOutputs);
}

export function prepareShapes() {
  byId("add-shape").addEventListener("click", addShape);
  byId("play").addEventListener("change", () => { if (mode) check(); });
}
