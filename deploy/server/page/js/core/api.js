/** Asks the service. Addresses are relative to the page, so that a proxy may serve it below a path. */

const WAIT_MS = 35_000; // the service's own deadline is 30 s

/** An answer that is an error. status: 0 where there was no answer. */
export class ApiError extends Error {
  /** @param {number} status @param {string} sentence @param {number|null} [retryAfterS] */
  constructor(status, sentence, retryAfterS = null) {
    super(sentence);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the server does not answer, rather than refuse. */
  get gone() {
    return this.status === 0 || this.status === 502;
  }
}

/**
 * The JSON of an answer. Raises ApiError, or AbortError where the signal stops it.
 * @param {string} path below `api/`
 * @param {{method?: string, json?: object, body?: Blob, signal?: AbortSignal}} [options]
 */
export async function ask(path, { method = "GET", json, body, signal } = {}) {
  const late = AbortSignal.timeout(WAIT_MS);
  let answer;
  try {
    answer = await fetch(`api/${path}`, {
      method,
      signal: signal ? AbortSignal.any([signal, late]) : late,
      ...(json ? { headers: { "Content-Type": "application/json" }, body: JSON.stringify(json) } : { body }),
    });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "");
  }
  const said = await answer.json().catch(() => ({}));
  const retry = Number(answer.headers.get("Retry-After")) || null;
  throw new ApiError(answer.status, said.error ?? `${answer.status} ${answer.statusText}`, retry);
}

export const search = (query, signal) => ask("search", { method: "POST", json: query, signal });
/** The region of a picture that prompts choose. */
export const region = (body) => ask("region", { method: "POST", json: body });
export const login = (token) => ask("login", { method: "POST", json: { token } });
export const logout = () => ask("logout", { method: "POST" });
/** Who uses the page, and what they may do. */
export const me = () => ask("me");
/** Says what is exported, which may be refused. */
export const exported = (body) => ask("exports", { method: "POST", json: body });
export const upload = (file) => ask("pictures", { method: "POST", body: file });

const parameters = (given) => {
  const list = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== null && each !== undefined) list.append(name, String(each));
  }
  return list.toString().replaceAll("%2C", ",");
};

export const sources = async () => (await ask("sources")).sources;
export const status = () => ask("status");
/** What the lake takes up, and its upkeep. */
export const lakeStorage = () => ask("lake");
export const activity = (given, signal) => ask(`activity?${parameters(given)}`, { signal });
export const frame = (id, signal) => ask(`frames/${encodeURIComponent(id)}`, { signal });
export const frames = async (given, signal) => (await ask(`frames?${parameters(given)}`, { signal })).frames;

export const watches = (signal) => ask("watches", { signal });
/** Saves a watch: a new one, or in place of the one of this name. @param {string|null} name */
export const saveWatch = (body, name) => (name === null ? ask("watches", { method: "POST", json: body }) : ask(`watches/${encodeURIComponent(name)}`, { method: "PUT", json: body }));
export const removeWatch = (name) => ask(`watches/${encodeURIComponent(name)}`, { method: "DELETE" });
export const alarms = (name, given, signal) => ask(`watches/${encodeURIComponent(name)}/alarms?${parameters(given)}`, { signal });
export const rehearse = (body, signal) => ask("watches/rehearsal", { method: "POST", json: body, signal });

export const pinsOf = async (frame, signal) => (await ask(`pins?${parameters({ frame })}`, { signal })).pins;
export const pins = async () => (await ask("pins")).pins;
export const ingests = () => ask("ingest");
export const ingest = (folder) => ask("ingest", { method: "POST", json: { folder } });
export const stopIngest = () => ask("ingest", { method: "DELETE" });
/** Keeps the shot of a frame. @param {number|null} days null for ever */
export const pin = (frame, days) => ask("pins", { method: "POST", json: { frame, days } });
export const unpin = (id) => ask(`pins/${encodeURIComponent(id)}`, { method: "DELETE" });
export const feeds = (signal) => ask("feeds", { signal });
export const addFeed = (body) => ask("feeds", { method: "POST", json: body });
/** @param {"pause"|"resume"} what */
export const setFeed = (name, what) => ask(`feeds/${encodeURIComponent(name)}/${what}`, { method: "POST" });
export const removeFeed = (name) => ask(`feeds/${encodeURIComponent(name)}`, { method: "DELETE" });

export const stillUrl = (id, given = {}) => `api/frames/${encodeURIComponent(id)}.jpg?${parameters(given)}`;
export const regionUrl = (id, given = {}) => `api/regions/${encodeURIComponent(id)}.jpg?${parameters(given)}`;
export const pictureUrl = (id, width) => `api/pictures/${encodeURIComponent(id)}.jpg?${parameters({ width })}`;
export const clipUrl = (id, around_s) => `api/clips/${encodeURIComponent(id)}.mp4?${parameters({ around_s })}`;
