// An experiment: its lanes and their numbers, how it went look by look, what was decided and why; buttons to begin and end.

import { adminForm } from "./admin.js";
import { askExperiment } from "./api.js";
import { badge, h } from "./dom.js";
import { number, percent, time } from "./format.js";

const OVER = new Set(["promoted", "kept", "stopped", "inconclusive", "failed"]);
const MODES = { ab: "A/B test", bandit: "bandit", shadow: "shadow" };
const LANES_AS = { variants: "lanes are variants of the endpoint", endpoints: "lanes are endpoints of their own" };
const MAY_CHALLENGE = new Set(["approved", "pending_approval", "retired", "failed"]);
const WIDTH = 640;
const HEIGHT = 200;
const EDGE = { left: 64, right: 12, top: 12, bottom: 24 };

export function experimentWorks(experiment) {
  return Boolean(experiment) && ["starting", "deciding"].includes(experiment.status);
}

/** The card's content; nothing where there is nothing to compare. */
export function showExperiment(model, experiment, versions) {
  const others = versions.filter((version) => version.version !== model.live_version && MAY_CHALLENGE.has(version.status));
  const over = !experiment || OVER.has(experiment.status);
  if (over && !experiment && !(model.live_version && others.length)) return [];
  const begin = over && model.live_version && others.length > 0 ? startPart(model, others) : null;
  if (!experiment) {
    return [h("h2", {}, "Experiment"), h("p", { className: "hint" }, "Versions can share the live traffic until it is decided who serves."), begin];
  }
  const verdict = experiment.decision ?? experiment.proposal;
  return [
    h("div", { className: "title" }, h("h2", {}, `Experiment: ${MODES[experiment.mode] ?? experiment.mode}`), badge(experiment.status), h("code", { className: "faint" }, experiment.experiment)),
    h("p", {}, saying(experiment, verdict)),
    experiment.error && h("p", { className: "problem" }, experiment.error.remedy),
    lanesTable(experiment),
    experiment.lanes.slice(1).map((lane) => plot(experiment, lane.slot)),
    h("p", { className: "sub" }, facts(experiment)),
    over ? begin : endPart(model, experiment),
  ];
}

function saying(experiment, verdict) {
  if (experiment.decision) return `${experiment.decision.by === "experiment" ? "Decided by itself" : `Decided by ${experiment.decision.by}`}: ${verdict.reason}`;
  if (experiment.proposal) return `A person has to decide. The numbers say: ${verdict.reason}`;
  if (experiment.look) return experiment.look.reason;
  return experiment.status === "starting" ? "The challengers' lanes come up." : "No look yet.";
}

function facts(experiment) {
  const asked = experiment.asked ?? {};
  return [
    experiment.started_at && `shared since ${time(experiment.started_at)}`,
    experiment.lanes_as && LANES_AS[experiment.lanes_as],
    experiment.ended_at && `ended ${time(experiment.ended_at)}`,
    `${experiment.looks} ${experiment.looks === 1 ? "look" : "looks"}`,
    asked.who && `begun by ${asked.who}${asked.why ? `: ${asked.why}` : ""}`,
    experiment.look?.srm_p != null && `traffic as planned: p = ${number(experiment.look.srm_p)}`,
    ...(experiment.look?.lanes ?? [])
      .filter((lane) => lane.design_effect > 1 && lane.outcomes)
      .map((lane) => `subjects ask more than once: ${lane.lane}'s ${number(lane.outcomes)} outcomes count as ${number(Math.round(lane.outcomes / lane.design_effect))}`),
  ].filter(Boolean).join(" · ");
}

function lanesTable(experiment) {
  const seen = new Map((experiment.look?.lanes ?? []).map((lane) => [lane.lane, lane]));
  const compared = new Map((experiment.look?.comparisons ?? []).map((one) => [one.lane, one]));
  const agreement = experiment.look?.agreement;
  const columns = ["Lane", "Version", "Share", "Exposures", "Outcomes", agreement ? "Agree" : "Rate", "Difference", "p", "p95 ms", "Errors"];
  return h(
    "div",
    { className: "scroll" },
    h(
      "table",
      { className: "lanes" },
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))),
      h(
        "tbody",
        {},
        experiment.lanes.map((lane) => {
          const slot = experiment.mode === "shadow" && lane.slot !== "champion" ? "shadow" : lane.slot;
          const numbers = seen.get(slot) ?? {};
          const one = compared.get(slot);
          const share = experiment.weights?.[slot];
          return h(
            "tr",
            {},
            h("th", { scope: "row" }, slot),
            [
              lane.version,
              share == null ? "–" : percent(share),
              number(numbers.exposures),
              number(numbers.outcomes),
              number(numbers.mean),
              one ? difference(one) : "–",
              one ? number(one.p) : "–",
              number(numbers.latency_p95),
              number(numbers.errors),
            ].map((value) => h("td", {}, String(value))),
          );
        }),
      ),
    ),
  );
}

