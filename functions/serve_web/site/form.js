// A form made from the model's schema. An empty field is a missing value; mistakes are shown at their fields.

import { ApiProblem, predict, predictionUrl } from "./api.js";
import { command, h } from "./dom.js";
import { feedbackControl } from "./feedback.js";
import { number, percent } from "./format.js";
import { untilAwake } from "./sleep.js";

let serial = 0;

export function buildForm(model) {
  const { columns, target, id_column: idColumn } = model.schema;
  const fields = columns.filter((column) => column.name !== target && column.name !== idColumn).map(field);
  const alert = h("p", { className: "problem", role: "alert", hidden: true });
  const result = h("div", { className: "result", "aria-live": "polite" });
  const button = h("button", { type: "submit", className: "primary" }, "Predict");
  const clear = h("button", { type: "button", className: "quiet" }, "Clear");
  const form = h(
    "form",
    { className: "predict-form", noValidate: true },
    h("div", { className: "fields" }, fields.map((one) => one.element)),
    alert,
    h("div", { className: "row actions" }, button, clear, h("span", { className: "hint" }, "An empty field is sent as missing.")),
  );
  clear.addEventListener("click", () => {
    fields.forEach((one) => one.clear());
    result.replaceChildren();
    alert.hidden = true;
    fields[0]?.input.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    alert.hidden = true;
    fields.forEach((one) => one.complain(""));
    if (complainLocally(fields)) return;
    button.disabled = true;
    try {
      const record = Object.fromEntries(fields.map((one) => [one.name, one.value()]));
      const answer = await awake(model, record, result);
      if (answer) result.replaceChildren(...showAnswer(answer, model, record));
    } catch (problem) {
      if (!(problem instanceof ApiProblem)) throw problem;
      result.replaceChildren();
      if (problem.isKey) dispatchEvent(new Event("sluicegate:key"));
      else showProblem(problem, fields, alert);
    } finally {
      button.disabled = false;
    }
  });
  return [h("h2", {}, "Predict ", h("em", {}, target ?? "")), form, result];
}

/** The predictions, after the endpoint woke if it slept; null when it can't be woken, which `place` says then. */
async function awake(model, record, place) {
  const say = (text) => place.replaceChildren(h("p", { className: "note", role: "status" }, text));
  for (;;) {
    const answer = await predict(model.model, record);
    if (answer.predictions) return answer;
    const trouble = await untilAwake(answer, say);
    if (trouble) {
      say(trouble);
      return null;
    }
  }
}

function complainLocally(fields) {
  const wrong = fields.filter((one) => one.input.validity?.badInput);
  wrong.forEach((one) => one.complain("This can't be read; leave it empty if the value is unknown."));
  wrong[0]?.input.focus();
  return wrong.length > 0;
}

function showProblem(problem, fields, alert) {
  const rest = [];
  let first = null;
  for (const error of problem.errors) {
    const one = fields.find((candidate) => candidate.name === error.field);
    if (!one) {
      rest.push([error.field, error.message].filter(Boolean).join(": "));
      continue;
    }
    one.complain(error.message);
    first ??= one;
  }
  if (rest.length || !first) {
    alert.textContent = [problem.message, ...rest.filter((text) => !problem.message.toLowerCase().includes(text.toLowerCase()))].join(" ");
    alert.hidden = false;
  }
  first?.input.focus();
}

/** One column's label, input, hint and place for its error. */
function field(column) {
  const id = `field-${++serial}`;
  const hint = h("span", { id: `${id}-hint`, className: "hint" }, hintOf(column));
  const error = h("span", { id: `${id}-error`, className: "error", hidden: true });
  const control = { number: numberInput, boolean: booleanInput, date: dateInput, category: categoryInput, text: longTextInput }[column.type] ?? textInput;
  const { input, value, clear, extra } = control(column);
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  const complain = (message) => {
    error.textContent = message;
    error.hidden = !message;
    input.setAttribute("aria-invalid", message ? "true" : "false");
  };
  input.addEventListener("input", () => complain(""));
  const label = h("label", { htmlFor: id }, column.name);
  const element = h("div", { className: `field ${input.type === "checkbox" ? "check" : ""}` }, label, h("div", { className: "control" }, input, extra), hint, error);
  return { name: column.name, input, value, clear, complain, element };
}

function hintOf(column) {
  if (column.minimum !== undefined && column.minimum !== null && column.maximum !== undefined && column.maximum !== null) {
    const show = column.type === "number" ? number : (value) => String(value).slice(0, 10);
    return `seen: ${show(column.minimum)} to ${show(column.maximum)}`;
  }
  return { boolean: "yes, no or unknown", category: column.categories ? `${column.categories.length} known values` : "any text", text: "its words count" }[column.type] ?? "";
}

