// The account page: signs in, then shows each part of it.
import { attempt, call, get, Refusal, say, setCsrfToken } from "./api.js";
import { byId, make, show } from "./dom.js";
import { prepareKeys, showKeys } from "./keys.js";
import { prepareLog, showLog } from "./log.js";
import { prepareMembers, showMembers } from "./members.js";
import { followOverview } from "./overview.js";
import { preparePlayground, showPlayground } from "./playground.js";
import { prepareSessions, showSessions } from "./sessions.js";
import { prepareWebhooks, showWebhooks } from "./webhooks.js";

const INVITATION = "imagerift-invitation";
const REFUSALS = { sign_in_failed: "The sign-in failed. Please try again.", no_workspace_left: "You are a member of no workspace any more, and a new one of your own was made for you less than 30 days ago. Ask the operator of this installation to add you to a workspace, or come back later.", sign_up_closed: "This installation lets nobody new in without an invitation. Ask somebody who works here for one and open its address, or ask its operator to let you sign up.", account_suspended: "This account was suspended by the operator of this installation.", rate_limited: "Too many sign-ins came from here. Please try again in a minute.", capacity_unavailable: "The sign-in service does not answer. Please try again in a moment." };
let account = null;

function readFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (fragment.has("invitation")) sessionStorage.setItem(INVITATION, fragment.get("invitation"));
  // The invitation let its bearer in at the sign-in itself.
  if (fragment.has("invited")) sessionStorage.removeItem(INVITATION);
  if (fragment.has("refused")) say(REFUSALS[fragment.get("refused")] ?? REFUSALS.sign_in_failed);
  // Neither a token nor a message should stay in the address.
  if (location.hash) history.replaceState(null, "", location.pathname);
}

async function acceptInvitation() {
  const token = sessionStorage.getItem(INVITATION);
  if (!token) return;
  sessionStorage.removeItem(INVITATION);
  const { content } = await call("POST", "/api/v1/account/invitations/accept", { token });
  await enter(content.workspaceId);
}

async function enter(workspaceId) {
  await call("POST", "/api/v1/account/workspace", { workspaceId });
  await load();
}

async function load() {
  account = await get("/api/v1/account");
  setCsrfToken(account.csrfToken);
}

function showHeading() {
  const { person, workspace, workspaces } = account;
  byId("workspace-name").textContent = workspace.name;
  byId("who").textContent = `${person.email ?? person.name}, ${workspace.role}`;
  byId("plan").textContent = workspace.plan;
  show(byId("switch"), workspaces.length > 1);
  byId("workspaces").replaceChildren(...workspaces.map((entry) =>
    make("option", { value: entry.workspaceId, textContent: entry.name, selected: entry.workspaceId === workspace.workspaceId })));
}

async function showAccount() {
  showHeading();
  show(byId("sign-in"), false);
  show(byId("signed-in"));
  show(byId("sign-out"));
  const parts = [followOverview(), showPlayground(), showKeys(account), showMembers(account), showWebhooks(account), showSessions(), showLog(account)];
  const failed = (await Promise.allSettled(parts)).find((part) => part.status === "rejected");
  if (failed) throw failed.reason;
}

async function showSignIn() {
  const ways = await get("/api/v1/account/sign-in");
  show(byId("signed-in"), false);
  show(byId("sign-out"), false);
  show(byId("sign-in-oidc"), Boolean(ways.oidcUrl));
  if (ways.oidcUrl) byId("sign-in-oidc").href = ways.oidcUrl;
  show(byId("sign-in-form"), ways.password);
  show(byId("sign-in-none"), !ways.oidcUrl && !ways.password);
  show(byId("sign-in"));
}

// Where nobody new may sign up, the invitation has to come along: for ten minutes, to that path alone.
function bringInvitation() {
  const token = sessionStorage.getItem(INVITATION);
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; secure"] : ["", ""];
  if (token) document.cookie = `${prefix}imagerift_invitation=${encodeURIComponent(token)}; path=/; max-age=600; samesite=lax${secure}`;
}

async function start() {
  try {
    await load();
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) throw error;
    await showSignIn();
    return;
  }
  await attempt(acceptInvitation);
  await showAccount();
}

function restart() {
  return attempt(start).then(() => byId("main").removeAttribute("aria-busy"));
}

byId("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  attempt(async () => {
    const fields = new FormData(form);
    await call("POST", "/api/v1/account/session", { name: fields.get("name"), password: fields.get("password") });
    form.reset();
    await start();
  }, form.querySelector("button"));
});
byId("sign-in-oidc").addEventListener("click", bringInvitation);
byId("sign-out").addEventListener("click", (event) => attempt(async () => {
  await call("DELETE", "/api/v1/account/session");
  location.reload();
}, event.currentTarget));
byId("workspaces").addEventListener("change", (event) => attempt(async () => {
  await enter(event.target.value);
  await showAccount();
}));
// The log tells what one has just done.
document.addEventListener("imagerift:changed", () => {
  if (account && !byId("signed-in").hidden) showLog(account).catch(() => {});
});

readFragment();
prepareKeys(() => account);
prepareMembers(() => account);
prepareWebhooks(() => account);
preparePlayground();
prepareSessions();
prepareLog();
const refused = byId("problem").textContent;
restart().then(() => { if (refused) say(refused); });
