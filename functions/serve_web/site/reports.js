// Opens reports in a tab of their own. The API wants the key and a link can't carry it, so the API is asked for an
// address that is open for a few minutes.

import { reportLink } from "./api.js";
import { h } from "./dom.js";

/** A button, or nothing while the run has no report. `what` tells two buttons apart for those who don't see them. */
export function reportButton(model, run, report, what) {
  return report ? opener("Report", `Report of ${what}`, () => reportLink(model, run)) : null;
}

/** A button that opens what `ask` answers with, and what went wrong beside it. */
export function opener(text, label, ask) {
  const said = h("span", { className: "sub", role: "alert" });
  const button = h("button", { type: "button", className: "report", "aria-label": label }, text);
  button.addEventListener("click", async () => {
    // a tab that is opened after an answer has come counts as a pop-up
    const tab = window.open("", "_blank");
    said.textContent = tab ? "" : "The browser blocked the new tab.";
    if (!tab) return;
    tab.opener = null;
    button.disabled = true;
    try {
      tab.location.replace((await ask()).url);
    } catch (problem) {
      tab.close();
      said.textContent = problem.message;
    } finally {
      button.disabled = false;
    }
  });
  return [button, said];
}
