// Calls of this installation's API under the account session.
import { byId, show } from "./dom.js";

let csrfToken = "";
export const setCsrfToken = (token) => { csrfToken = token; };

export class Refusal extends Error {
  constructor(problem, status) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.code = problem.code;
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
  return { content, headers: answer.headers };
}

export const get = async (path) => (await call("GET", path)).content;

export function say(message) {
  const problem = byId("problem");
  problem.textContent = message;
  show(problem, Boolean(message));
  if (message) problem.scrollIntoView({ block: "nearest" });
}

// Runs what somebody asked for; a refusal is shown at the top of the page.
export async function attempt(work, control) {
  say("");
  if (control) control.disabled = true;
  try {
    return await work();
  } catch (error) {
    say(error instanceof Refusal ? error.message : "The server cannot be reached.");
    return undefined;
  } finally {
    if (control) control.disabled = false;
  }
}
