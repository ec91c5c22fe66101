// Builds elements. Text goes in as text nodes only, so nothing that a user named is ever read as HTML.

/** h("p", {class: "x", onclick: f}, "text", element, [more], null) */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const shown = new WeakMap();

/** Fills `parent` with what `make` returns, but only when `data` changed: a refresh takes no focus and no selection. */
export function fill(parent, data, make) {
  const now = JSON.stringify(data) ?? "";
  if (shown.get(parent) === now) return false;
  shown.set(parent, now);
  parent.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
  return true;
}

export function badge(status) {
  return h("span", { className: `badge ${String(status).replace(/[^a-z_]/g, "")}` }, String(status ?? "unknown").replaceAll("_", " "));
}

let commands = 0;

/** A command to copy. */
export function command(text) {
  const id = `command-${++commands}`;
  const button = h("button", { type: "button", className: "copy", "aria-describedby": id }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  const code = h("code", { id }, text);
  return h("div", { className: "command" }, code, button);
}
