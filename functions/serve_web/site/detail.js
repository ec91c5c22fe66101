// One model: what it does now, a form that predicts, its last run, versions, predicted files and uploads.

import { showBatches } from "./batches.js";
import { decisionButtons, decisionNote } from "./decisions.js";
import { badge, command, fill, h } from "./dom.js";
import { showDrift } from "./drift.js";
import { showExperiment } from "./experiments.js";
import { buildForm } from "./form.js";
import { count, duration, metric, number, time } from "./format.js";
import { reportButton } from "./reports.js";
import { sleepFacts, sleepPart } from "./sleep.js";
import { costPart, tuningPart } from "./tuning.js";
import { problemBox, showUploads } from "./uploads.js";
import { whereabouts } from "./whereabouts.js";

const STEPS = ["preparing", "training", "evaluating", "registering", "deploying", "live"];
const ENDS = new Set(["live", "rejected", "failed"]);
const SAID = {
  preparing: "Data prepared",
  processing: "Data prepared in a processing job",
  training: "Trained",
  evaluating: "Evaluated on the holdout",
  registering: "Compared and registered",
  awaiting_approval: "Waits for approval",
  in_experiment: "Compared on live traffic",
  deploying: "Deployed",
  live: "Live",
  rejected: "Rejected",
  failed: "Failed",
};
const DOING = {
  preparing: "Preparing the data",
  processing: "Preparing the data in a processing job",
  training: "Training",
  evaluating: "Evaluating on the holdout",
  registering: "Comparing and registering",
  awaiting_approval: "Waits for approval",
  in_experiment: "Compared on live traffic now",
  deploying: "Deploying",
};

const sections = new WeakMap();

export function showDetail(parent, model, versions, uploads, batches, experiment) {
  let parts = sections.get(parent);
  if (parts?.name !== model.model || !parts.head.isConnected) {
    parts = { name: model.model };
    for (const name of ["head", "predict", "experiment", "drift", "run", "versions", "batches", "uploads"]) {
      parts[name] = h("section", { className: `card ${name}` });
    }
    sections.set(parent, parts);
    fill(parent, ["detail", model.model, Math.random()], () => [parts.head, parts.predict, parts.experiment, parts.drift, parts.run, parts.versions, parts.batches, parts.uploads]);
  }
  const target = model.upload_to ?? `s3://<bucket>/data/${model.model}/`;
  fill(parts.head, [model.state, model.message, model.live, model.live_version, model.problem, model.target, model.settings_problem, model.code_problem, model.updated_at, model.endpoint_state, model.sleep, model.saved], () => head(model));
  // The form stays while its schema and version do: what somebody typed outlives a refresh.
  fill(parts.predict, [model.live_version, model.schema, model.state !== "live" && !model.live_version], () => predictPart(model, target));
  const comparison = [experiment, model.live_version, versions.map((version) => [version.version, version.status])];
  fill(parts.experiment, comparison, () => showExperiment(model, experiment, versions));
  parts.experiment.hidden = !parts.experiment.hasChildNodes();
  fill(parts.drift, [model.drift, model.live_version], () => showDrift(model));
  parts.drift.hidden = !parts.drift.hasChildNodes();
  const packages = versions.map((version) => [version.run, version.model_package_arn]);
  fill(parts.run, [model.last_run, model.live?.endpoint, packages], () => runPart(model, versions, target));
  fill(parts.versions, versions, () => versionsPart(versions, model.model));
  fill(parts.batches, [batches, target], () => showBatches(batches, target.replace("/data/", "/batch/")));
  fill(parts.uploads, [uploads, target], () => showUploads(uploads, target));
}

