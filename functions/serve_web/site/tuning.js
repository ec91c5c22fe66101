// What a run searched, and what it costs.

import { h } from "./dom.js";
import { number } from "./format.js";

const OVER = new Set(["Completed", "Failed", "Stopped"]);

export function tuningPart(search) {
  if (!search) return null;
  const trials = [...(search.trials ?? [])].sort((a, b) => rank(search, a) - rank(search, b));
  const ended = trials.filter((trial) => OVER.has(trial.status)).length;
  const best = search.best?.value == null ? "" : `, the best ${search.objective} ${number(search.best.value)}`;
  return h(
    "div",
    { className: "search" },
    h("p", {}, `Tuning (${search.strategy}): ${ended} of ${search.max_jobs} jobs${best}`),
    search.warm_start && h("p", { className: "sub" }, `Began with what ${search.warm_start} found.`),
    search.stopped && h("p", { className: "sub" }, search.stopped),
    trials.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, "Jobs"),
        h(
          "ol",
          { className: "plain" },
          trials.map((trial) =>
            h(
              "li",
              {},
              h("strong", {}, trial.value == null ? trial.status : number(trial.value)),
              h("span", { className: "sub" }, ` ${values(trial.hyperparameters)}${trial.job === search.best?.job ? " · the best" : ""}`),
              trial.reason && h("p", { className: "sub" }, trial.reason),
            ),
          ),
        ),
      ),
  );
}

export function costPart(cost) {
  if (!cost?.estimate) return null;
  const spent = cost.actual ? `Cost ${billed(cost.actual)}, estimated ` : "Cost estimated ";
  const budget = cost.budget_usd == null ? "" : `; the budget is ${money(cost.budget_usd)}`;
  const prices = new Set(cost.estimate.lines.map((line) => (line.price.source === "list" ? "AWS's price list" : `prices of ${line.price.region}, ${line.price.seen}`)));
  return h("p", { className: "sub" }, `${spent}${money(cost.estimate.usd)}, at most ${money(cost.estimate.worst_usd)}${budget} (${[...prices].join(", ")})`);
}

function rank(search, trial) {
  if (trial.value == null) return Infinity;
  return search.direction === "Maximize" ? -trial.value : trial.value;
}

function values(hyperparameters) {
  return Object.entries(hyperparameters ?? {})
    .map(([name, value]) => `${name} ${Number.isNaN(Number(value)) ? value : number(Number(value))}`)
    .join(", ");
}

// sums are kept to four digits: seconds that cost less are not nothing
function billed(actual) {
  return actual.usd === 0 && actual.lines.some((line) => line.seconds) ? "under $0.0001" : money(actual.usd);
}

function money(usd) {
  return `$${usd >= 1 || usd === 0 ? usd.toFixed(2) : usd.toFixed(4)}`;
}
