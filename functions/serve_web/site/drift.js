// Drift: whether predictions have moved away from training, by the newest look; its report opens in a tab.

import { driftLink } from "./api.js";
import { badge, h } from "./dom.js";
import { count, day } from "./format.js";
import { opener } from "./reports.js";

/** The card's content; nothing before the first look. */
export function showDrift(model) {
  const found = model.drift;
  if (!found) return [];
  const status = found.drifted ? "drifted" : found.compared ? "as in training" : "not compared";
  const seen = `${count(found.rows, "prediction")} of version ${found.version}, ${day(found.since)} to ${day(found.until)}`;
  return [
    h("div", { className: "title" }, h("h2", {}, "Drift"), badge(status), opener("Report", "Drift report", () => driftLink(model.model))),
    h("p", { className: "sub" }, seen),
    found.version !== model.live_version && h("p", { className: "note" }, "Another version serves now; the next look compares that one."),
    found.drifted && h("ul", { className: "plain" }, found.reasons.map((reason) => h("li", { className: "note" }, reason))),
    !found.compared && h("p", { className: "hint" }, "There was too little to compare; the report says of what."),
    found.retrain && h("p", { className: "note" }, `Retraining: ${found.retrain}.`),
  ];
}
