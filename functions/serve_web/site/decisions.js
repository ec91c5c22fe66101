// What a person may decide about a version, with a reason. The admin key is asked for at the first decision.

import { adminForm } from "./admin.js";
import { decide } from "./api.js";
import { h } from "./dom.js";

const POSSIBLE = {
  pending_approval: ["approve", "reject"],
  approved: ["reject"],
  retired: ["deploy", "reject"],
  failed: ["deploy", "reject"],
};
const SAID = { approve: "Approve", reject: "Reject", deploy: "Deploy" };
const DOES = {
  approve: "It will be deployed.",
  reject: "It will never serve again.",
  deploy: "It takes the place of the version that serves.",
};

/** Buttons for what the version's status allows; each opens a form below them. */
export function decisionButtons(model, version) {
  const actions = POSSIBLE[version.status] ?? [];
  if (!actions.length) return null;
  const place = h("div", {});
  const buttons = actions.map((action) =>
    h("button", { type: "button", "aria-label": `${SAID[action]} version ${version.version}`, onclick: () => place.replaceChildren(form(model, version.version, action, place)) }, SAID[action]),
  );
  return h("div", { className: "decide" }, h("div", { className: "line" }, buttons), place);
}

/** What a person decided last. */
export function decisionNote(version) {
  const decision = version.decision;
  if (!decision) return null;
  return h("p", { className: "note" }, `${decision.approval} by ${decision.who}${decision.why ? `: ${decision.why}` : ""}`);
}

function form(model, number, action, place) {
  return adminForm(place, {
    label: `${SAID[action]} version ${number}`,
    does: DOES[action],
    act: async (why) => (await decide(model, number, action, why)).message,
  });
}
