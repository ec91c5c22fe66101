// Files that are predicted as a whole, and what became of them.

import { badge, h } from "./dom.js";
import { count, size, time } from "./format.js";
import { problemBox } from "./uploads.js";

export function showBatches(batches, target) {
  return [
    h("h2", {}, "Predicted files"),
    batches.length
      ? h("ul", { className: "plain" }, batches.map((batch) => h("li", {}, row(batch))))
      : h("p", { className: "hint" }, `A file under ${target} comes back under predictions/ with a prediction for each row.`),
  ];
}

function row(batch) {
  const facts = [
    batch.version && `version ${batch.version}`,
    typeof batch.rows === "number" && count(batch.rows, "row"),
    size(batch.size),
    time(batch.received_at),
  ].filter(Boolean);
  const last = (batch.history ?? []).at(-1);
  return h(
    "div",
    { className: "upload" },
    h("div", { className: "line" }, h("span", { className: "key-name" }, batch.key), badge(batch.status)),
    h("div", { className: "sub" }, facts.join(" · ")),
    batch.result && h("p", { className: "note" }, "Result: ", h("code", {}, batch.result)),
    batch.rejected_rows > 0 &&
      h("p", { className: "problem soft" }, h("strong", {}, `${count(batch.rejected_rows, "row")} rejected. `),
        "Each is listed with its line and reason", batch.rejects ? [" in ", h("code", {}, batch.rejects), "."] : "."),
    (batch.notes ?? []).map((note) => h("p", { className: "note" }, note)),
    batch.error ? problemBox(batch.error) : !batch.result && last?.message && h("p", { className: "note" }, last.message),
  );
}

/** Whether a file is under way, so that the page looks again soon. */
export function anyUnderWay(batches) {
  return batches.some((batch) => !["done", "failed"].includes(batch.status));
}