function textual(input) {
  return { input, clear: () => (input.value = "") };
}

function numberInput(column) {
  const input = h("input", { type: "number", step: "any", inputMode: "decimal", autocomplete: "off" });
  if (typeof column.example === "number") input.value = String(column.example);
  return { ...textual(input), value: () => (input.value === "" ? null : Number(input.value)) };
}

function textInput(column) {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: false });
  if (column.example !== undefined && column.example !== null) input.value = String(column.example);
  return { ...textual(input), value: () => (input.value === "" ? null : input.value) };
}

function longTextInput(column) {
  const input = h("textarea", { rows: 4, autocomplete: "off" });
  if (column.example !== undefined && column.example !== null) input.value = String(column.example);
  return { ...textual(input), value: () => (input.value === "" ? null : input.value) };
}

function categoryInput(column) {
  if (!column.categories) return textInput(column);
  const empty = h("option", { value: "" }, "– missing –");
  const options = column.categories.map((name, index) => h("option", { value: `${index}` }, name === "" ? "(empty)" : name));
  const input = h("select", {}, empty, options);
  const start = column.categories.indexOf(column.example);
  if (start >= 0) input.value = `${start}`;
  return { ...textual(input), value: () => (input.value === "" ? null : column.categories[Number(input.value)]) };
}

function dateInput(column) {
  const example = typeof column.example === "string" ? column.example : "";
  const timed = /[T ]\d\d:\d\d/.test(example);
  const input = h("input", { type: timed ? "datetime-local" : "date", step: timed ? "1" : null });
  input.value = timed ? example.slice(0, 19).replace(" ", "T") : example.slice(0, 10);
  return { ...textual(input), value: () => (input.value === "" ? null : input.value) };
}

/** A checkbox with three states: each press goes unknown → yes → no → unknown. */
function booleanInput(column) {
  const input = h("input", { type: "checkbox" });
  const extra = h("span", { className: "state", "aria-hidden": "true" });
  let state = null;
  const show = (next) => {
    state = next;
    input.checked = state === true;
    input.indeterminate = state === null;
    extra.textContent = { true: "yes", false: "no", null: "unknown" }[String(state)];
  };
  input.addEventListener("change", () => show(state === null ? true : state ? false : null));
  show(typeof column.example === "boolean" ? column.example : null);
  return { input, extra, value: () => state, clear: () => show(null) };
}

/** What was predicted: a class, a number, a cluster, a score or a projection. */
function predicted(found) {
  if (Array.isArray(found.prediction)) return found.prediction.map(number).join(", ");
  const text = typeof found.prediction === "number" ? number(found.prediction) : String(found.prediction);
  if (found.anomaly !== undefined) return `${text} · ${found.anomaly ? "anomaly" : "no anomaly"}`;
  return text;
}

/** What stands before it. */
function caption(found, model) {
  if (Array.isArray(found.prediction)) return "projection";
  if (found.distance !== undefined) return "cluster";
  if (found.anomaly !== undefined) return "score";
  return model.target ?? "prediction";
}

function showAnswer(answer, model, record) {
  const [found] = answer.predictions;
  const bars = Object.entries(found.probabilities ?? {}).sort(([, left], [, right]) => right - left);
  const body = JSON.stringify({ records: [record] });
  return [
    h("p", { className: "prediction" }, h("span", { className: "sub" }, caption(found, model)), h("strong", {}, predicted(found))),
    found.distance !== undefined && h("p", { className: "sub" }, `distance to its centre ${number(found.distance)}`),
    bars.length > 0 &&
      h(
        "ul",
        { className: "bars", "aria-label": "Probabilities" },
        bars.slice(0, 12).map(([name, share]) => {
          const bar = h("span", { className: "bar" });
          bar.style.width = `${Math.max(0.4, share * 100)}%`;
          return h("li", { className: name === found.prediction ? "best" : "" }, h("span", { className: "class" }, name), h("span", { className: "track", "aria-hidden": "true" }, bar), h("span", { className: "share" }, percent(share)));
        }),
      ),
    bars.length > 12 && h("p", { className: "sub" }, `and ${bars.length - 12} less likely ones`),
    h("p", { className: "sub ids" }, `version ${answer.version} · ${answer.served_by === "function" ? "by the function itself · " : ""}`, h("code", {}, found.inference_id)),
    feedbackControl(model, found),
    h(
      "details",
      {},
      h("summary", {}, "The same with curl"),
      command(`curl -H "x-api-key: $SLUICE_API_KEY" -H "content-type: application/json" ${predictionUrl(model.model)} -d '${body.replaceAll("'", "'\\''")}'`),
    ),
  ].filter(Boolean);
}