function head(model) {
  const facts = [
    ["Version", model.live_version ? `${model.live_version}` : "none yet"],
    ["Predicts", model.target ?? "–"],
    ["Kind", model.problem ?? "–"],
    model.live?.since && ["Live since", time(model.live.since)],
    ...sleepFacts(model),
  ].filter(Boolean);
  return [
    h("div", { className: "title" }, h("h1", {}, model.model), badge(model.state)),
    h("p", { className: "message", role: "status" }, sentence(model.message)),
    model.settings_problem && problemBox({ ...model.settings_problem, title: `In model.yaml: ${model.settings_problem.title}` }),
    model.code_problem && problemBox({ ...model.code_problem, title: `In code/: ${model.code_problem.title}` }),
    h("dl", { className: "facts" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    sleepPart(model),
  ];
}

function sentence(text) {
  if (!text) return "";
  const start = /^\S+\.\S/.test(text) ? text[0] : text[0].toUpperCase(); // a file name stays as it is
  return start + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function predictPart(model, target) {
  if (model.live_version && model.schema?.columns?.length) return buildForm(model);
  return [
    h("h2", {}, "Predict"),
    h("p", { className: "hint" }, "The form appears here when a version is live. More or better data starts another run:"),
    command(`aws s3 cp mydata.csv ${target}`),
  ];
}

function runPart(model, versions, target) {
  const run = model.last_run;
  if (!run) {
    return [
      h("h2", {}, "Last run"),
      h("p", { className: "hint" }, "Nothing was trained yet. A run starts by itself when data has arrived and no more comes for a while."),
      command(`aws s3 cp mydata.csv ${target}`),
    ];
  }
  const history = run.history ?? [];
  const reached = history.map((line) => line.status);
  const over = ENDS.has(run.status);
  const ahead = over ? [] : STEPS.slice(STEPS.indexOf({ awaiting_approval: "registering", in_experiment: "deploying" }[run.status] ?? run.status) + 1);
  const rows = run.rows ?? {};
  const counts = Object.entries(rows).filter(([, value]) => typeof value === "number" && value > 0);
  return [
    h("div", { className: "title" }, h("h2", {}, "Last run"), badge(run.status), h("code", { className: "faint" }, run.run), reportButton(model.model, run.run, run.report, `run ${run.run}`)),
    h(
      "ol",
      { className: "steps" },
      history.map((line, index) => {
        const next = history[index + 1];
        const current = index === history.length - 1;
        const kind = !current ? "done" : ["failed", "rejected"].includes(line.status) ? "bad" : over ? "done" : line.status === "awaiting_approval" ? "wait" : "now";
        const unfinished = (current && !over) || next?.status === "failed"; // what failed was not done
        const label = (unfinished ? DOING[line.status] : null) ?? SAID[line.status];
        return h(
          "li",
          { className: kind, "aria-current": current ? "step" : null },
          h("span", { className: "what" }, label ?? line.status),
          h("span", { className: "sub" }, [time(line.at), next && duration(line.at, next.at)].filter(Boolean).join(" · ")),
          line.message && h("span", { className: "sub wide" }, line.message),
        );
      }),
      ahead.filter((step) => !reached.includes(step)).map((step) => h("li", { className: "ahead" }, h("span", { className: "what" }, SAID[step]))),
    ),
    run.error && problemBox(run.error),
    run.verdict?.reason && !history.some((line) => line.message?.includes(run.verdict.reason)) && h("p", { className: run.verdict.accepted === false ? "problem" : "good" }, run.verdict.reason),
    counts.length > 0 && h("p", { className: "sub" }, counts.map(([name, value]) => `${name} ${number(value)}`).join(" · "), " rows"),
    (run.notes ?? []).map((note) => h("p", { className: "note" }, note)),
    tuningPart(run.tuning),
    costPart(run.cost),
    whereabouts(model, versions, target),
  ];
}

function versionsPart(versions, name) {
  if (!versions.length) {
    return [h("h2", {}, "Versions"), h("p", { className: "hint" }, "A run that ends well registers version 1 here, with its metrics and the verdict's reason.")];
  }
  return [
    h("h2", {}, "Versions"),
    h(
      "ul",
      { className: "plain" },
      versions.map((version, index) =>
        h(
          "li",
          { className: "version" },
          h(
            "div",
            { className: "line" },
            h("strong", {}, `Version ${version.version}`),
            badge(version.status),
            h("span", { className: "sub" }, `${lived(version)} ${time(version.live_since ?? version.created_at)}`),
            reportButton(name, version.run, version.report, `version ${version.version}`),
          ),
          version.metrics && (index === 0 ? metricList(version.metrics) : h("details", {}, h("summary", {}, "Metrics"), metricList(version.metrics))),
          version.verdict?.reason && h("p", { className: "note" }, version.verdict.reason),
          decisionNote(version),
          decisionButtons(name, version),
        ),
      ),
    ),
    versions.length >= 20 && h("p", { className: "sub" }, `The newest ${count(20, "version")} are shown.`),
  ];
}

function lived(version) {
  if (!version.live_since) return "made";
  return version.status === "live" ? "live since" : "was live from";
}

function metricList(metrics) {
  return h(
    "dl",
    { className: "metrics" },
    Object.entries(metrics).map(([name, entry]) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, metric(entry)))),
  );
}
