// openapi.json for people: each request with its parameters, an example and its answers, then the shapes they are made of.

import { command, h } from "./dom.js";

const METHODS = ["get", "post", "put", "delete"];
const byId = (id) => document.getElementById(id);
const here = (id) => `reference.html#${id}`;

/** Text in which `code` stands between backticks. */
function prose(text) {
  return text.split("`").map((piece, index) => (index % 2 ? h("code", {}, piece) : piece));
}

function nameOf(reference) {
  return reference.split("/").pop();
}

/** What a value of the schema is, in a few words: "list of Run", "text or null", "live | failed". */
function kind(schema) {
  if (!schema || schema === true) return ["anything"];
  if (schema.$ref) return [h("a", { href: here(nameOf(schema.$ref)) }, nameOf(schema.$ref))];
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.flatMap((one, index) => [index ? " or " : null, ...kind(one)]);
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
  if (schema.type === "array") return ["list of ", ...grouped(schema.items)];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") return ["object of ", ...grouped(schema.additionalProperties)];
  return [[schema.type ?? "anything"].flat().join(" or "), bounds(schema)];
}

function grouped(schema) {
  return schema?.anyOf || schema?.oneOf ? ["(", ...kind(schema), ")"] : kind(schema);
}

function bounds(schema) {
  const low = schema.minimum ?? schema.minLength ?? schema.minItems;
  const high = schema.maximum ?? schema.maxLength ?? schema.maxItems;
  const told = [low === undefined ? "" : `from ${low}`, high === undefined ? "" : `to ${high}`].filter(Boolean).join(" ");
  return [schema.format ? ` (${schema.format})` : "", told ? `, ${told}` : ""].join("");
}

function table(heads, rows) {
  return h(
    "div",
    { className: "scroll" },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))),
  );
}

/** A table of an object's members; objects within it follow below their name. */
function members(schema, before = "") {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const inner = [member, ...(member.anyOf ?? []), ...(member.items ? [member.items] : [])].find((one) => one.properties);
    const needed = (schema.required ?? []).includes(name) ? "" : "may be absent";
    const row = [h("code", {}, before + name), kind(member), [prose(member.description ?? ""), needed && h("span", { className: "sub" }, member.description ? ` · ${needed}` : needed)]];
    return [row, ...(inner ? members(inner, `${before}${name}.`) : [])];
  });
}

function example(path, method, operation) {
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const key = (operation.description ?? "").includes("admin key") ? "$SLUICE_ADMIN_KEY" : "$SLUICE_API_KEY";
  const address = new URL("." + path.replace("{model}", "churn").replace("{version}", "2"), document.baseURI).href;
  const parts = ["curl", method === "get" || (method === "post" && content) ? "" : `-X ${method.toUpperCase()}`, operation.security?.length === 0 ? "" : `-H "x-api-key: ${key}"`];
  if (content?.example !== undefined) {
    const body = typeof content.example === "string" ? content.example : JSON.stringify(content.example);
    parts.push(`-H "content-type: ${type}"`, `-d '${body.replaceAll("'", "'\\''")}'`);
  }
  return command([...parts, `'${decodeURI(address)}'`].filter(Boolean).join(" "));
}

function answers(responses) {
  return Object.entries(responses).map(([status, response]) => {
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
    return [h("code", {}, status), content?.schema ? kind(content.schema) : (type ?? "–"), prose(response.description ?? "")];
  });
}

function section(path, method, shared, operation) {
  const parameters = [...shared, ...(operation.parameters ?? [])];
  const shown = operation.requestBody?.content?.["application/json"]?.example;
  return h(
    "section",
    { className: "card operation", id: operation.operationId },
    h("h2", {}, operation.summary),
    h("p", { className: "line" }, h("span", { className: "method" }, method.toUpperCase()), h("code", { className: "path" }, path)),
    operation.description && h("p", {}, prose(operation.description)),
    parameters.length > 0 &&
      table(["parameter", "in", "what"], parameters.map((one) => [h("code", {}, one.name), one.in, [...kind(one.schema), one.description ? ": " : "", ...prose(one.description ?? "")]])),
    operation.requestBody && h("p", { className: "sub" }, "Body: ", ...Object.entries(operation.requestBody.content).flatMap(([type, content], index) => [index ? ", or " : "", type, " ", ...kind(content.schema)])),
    shown !== undefined && h("pre", { tabIndex: 0 }, h("code", {}, JSON.stringify(shown, null, 2))),
    example(path, method, operation),
    table(["status", "answer", "when"], answers(operation.responses)),
  );
}

function shape(name, schema) {
  const rows = members(schema);
  return h(
    "details",
    { className: "card shape", id: name },
    h("summary", {}, h("strong", {}, name)),
    schema.description && h("p", {}, prose(schema.description)),
    rows.length > 0 ? table(["member", "kind", "what"], rows) : h("p", {}, ...kind(schema)),
  );
}

function openNamed() {
  const found = document.getElementById(location.hash.slice(1));
  if (found?.tagName === "DETAILS") found.open = true;
  found?.scrollIntoView();
}

const response = await fetch(new URL("openapi.json", document.baseURI));
const api = await response.json();
const operations = Object.entries(api.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({ path, method, shared: item.parameters ?? [], operation: item[method] })),
);
byId("contents").replaceChildren(
  h("h2", { className: "label" }, "Requests"),
  h("ul", {}, operations.map(({ operation }) => h("li", {}, h("a", { href: here(operation.operationId) }, operation.summary)))),
  h("a", { href: here("shapes") }, "Shapes"),
);
byId("operations").replaceChildren(
  h("h1", {}, `HTTP API, v${api.info.version}`),
  h("p", {}, prose(api.info.description)),
  ...operations.map(({ path, method, shared, operation }) => section(path, method, shared, operation)),
  h("h2", { id: "shapes" }, "Shapes"),
  ...Object.entries(api.components.schemas).map(([name, schema]) => shape(name, schema)),
);
addEventListener("hashchange", openNamed);
openNamed();
