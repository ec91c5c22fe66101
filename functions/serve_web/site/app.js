// The page: asks for the key, lists models, shows the chosen one, and looks again while something works.

import { ApiProblem, apiKey, batches, experiment, model, models, setApiKey, uploads, versions } from "./api.js";
import { anyUnderWay } from "./batches.js";
import { showDetail } from "./detail.js";
import { badge, command, fill, h } from "./dom.js";
import { experimentWorks } from "./experiments.js";
import { uploadRow } from "./uploads.js";

const BUSY_MS = 1500;
const CALM_MS = 15000;
const byId = (id) => document.getElementById(id);
let timer = 0;
let round = 0;

function chosen() {
  const match = /^#\/models\/(.+)$/.exec(location.hash);
  try {
    return match ? decodeURIComponent(match[1]) : null;
  } catch {
    return null;
  }
}

function notice(text) {
  const box = byId("notice");
  box.hidden = !text;
  if (box.textContent !== text) box.textContent = text;
}

function askForKey(why) {
  clearTimeout(timer);
  round += 1;
  setApiKey(null);
  notice(why);
  byId("app").hidden = true;
  byId("key-form").hidden = false;
  byId("key-button").hidden = true;
  byId("key").value = "";
  byId("key").focus();
}

function listItem(line, current) {
  const title = line.live_version ? `version ${line.live_version}` : line.state === "failed" ? "no version" : "not live yet";
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/models/${encodeURIComponent(line.model)}`, "aria-current": line.model === current ? "page" : null },
      h("span", { className: "name" }, line.model),
      badge(line.state),
      h("span", { className: "sub" }, title + (line.problem ? ` · ${line.problem}` : "")),
    ),
  );
}

function showList(list, current) {
  fill(byId("models"), [list.models, current], () =>
    list.models.length
      ? list.models.map((line) => listItem(line, current))
      : h("li", { className: "none" }, "None yet. The first file under data/ makes one."),
  );
  const box = byId("unplaced");
  box.hidden = !list.unplaced?.length;
  fill(box, list.unplaced, () => [
    h("h2", { id: "unplaced-title", className: "label" }, "Files outside any model"),
    h("ul", { className: "plain" }, (list.unplaced ?? []).map((upload) => h("li", {}, uploadRow(upload)))),
  ]);
}

function showWelcome(list) {
  fill(byId("detail"), ["welcome", list.models.length, list.upload_to], () => {
    const target = list.upload_to ?? "s3://<bucket>/data/";
    return h(
      "div",
      { className: "card welcome" },
      h("h1", {}, list.models.length ? "Choose a model" : "Drop a file, get a model"),
      h("p", {}, "Any CSV with a header will do. The folder's name becomes the model's name; a column called ",
        h("code", {}, "target"), " or ", h("code", {}, "label"), ", else the last one, is what it learns to predict."),
      command(`aws s3 cp mydata.csv ${target}mymodel/`),
      h("p", { className: "hint" }, "Reading, training, evaluation and deployment follow by themselves and show up here."),
    );
  });
}

function busy(list, detail, files) {
  return (
    list.models.some((line) => line.state === "working") ||
    detail?.state === "working" || Boolean(detail?.active_run) ||
    files?.some((upload) => upload.status === "received")
  );
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  let wait = CALM_MS;
  try {
    const list = await models();
    let name = chosen();
    if (!name && list.models.length === 1) name = list.models[0].model;
    let shown = null;
    if (name) {
      shown = await Promise.all([model(name), versions(name), uploads(name), batches(name), experiment(name)]).catch((problem) => {
        if (problem instanceof ApiProblem && problem.status === 404) return { missing: problem.message };
        throw problem;
      });
    }
    if (mine !== round) return;
    byId("key-form").hidden = true;
    byId("app").hidden = false;
    byId("key-button").hidden = false;
    notice("");
    showList(list, name);
    if (shown?.missing) {
      fill(byId("detail"), shown.missing, () => h("div", { className: "card" }, h("h1", {}, "Not here"), h("p", {}, shown.missing)));
    } else if (shown) {
      showDetail(byId("detail"), shown[0], shown[1].versions, shown[2].uploads, shown[3].batches, shown[4]);
      document.title = `${name} · Sluicegate`;
    } else {
      showWelcome(list);
      document.title = "Sluicegate";
    }
    const works = busy(list, shown?.[0], shown?.[2]?.uploads) || anyUnderWay(shown?.[3]?.batches ?? []) || experimentWorks(shown?.[4]);
    byId("pulse").classList.toggle("on", works);
    if (works) wait = BUSY_MS;
  } catch (problem) {
    if (mine !== round) return;
    if (!(problem instanceof ApiProblem)) throw problem;
    if (problem.isKey) return askForKey("This API key is not accepted. Check it and try again.");
    notice(problem.message);
    wait = 4000;
  }
  if (!document.hidden) timer = setTimeout(refresh, wait);
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setApiKey(byId("key").value.trim());
  refresh();
});
byId("key-button").addEventListener("click", () => askForKey(""));
// the address says which model is shown: the link must not take that away
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("detail").focus();
});
addEventListener("hashchange", async () => {
  await refresh();
  byId("detail").focus({ preventScroll: true });
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && apiKey()) refresh();
});
addEventListener("sluicegate:key", () => askForKey("This API key is not accepted. Check it and try again."));

if (apiKey()) refresh();
else askForKey("");
