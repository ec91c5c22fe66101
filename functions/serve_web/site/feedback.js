// What turned out to be true of a prediction, said below it. Each prediction takes it once.

import { ApiProblem, feedback } from "./api.js";
import { h } from "./dom.js";

/** Nothing for a model whose predictions have no labels. */
export function feedbackControl(model, found) {
  const classes = model.classes ?? [];
  if (!classes.length && typeof found.prediction !== "number") return null;
  if (!classes.length && (found.distance !== undefined || found.anomaly !== undefined)) return null;
  const told = h("span", { className: "hint", role: "status" });
  const input = classes.length ? choice(classes) : h("input", { type: "number", step: "any", required: true });
  const button = h("button", { type: "submit", className: "quiet" }, "Say so");
  const form = h("form", { className: "row feedback" }, h("label", {}, "What was true? ", input), button, told);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value === "") return;
    button.disabled = true;
    try {
      await feedback(model.model, found.inference_id, classes.length ? classes[Number(input.value)] : Number(input.value));
      told.textContent = "Taken, thank you.";
    } catch (problem) {
      if (!(problem instanceof ApiProblem)) throw problem;
      if (problem.isKey) dispatchEvent(new Event("sluicegate:key"));
      told.textContent = problem.message;
      button.disabled = problem.status === 409;
    }
  });
  return form;
}

function choice(classes) {
  const options = classes.map((name, index) => h("option", { value: `${index}` }, name === "" ? "(empty)" : name));
  return h("select", {}, h("option", { value: "" }, "–"), options);
}
