// A form for what needs the admin key: a reason, what else there is to say, and the key, the first time in a tab.

import { adminKey, setAdminKey } from "./api.js";
import { h } from "./dom.js";

/** `act(why)` does it and answers what to say then; `fields` are further elements of the form. */
export function adminForm(place, { label, does, fields = [], act }) {
  const why = h("input", { type: "text", maxLength: 500, autocomplete: "off" });
  const key = adminKey() ? null : h("input", { type: "password", autocomplete: "off", required: true });
  const said = h("p", { className: "sub", role: "alert" });
  const send = h("button", { type: "submit", className: "primary" }, label);
  const made = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        if (key) setAdminKey(key.value.trim());
        send.disabled = true;
        try {
          said.textContent = await act(why.value.trim());
          why.disabled = true;
        } catch (problem) {
          if (problem.isKey) setAdminKey(null);
          said.textContent = problem.message;
          send.disabled = false;
          if (problem.isKey && !key) place.replaceChildren(adminForm(place, { label, does, fields, act }), said);
        }
      },
    },
    h("p", { className: "hint" }, does),
    fields,
    h("label", {}, "Why", why),
    key && h("label", {}, "Admin key", key),
    h("div", { className: "line" }, send, h("button", { type: "button", onclick: () => place.replaceChildren() }, "Cancel")),
    said,
  );
  queueMicrotask(() => (key ?? why).focus());
  return made;
}
