// The shapes in which a job makes each of its pictures: the one of the form's own fields, and those added to it.
import { button, byId, make, show } from "./dom.js";

const SIZES = { base: "Base, 1,024 px", "2k": "2K, 2,048 px", "4k": "4K, 4,096 px" };
let mode = null;

export const sizeWords = (size) => SIZES[size] ?? size;
export const aspectWords = (aspect) => (aspect === "source" ? "as the source" : aspect);
const rows = () => [...byId("shapes").children];
const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function chosenShapes() {
  const { outputAspect, exportSize } = byId("play").elements;
  const added = rows().map((row) => [...row.querySelectorAll("select")]);
  return [[outputAspect, exportSize], ...added].map(([aspect, size]) => ({ aspect: aspect.value, size: size.value }));
}

// Takes over what a mode offers, once the form's own fields have it.
export function offerShapes(chosen) {
  mode = chosen;
  for (const row of rows().slice(Math.max(0, mode.maxOutputs - 1))) row.remove();
  for (const select of byId("shapes").querySelectorAll("select")) takeOptions(select, select.value);
  check();
}

function takeOptions(select, value) {
  const own = byId("play").elements[select.name === "shapeAspect" ? "outputAspect" : "exportSize"];
  select.replaceChildren(...[...own.options].map((option) => option.cloneNode(true)));
  select.value = [...select.options].some((option) => option.value === value && !option.disabled) ? value : own.value;
}

// The next one that is not there yet, in the form's own size where it can be.
function freeShape() {
  const { outputAspect, exportSize } = byId("play").elements;
  const permitted = [...exportSize.options].filter((option) => !option.disabled).map(({ value }) => value);
  const aspects = mode.oneAspect ? [outputAspect.value] : [...outputAspect.options].map(({ value }) => value);
  const taken = new Set(chosenShapes().map(({ aspect, size }) => `${aspect} ${size}`));
  return [exportSize.value, ...permitted]
    .flatMap((size) => aspects.map((aspect) => ({ aspect, size })))
    .find(({ aspect, size }) => !taken.has(`${aspect} ${size}`));
}

function addShape() {
  const selects = ["shapeAspect", "shapeSize"].map((name) => make("select", { name }));
  const free = freeShape();
  takeOptions(selects[0], free?.aspect);
  takeOptions(selects[1], free?.size);
  const row = make("li", {}, ...selects.map((select) => make("label", {}, make("span"), select)), button("Remove", () => {
    row.remove();
    check();
    byId("add-shape").focus();
  }));
  byId("shapes").append(row);
  check();
  selects[0].focus();
}

// Numbers the shapes, says what they cost, and what is wrong with them before anything is sent.
function check() {
  const { outputAspect, variations } = byId("play").elements;
  rows().forEach((row, index) => {
    const [aspect, size] = row.querySelectorAll("select");
    aspect.disabled = mode.oneAspect;
    if (mode.oneAspect) aspect.value = outputAspect.value;
    const [aspectLabel, sizeLabel] = row.querySelectorAll("span");
    aspectLabel.textContent = `Shape ${index + 2}`;
    sizeLabel.textContent = `Size of shape ${index + 2}`;
    row.querySelector("button").ariaLabel = `Remove shape ${index + 2}`;
    size.setCustomValidity("");
  });
  const shapes = chosenShapes();
  shapes.forEach(({ aspect, size }, index) => {
    const same = shapes.findIndex((other) => other.aspect === aspect && other.size === size);
    if (same < index) rows()[index - 1].querySelector("[name=shapeSize]").setCustomValidity(`Shape ${index + 1} is the same as shape ${same + 1}.`);
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
