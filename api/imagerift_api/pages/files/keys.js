// API keys: create, see once, rotate, revoke.
import { attempt, call, get, refuse } from "./api.js";
import { copyTextOf } from "./copy.js";
import { ago, ask, button, byId, make, mark, show } from "./dom.js";

const PATH = "/api/v1/account/keys";
const SCOPES = {
  "jobs:write": "submit jobs", "jobs:read": "read jobs", "jobs:cancel": "cancel and delete jobs",
  "uploads:write": "upload", "usage:read": "read usage", "webhooks:manage": "manage webhooks",
};

export async function showKeys(account) {
  const open = Boolean(account.plan?.apiAccess);
  show(byId("keys-locked"), !open);
  show(byId("key-form"), open);
  for (const box of byId("key-form").elements.scope) {
    box.disabled = !account.permissions.keyScopes.includes(box.value);
    show(box.parentElement, !box.disabled);
  }
  byId("locked-plan").textContent = account.workspace.plan;
  const { data } = await get(PATH);
  const order = [...data].sort((a, b) => Boolean(a.revokedAt) - Boolean(b.revokedAt));
  byId("key-table").tBodies[0].replaceChildren(...order.map((key) => row(key, account, open)));
  show(byId("key-table"), data.length > 0);
  show(byId("keys-none"), data.length === 0 && open);
}

function row(key, account, open) {
  const own = key.createdBy === account.person.personId;
  const actions = make("div", { className: "row" });
  if (key.revokedAt) {
    actions.append(mark("revoked", "off"));
  } else if (own || account.permissions.manageKeys) {
    const rotate = button("Rotate", () => rotateKey(key, account, rotate));
    const revoke = button("Revoke", () => revokeKey(key, account, revoke), "button-bad");
    actions.append(...(open && own ? [rotate, revoke] : [revoke]));
  }
  const cell = (label, ...content) => {
    const made = make("td", {}, ...content);
    made.dataset.label = label;
    return made;
  };
  const old = key.oldSecretUntil ? make("div", { className: "quiet small", textContent: `old token ends ${ago(key.oldSecretUntil)}` }) : null;
  const made = make("tr", { className: key.revokedAt ? "off" : "" },
    make("th", { scope: "row", textContent: key.name }),
    cell("Token", make("code", { textContent: `${key.prefix}…${key.lastFour}` }), old),
    cell("Last used", key.lastUsedAt ? ago(key.lastUsedAt) : "never"),
    cell("Expires", key.expiresAt ? ago(key.expiresAt) : "never"),
    make("td", {}, actions));
  made.dataset.key = key.keyId;
  return made;
}

function showToken(token) {
  byId("token").textContent = token;
  show(byId("new-key"));
  byId("new-key").scrollIntoView({ block: "nearest" });
  byId("token").focus();
}

function hideToken() {
  byId("token").textContent = "";
  show(byId("new-key"), false);
}

async function rotateKey(key, account, control) {
  const sure = await ask({ title: `Rotate “${key.name}”?`, text: "It gets a new token under the same id.", yes: "Rotate", overlap: true });
  if (!sure) return;
  await attempt(async () => {
    const days = Number(byId("overlap").value);
    hideToken();
    const { content } = await call("POST", `${PATH}/${key.keyId}/rotate`, { overlapDays: days });
    await showKeys(account);
    showToken(content.token);
  }, control);
}

async function revokeKey(key, account, control) {
  const sure = await ask({ title: `Revoke “${key.name}”?`, text: "Whatever uses it stops working within five seconds. This cannot be undone.", yes: "Revoke" });
  if (!sure) return;
  await attempt(async () => {
    await call("DELETE", `${PATH}/${key.keyId}`);
    await showKeys(account);
  }, control);
}

export function prepareKeys(currentAccount) {
  byId("scopes").replaceChildren(...Object.entries(SCOPES).map(([scope, words]) =>
    make("label", {}, make("input", { type: "checkbox", name: "scope", value: scope, defaultChecked: true }), words)));
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    attempt(async () => {
      hideToken();
      const fields = new FormData(form);
      if (!fields.has("scope")) {
        byId("scopes").closest("details").open = true;
        throw refuse("Choose at least one scope: a key without any can do nothing.", "scopes");
      }
      const body = { name: fields.get("name"), scopes: fields.getAll("scope") };
      if (fields.get("days")) body.expiresAt = new Date(Date.now() + Number(fields.get("days")) * 864e5).toISOString();
      const { content } = await call("POST", PATH, body);
      form.reset();
      await showKeys(currentAccount());
      showToken(content.token);
    }, form.querySelector("button"));
  });
  byId("copy-token").addEventListener("click", (event) => copyTextOf(byId("token"), event.currentTarget));
  byId("hide-token").addEventListener("click", () => {
    hideToken();
    byId("key-form").elements.name.focus();
  });
}
