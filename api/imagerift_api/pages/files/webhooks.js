// Webhooks and their last deliveries.
import { attempt, call, get } from "./api.js";
import { copyTextOf } from "./copy.js";
import { ago, ask, button, byId, make, mark, show } from "./dom.js";

const PATH = "/api/v1/webhooks";

export async function showWebhooks(account) {
  show(byId("webhooks"), account.permissions.manageWebhooks);
  if (!account.permissions.manageWebhooks) return;
  const [hooks, log] = await Promise.all([get(PATH), get(`${PATH}/deliveries?limit=5`)]);
  byId("webhook-list").replaceChildren(...hooks.data.map((hook) => hookItem(hook, account)));
  byId("deliveries").replaceChildren(...log.data.map((entry) => deliveryItem(entry, account)));
  show(byId("deliveries-title"), log.data.length > 0);
}

function hookItem(hook, account) {
  const remove = button("Delete", async () => {
    if (!(await ask({ title: "Delete this webhook?", text: hook.url, yes: "Delete" }))) return;
    await attempt(async () => {
      await call("DELETE", `${PATH}/${hook.webhookId}`);
      await showWebhooks(account);
    }, remove);
  }, "button-bad");
  return make("li", {}, make("code", { textContent: hook.url }), hook.disabledAt ? mark(`off: ${hook.disabledReason}`, "failed") : null, remove);
}

function deliveryItem(entry, account) {
  const last = entry.tries.at(-1);
  const how = last ? `${last.status ?? last.error} in ${last.latencyMs} ms` : "waiting";
  const replay = button("Replay", () => attempt(async () => {
    await call("POST", `${PATH}/deliveries/${entry.deliveryId}/replay`);
    await showWebhooks(account);
  }, replay));
  return make("li", {}, make("span", {}, entry.event, make("div", { className: "quiet small", textContent: `${ago(entry.createdAt)}, ${how}` })), mark(entry.state), replay);
}

export function prepareWebhooks(currentAccount) {
  byId("webhook-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    attempt(async () => {
      const { content } = await call("POST", PATH, { url: new FormData(form).get("url") });
      form.reset();
      byId("webhook-secret").textContent = content.secret;
      show(byId("new-webhook"));
      await showWebhooks(currentAccount());
      byId("webhook-secret").focus();
    }, form.querySelector("button"));
  });
  byId("copy-webhook").addEventListener("click", (event) => copyTextOf(byId("webhook-secret"), event.currentTarget));
}
