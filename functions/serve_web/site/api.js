// The application's own API, relative to the page: a stage or a base path may stand before it.

const STORED = "sluicegate-api-key";
const ADMIN = "sluicegate-admin-key";

export function apiKey() {
  return sessionStorage.getItem(STORED);
}

export function setApiKey(key) {
  if (key) sessionStorage.setItem(STORED, key);
  else sessionStorage.removeItem(STORED);
}

/** The key that may change what serves, once somebody gave it in this tab. */
export function adminKey() {
  return sessionStorage.getItem(ADMIN);
}

export function setAdminKey(key) {
  if (key) sessionStorage.setItem(ADMIN, key);
  else sessionStorage.removeItem(ADMIN);
}

/** An answer that is not a success. `errors` are the problem's: [{record, field, message}]. */
export class ApiProblem extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors ?? [];
  }

  get isKey() {
    return this.status === 401 || this.status === 403;
  }
}

export async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), {
      ...options,
      cache: "no-store",
      headers: { "x-api-key": apiKey() ?? "", ...options.headers },
    });
  } catch {
    throw new ApiProblem(0, "The API can't be reached. Is the region running? It is tried again.", []);
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // an answer that isn't JSON is told by its status below
  }
  if (response.ok && body !== null) return body;
  throw new ApiProblem(
    response.status,
    body?.detail ?? body?.message ?? `The API answered ${response.status} ${response.statusText}`.trim(),
    body?.errors,
  );
}

const part = encodeURIComponent;
export const models = () => call("models?limit=200");
export const model = (name) => call(`models/${part(name)}`);
export const versions = (name) => call(`models/${part(name)}/versions?limit=20`);
export const batches = (name) => call(`models/${part(name)}/batches?limit=10`);
export const uploads = (name) => call(`models/${part(name)}/uploads?limit=20`);

/** An address of the run's report that opens without the key, for a few minutes. */
export const reportLink = (name, run) => call(`models/${part(name)}/runs/${part(run)}/report?as=link`);

export const driftLink = (name) => call(`models/${part(name)}/drift?as=link`);

/** `action`: approve, reject or deploy. */
export function decide(name, version, action, why) {
  return call(`models/${part(name)}/versions/${part(version)}/${action}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": adminKey() ?? "" },
    body: JSON.stringify(why ? { why } : {}),
  });
}

/** `action`: sleep or wake. */
export function orderSleep(name, action, why) {
  return call(`models/${part(name)}/${action}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": adminKey() ?? "" },
    body: JSON.stringify(why ? { why } : {}),
  });
}

/** The experiment that runs, or the last; null where there never was one. */
export async function experiment(name) {
  const { experiments } = await call(`models/${part(name)}/experiments?limit=1`);
  return experiments.length ? call(`models/${part(name)}/experiment`) : null;
}

/** `method`: PUT begins one, POST decides it. */
export function askExperiment(name, method, body) {
  return call(`models/${part(name)}/experiment`, {
    method,
    headers: { "content-type": "application/json", "x-api-key": adminKey() ?? "" },
    body: JSON.stringify(body),
  });
}

export function predictionUrl(name) {
  return new URL(`models/${part(name)}/predictions`, document.baseURI).href;
}

export function predict(name, record) {
  return call(`models/${part(name)}/predictions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ records: [record] }),
  });
}

/** `label`: what turned out to be true of a prediction. */
export function feedback(name, inferenceId, label) {
  return call(`models/${part(name)}/feedback`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inference_id: inferenceId, label }),
  });
}
