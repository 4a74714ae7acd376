// Calls of this installation's API under the account session.
import { byId, make, show } from "./dom.js";

let csrfToken = "";
export const setCsrfToken = (token) => { csrfToken = token; };

export class Refusal extends Error {
  constructor(problem, status) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.code = problem.code;
    this.param = problem.param ?? null;
    this.status = status;
  }
}

export async function call(method, path, body) {
  const headers = {};
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const content = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(content ?? {}, answer.status);
  // Parts of the page that tell of what was done follow it.
  if (method !== "GET") document.dispatchEvent(new CustomEvent("imagerift:changed", { detail: path }));
  return { content, headers: answer.headers };
}

// A refusal that the page itself sees before anything is sent.
export const refuse = (detail, param) => new Refusal({ detail, param }, 400);

export const get = async (path) => (await call("GET", path)).content;

// Says it at the top of the page or, where something in a form or list was asked for, right there.
export function say(message, near = null) {
  const place = near ? placeBeside(near) : byId("problem");
  place.textContent = message;
  show(place, Boolean(message));
  if (message) place.scrollIntoView({ block: "nearest" });
  return place;
}

function placeBeside(near) {
  const room = near.closest("form, li, tr") ?? near;
  // No paragraph can follow a row of a table.
  const after = room.tagName === "TR" ? room.closest(".scroll") : room;
  const next = room.tagName === "LI" ? room.lastElementChild : after.nextElementSibling;
  if (next?.matches(".problem")) return next;
  const place = make("p", { className: "problem notice notice-bad", hidden: true, tabIndex: -1 });
  place.setAttribute("role", "alert");
  if (room.tagName === "LI") room.append(place);
  else after.after(place);
  return place;
}

// A refusal names the field at fault as the API calls it; the form may call it otherwise.
const FIELDS = { imageBase64: "image", expiresAt: "days", outputs: "shapeAspect", scopes: "scope" };

function fieldOf(param, near) {
  const form = near?.closest("form");
  const name = param?.split(".")[0];
  const found = name ? form?.elements[FIELDS[name] ?? name] : null;
  return found instanceof RadioNodeList ? found[0] : found;
}

// Runs what somebody asked for with `control`. A refusal is said beside it, and the focus goes to
// the field at fault, else to the refusal; it never gets lost.
export async function attempt(work, control = null) {
  say("", control);
  if (control) control.disabled = true;
  const giveBack = () => {
    if (!control) return;
    control.disabled = false;
    if (document.activeElement === document.body && control.isConnected) control.focus();
  };
  try {
    const done = await work();
    giveBack();
    return done;
  } catch (error) {
    giveBack();
    const place = say(error instanceof Refusal ? error.message : "The server cannot be reached.", control);
    const field = fieldOf(error.param, control);
    if (field?.checkVisibility()) field.focus();
    else if (control) place.focus();
    return undefined;
  }
}
