// Members and invitations.
import { attempt, call, get } from "./api.js";
import { copyTextOf } from "./copy.js";
import { ago, ask, button, byId, make, mark, show } from "./dom.js";

export async function showMembers(account) {
  const { data, invitations } = await get("/api/v1/account/members");
  const manage = account.permissions.manageMembers;
  byId("members").replaceChildren(
    ...data.map((member) => memberItem(member, account, manage)),
    ...invitations.map((invitation) => invitationItem(invitation, account, manage)),
  );
  show(byId("invite"), manage);
  byId("invite").elements.role.querySelector("[value=owner]").hidden = account.workspace.role !== "owner";
}

function memberItem(member, account, manage) {
  const own = member.personId === account.person.personId;
  const removable = !own && manage && (member.role !== "owner" || account.workspace.role === "owner");
  const who = make("span", {}, make("strong", { textContent: member.name }), own ? " (you)" : "",
    member.email ? make("div", { className: "quiet small", textContent: member.email }) : null);
  const remove = removable ? button("Remove", () => removeMember(member, account, remove), "button-bad") : null;
  return make("li", {}, who, mark(member.role), remove);
}

async function removeMember(member, account, control) {
  const sure = await ask({ title: `Remove ${member.name}?`, text: "The keys and invitations that they made end too.", yes: "Remove" });
  if (!sure) return;
  await attempt(async () => {
    await call("DELETE", `/api/v1/account/members/${member.personId}`);
    await showMembers(account);
  }, control);
}

function invitationItem(invitation, account, manage) {
  const withdraw = manage ? button("Withdraw", () => attempt(async () => {
    await call("DELETE", `/api/v1/account/invitations/${invitation.invitationId}`);
    await showMembers(account);
  }, withdraw)) : null;
  return make("li", {}, make("span", { className: "quiet", textContent: `Invitation by ${invitation.invitedBy.name}, expires ${ago(invitation.expiresAt)}` }), mark(invitation.role), withdraw);
}

export function prepareMembers(currentAccount) {
  byId("invite").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    attempt(async () => {
      const { content } = await call("POST", "/api/v1/account/invitations", { role: new FormData(form).get("role") });
      byId("invitation-url").textContent = content.url;
      show(byId("invitation"));
      await showMembers(currentAccount());
      byId("invitation-url").focus();
    }, form.querySelector("button"));
  });
  byId("copy-invitation").addEventListener("click", (event) => copyTextOf(byId("invitation-url"), event.currentTarget));
}
