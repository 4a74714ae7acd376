// The account log, for owners.
import { attempt, get } from "./api.js";
import { ago, byId, make, show } from "./dom.js";

const WORDS = {
  "account.created": "created the account", "account.signed_in": "signed in",
  "account.suspended": "suspended the account", "account.resumed": "ended the account's suspension",
  "workspace.created": "created the workspace", "workspace.renamed": "renamed the workspace",
  "workspace.plan_changed": "changed the plan",
  "workspace.suspended": "suspended the workspace", "workspace.resumed": "ended the workspace's suspension",
  "key.created": "created a key", "key.rotated": "rotated a key", "key.revoked": "revoked a key",
  "member.invited": "made an invitation", "member.invitation_revoked": "withdrew an invitation",
  "member.added": "joined", "member.role_changed": "changed a role", "member.removed": "removed a member",
  "webhook.created": "added a webhook", "webhook.deleted": "deleted a webhook", "webhook.disabled": "turned a webhook off",
  "webhook.replayed": "replayed a delivery", "webhook.secret_rotated": "made a new webhook secret",
};
let cursor = null;

export async function showLog(account) {
  show(byId("log-panel"), account.permissions.readLog);
  if (!account.permissions.readLog) return;
  byId("log").replaceChildren();
  cursor = null;
  await more();
}

async function more() {
  const page = await get(`/api/v1/account/log?limit=10${cursor ? `&cursor=${cursor}` : ""}`);
  byId("log").append(...page.data.map(item));
  cursor = page.nextCursor;
  show(byId("log-more"), Boolean(cursor));
}

function item(entry) {
  const details = Object.entries(entry.details).map(([name, value]) => `${name} ${value}`).join(", ");
  const from = entry.actor.address ? `, from ${entry.actor.address}` : "";
  return make("li", {},
    make("span", {}, make("strong", { textContent: entry.actor.name }), ` ${WORDS[entry.action] ?? entry.action}`,
      make("div", { className: "quiet small", textContent: details })),
    make("time", { className: "quiet small", dateTime: entry.at, title: entry.at, textContent: `${ago(entry.at)}${from}` }));
}

export function prepareLog() {
  byId("log-more").addEventListener("click", (event) => attempt(more, event.currentTarget));
}
