// Where one is signed in, and how to end it elsewhere.
import { attempt, call, get } from "./api.js";
import { ago, button, byId, make, mark, show } from "./dom.js";

const PATH = "/api/v1/account/sessions";
// Of what a browser says of itself, the first that it names: most name several.
const BROWSERS = { Edg: "Edge", OPR: "Opera", SamsungBrowser: "Samsung Internet", Firefox: "Firefox", Chrome: "Chrome", HeadlessChrome: "Chrome", Safari: "Safari" };
const SYSTEMS = { iPhone: "iPhone", iPad: "iPad", Android: "Android", Windows: "Windows", "Mac OS X": "macOS", Linux: "Linux" };
const named = (names, text) => Object.entries(names).find(([name]) => text.includes(name))?.[1];

function browserOf(userAgent) {
  if (!userAgent) return "Unknown browser";
  const [browser, system] = [named(BROWSERS, userAgent), named(SYSTEMS, userAgent)];
  return browser && system ? `${browser} on ${system}` : userAgent.slice(0, 60);
}

export async function showSessions() {
  const { data } = await get(PATH);
  byId("sessions").replaceChildren(...data.map(item));
  show(byId("end-sessions"), data.length > 1);
}

function item(session) {
  const end = session.current ? null : button("End session", () => attempt(async () => {
    await call("DELETE", `${PATH}/${session.sessionId}`);
    await showSessions();
  }, end));
  return make("li", {},
    make("span", {}, make("strong", { textContent: browserOf(session.userAgent), title: session.userAgent ?? "" }),
      make("div", { className: "quiet small", textContent: `from ${session.address ?? "an unknown address"}, used ${ago(session.lastUsedAt)}` })),
    session.current ? mark("this one") : null, end);
}

export function prepareSessions() {
  byId("end-sessions").addEventListener("click", (event) => attempt(async () => {
    await call("DELETE", PATH);
    await showSessions();
  }, event.currentTarget));
}
