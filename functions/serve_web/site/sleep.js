// A model's endpoint that sleeps: what the page says of it, how it is put to sleep and woken, how a prediction waits.

import { adminForm } from "./admin.js";
import { model as look, orderSleep } from "./api.js";
import { h } from "./dom.js";
import { time } from "./format.js";

const LOOK_MS = 3000;
const DOES = {
  sleep: "The endpoint is shut down, its config is kept. The next prediction wakes it.",
  wake: "The endpoint is made again from its config. On AWS that takes some minutes.",
};

/** Terms and values for the model's facts. */
export function sleepFacts(model) {
  const { sleep, saved, endpoint_state: state } = model;
  return [
    sleep && ["Endpoint", `${state} since ${time(sleep.since)}`],
    sleep?.usd_per_hour > 0 && ["Not paid for", `$${sleep.usd_per_hour} an hour`],
    saved?.usd > 0 && ["Saved by sleeping", `$${saved.usd.toFixed(2)}`],
  ].filter(Boolean);
}

/** A note while it sleeps, and the button that puts it to sleep or wakes it. */
export function sleepPart(model) {
  const { sleep, endpoint_state: state } = model;
  if (state !== "serving" && state !== "asleep") return null;
  const action = state === "asleep" ? "wake" : "sleep";
  const label = action === "wake" ? "Wake the endpoint" : "Put the endpoint to sleep";
  const place = h("div", {});
  const form = () =>
    adminForm(place, { label, does: DOES[action], act: async (why) => (await orderSleep(model.model, action, why)).message });
  return h(
    "div",
    { className: "decide" },
    sleep?.error && h("p", { className: "problem" }, `The endpoint could not be woken: ${sleep.error}`),
    h("div", { className: "line" }, h("button", { type: "button", onclick: () => place.replaceChildren(form()) }, label)),
    place,
  );
}

/** Waits until the endpoint of an answer "waking" serves; `say` shows how far it is. */
export async function untilAwake(answer, say) {
  const begun = Date.now();
  for (;;) {
    say(`The endpoint was asleep and wakes. This waits for it (${Math.round((Date.now() - begun) / 1000)} s).`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
    const { endpoint_state: state, sleep } = await look(answer.model);
    if (state === "serving") return null;
    if (state === "asleep" && sleep?.error) return `The endpoint could not be woken: ${sleep.error}`;
  }
}
