// Values as people read them.

export function number(value) {
  if (typeof value !== "number") return String(value ?? "–");
  const size = Math.abs(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", size >= 1000 ? { maximumFractionDigits: 1 } : { maximumSignificantDigits: 4 });
}

export function percent(value) {
  return (value * 100).toLocaleString("en", { maximumFractionDigits: value > 0.999 || value < 0.001 ? 3 : 1 }) + " %";
}

/** A metric with its interval: {value, low, high}, or a bare number. */
export function metric(entry) {
  if (entry === null || typeof entry !== "object") return number(entry);
  const value = number(entry.value);
  return entry.low === undefined || entry.low === null ? value : `${value} (${number(entry.low)} – ${number(entry.high)})`;
}

export function size(bytes) {
  if (typeof bytes !== "number") return "";
  if (bytes < 1000) return `${bytes} B`;
  const steps = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let step = -1;
  while (value >= 1000 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${value.toLocaleString("en", { maximumSignificantDigits: 3 })} ${steps[step]}`;
}

export function time(at) {
  const moment = new Date(at ?? "");
  if (Number.isNaN(moment.getTime())) return "";
  const today = moment.toDateString() === new Date().toDateString();
  return moment.toLocaleString(undefined, today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}

/** The end of a period: always with its date. */
export function day(at) {
  const moment = new Date(at ?? "");
  return Number.isNaN(moment.getTime()) ? "" : moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function duration(from, to) {
  const seconds = (new Date(to) - new Date(from)) / 1000;
  if (!(seconds >= 0)) return "";
  if (seconds < 60) return `${seconds.toLocaleString("en", { maximumFractionDigits: seconds < 10 ? 1 : 0 })} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toLocaleString("en", { maximumFractionDigits: 1 })} h`;
}

export function count(amount, word) {
  return `${number(amount)} ${word}${amount === 1 ? "" : "s"}`;
}