function difference(one) {
  const sign = one.difference > 0 ? "+" : "";
  return sign + number(one.difference) + (one.low == null ? "" : ` (${number(one.low)} – ${number(one.high)})`);
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The challenger's difference to the champion with its interval, over the looks. */
function plot(experiment, slot) {
  const points = (experiment.course ?? []).filter((point) => point.comparisons[slot]);
  if (points.length < 2) return null;
  const found = points.map((point) => ({ at: point.at, ...point.comparisons[slot] }));
  const last = found[found.length - 1];
  // an interval at the beginning is so wide that nothing else would be seen
  const reach = 3 * Math.max(...[last.low, last.high, last.difference].map((value) => Math.abs(value ?? 0)), 1e-6);
  const within = (value) => Math.min(Math.max(value, -reach), reach);
  const values = found.flatMap((one) => [one.low, one.high, one.difference, 0]).filter((value) => value != null).map(within);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const first = found[0].at;
  const length = last.at - first || 1;
  const x = (at) => EDGE.left + ((at - first) / length) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((within(value) - low) / span) * (HEIGHT - EDGE.top - EDGE.bottom);
  const known = found.filter((one) => one.low != null);
  const line = (key) => known.map((one) => `${x(one.at).toFixed(1)},${y(one[key]).toFixed(1)}`);
  const label = `Difference of ${slot} to the champion: ${difference(last)} at the last of ${found.length} looks`;
  return h(
    "figure",
    { className: "course" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      svg("polygon", { class: "interval", points: [...line("low"), ...line("high").reverse()].join(" ") }),
      svg("line", { class: "zero", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(0), y2: y(0) }),
      svg("polyline", { class: "difference", points: found.map((one) => `${x(one.at).toFixed(1)},${y(one.difference).toFixed(1)}`).join(" ") }),
      ...[...new Set([low, 0, low + span])].map((value) => svg("text", { class: "tick", x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value))),
      svg("text", { class: "tick", x: EDGE.left, y: HEIGHT - 6 }, time(first * 1000)),
      svg("text", { class: "tick", x: WIDTH - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, time(last.at * 1000)),
    ),
    h("figcaption", { className: "sub" }, `${slot}: difference to the champion with its interval, look by look`),
  );
}

function endPart(model, experiment) {
  const place = h("div", {});
  const button = (text, options) => h("button", { type: "button", onclick: () => place.replaceChildren(adminForm(place, options)) }, text);
  const decide = (decision, slot) => async (why) => {
    await askExperiment(model.model, "POST", { decision, ...(slot ? { slot } : {}), ...(why ? { why } : {}) });
    return "Written. What follows is under way.";
  };
  const ready = experiment.status === "running" || experiment.status === "waits_for_decision";
  return h(
    "div",
    { className: "decide" },
    h(
      "div",
      { className: "line" },
      ready && experiment.lanes.slice(1).map((lane) =>
        button(`Promote version ${lane.version}`, { label: `Promote version ${lane.version}`, does: "It takes the champion's place.", act: decide("promote", lane.slot) }),
      ),
      ready && button("Keep the champion", { label: "Keep the champion", does: "The challengers get no more traffic.", act: decide("keep") }),
      experiment.status !== "deciding" && button("Stop", { label: "Stop the experiment", does: "The version that served before serves on.", act: decide("stop") }),
    ),
    place,
  );
}

function startPart(model, others) {
  const place = h("div", {});
  const open = () => {
    const challenger = h("select", {}, others.map((version) => h("option", { value: String(version.version) }, `version ${version.version} (${version.status.replaceAll("_", " ")})`)));
    const mode = h("select", {}, Object.entries(MODES).map(([name, text]) => h("option", { value: name }, text)));
    const act = async (why) => {
      const made = await askExperiment(model.model, "PUT", { challenger: Number(challenger.value), mode: mode.value, ...(why ? { why } : {}) });
      return `Experiment ${made.experiment} is ${made.status}.`;
    };
    const fields = [h("label", {}, "Challenger", challenger), h("label", {}, "Kind", mode)];
    const does = "It shares the traffic with the version that serves, as model.yaml's part experiment says. A shadow only sees copies.";
    place.replaceChildren(adminForm(place, { label: "Start the experiment", does, fields, act }));
  };
  return h("div", { className: "decide" }, h("div", { className: "line" }, h("button", { type: "button", onclick: open }, "Compare a version")), place);
}
