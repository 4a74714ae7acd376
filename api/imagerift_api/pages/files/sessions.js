// Where one is signed in, and how to end it elsewhere.
import { attempt, call, get } from "./api.js";
import { ago, button, byId, make, mark, show } from "./dom.js";

const PATH = "/api/v1/account/sessions";

export async function showSessions() {
  const { data } = await get(PATH);
  byId("sessions").replaceChildren(...data.map(item));
  show(byId("end-sessions"), data.length > 1);
}

function item(session) {
  const end = session.current ? null : button("Sign out", () => attempt(async () => {
    await call("DELETE", `${PATH}/${session.sessionId}`);
    await showSessions();
  }, end));
  return make("li", {},
    make("span", {}, make("strong", { textContent: session.userAgent ?? "Unknown browser" }),
      make("div", { className: "quiet small", textContent: `from ${session.address ?? "an unknown address"}, used ${ago(session.lastUsedAt)}` })),
    session.current ? mark("this one") : null, end);
}

export function prepareSessions() {
  byId("end-sessions").addEventListener("click", (event) => attempt(async () => {
    await call("DELETE", PATH);
    await showSessions();
  }, event.currentTarget));
}
