// What arrived, what became of it, and what to do about the rest.

import { badge, h } from "./dom.js";
import { count, size, time } from "./format.js";

export function uploadRow(upload) {
  const facts = [
    typeof upload.accepted_rows === "number" && upload.status === "accepted" && count(upload.accepted_rows, "row") + " accepted",
    size(upload.size),
    time(upload.received_at),
  ].filter(Boolean);
  return h(
    "div",
    { className: "upload" },
    h("div", { className: "line" }, h("span", { className: "key-name" }, upload.key), badge(upload.status)),
    h("div", { className: "sub" }, facts.join(" · ")),
    upload.rejected_rows > 0 &&
      h("p", { className: "problem soft" }, h("strong", {}, `${count(upload.rejected_rows, "row")} set aside. `),
        "Each is listed with its line and reason", upload.report ? [" in ", h("code", {}, upload.report), "."] : "."),
    (upload.notes ?? []).map((note) => h("p", { className: "note" }, note)),
    upload.error && problemBox(upload.error),
  );
}

/** {title, detail, remedy} */
export function problemBox(error) {
  return h(
    "div",
    { className: "problem" },
    h("strong", {}, error.title ?? "Problem"),
    error.detail && h("p", {}, error.detail),
    error.remedy && h("p", { className: "remedy" }, error.remedy),
  );
}

export function showUploads(uploads, target) {
  return [
    h("h2", {}, "Uploads"),
    uploads.length
      ? h("ul", { className: "plain" }, uploads.map((upload) => h("li", {}, uploadRow(upload))))
      : h("p", { className: "hint" }, `No file has arrived under ${target}.`),
  ];
}
