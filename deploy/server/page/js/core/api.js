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
 * The JSON of an answer, null where it has none. Raises ApiError, or AbortError where the signal stops it.
 * @param {string} path below `api/`
 * @param {{method?: string, json?: object, body?: Blob, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} as the functions below declare it; `Api` has the types of the service's OpenAPI
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

/** @param {Api.SearchBody} query @param {AbortSignal} [signal] @returns {Promise<Api.SearchAnswer>} */
export const search = (query, signal) => ask("search", { method: "POST", json: query, signal });
/** The region of a picture that prompts choose. @param {Api.RegionBody} body @returns {Promise<Api.RegionChoiceAnswer>} */
export const region = (body) => ask("region", { method: "POST", json: body });
/** @param {string} token @returns {Promise<null>} */
export const login = (token) => ask("login", { method: "POST", json: { token } });
/** @returns {Promise<null>} */
export const logout = () => ask("logout", { method: "POST" });
/** Who uses the page, and what they may do. @returns {Promise<Api.MeAnswer>} */
export const me = () => ask("me");
/** Says what is exported, which may be refused. @param {Api.ExportBody} body @returns {Promise<null>} */
export const exported = (body) => ask("exports", { method: "POST", json: body });
/** @param {File} file @returns {Promise<Api.UploadAnswer>} */
export const upload = (file) => ask("pictures", { method: "POST", body: file });

/** @typedef {string|number|boolean|null|undefined} Value null and undefined are omitted */
/** @typedef {Record<string, Value|Value[]>} Parameters of an address; a list repeats its name */

/** @param {Parameters} given */
const parameters = (given) => {
  const list = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== null && each !== undefined) list.append(name, String(each));
  }
  return list.toString().replaceAll("%2C", ",");
};

/** @param {string} text */
const part = (text) => encodeURIComponent(text);

/** @returns {Promise<Api.SourceAnswer[]>} */
export const sources = async () => (await ask("sources")).sources;
/** @returns {Promise<Api.StatusAnswer>} */
export const status = () => ask("status");
/** What the lake takes up, and its upkeep. @returns {Promise<Api.LakeStorageAnswer>} */
export const lakeStorage = () => ask("lake");
/** @param {Parameters} given @param {AbortSignal} [signal] @returns {Promise<Api.ActivityAnswer>} */
export const activity = (given, signal) => ask(`activity?${parameters(given)}`, { signal });
/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Api.FrameAnswer>} */
export const frame = (id, signal) => ask(`frames/${part(id)}`, { signal });
/** @param {Parameters} given @param {AbortSignal} [signal] @returns {Promise<Api.ListedFrame[]>} */
export const frames = async (given, signal) => (await ask(`frames?${parameters(given)}`, { signal })).frames;

/** @param {AbortSignal} [signal] @returns {Promise<Api.WatchListAnswer>} */
export const watches = (signal) => ask("watches", { signal });
/**
 * Saves a watch: a new one, or in place of the one of this name.
 * @param {Api.WatchBody} body @param {string|null} name @returns {Promise<Api.WatchAnswer>}
 */
export const saveWatch = (body, name) => (name === null ? ask("watches", { method: "POST", json: body }) : ask(`watches/${part(name)}`, { method: "PUT", json: body }));
/** @param {string} name @returns {Promise<null>} */
export const removeWatch = (name) => ask(`watches/${part(name)}`, { method: "DELETE" });
/** @param {string} name @param {Parameters} given @param {AbortSignal} [signal] @returns {Promise<Api.AlarmListAnswer>} */
export const alarms = (name, given, signal) => ask(`watches/${part(name)}/alarms?${parameters(given)}`, { signal });
/** How often a watch would have fired. @param {Api.RehearsalBody} body @param {AbortSignal} [signal] @returns {Promise<Api.RehearsalAnswer>} */
export const rehearse = (body, signal) => ask("watches/rehearsal", { method: "POST", json: body, signal });

/** @param {string} frame @param {AbortSignal} [signal] @returns {Promise<Api.PinAnswer[]>} */
export const pinsOf = async (frame, signal) => (await ask(`pins?${parameters({ frame })}`, { signal })).pins;
/** @returns {Promise<Api.PinAnswer[]>} */
export const pins = async () => (await ask("pins")).pins;
/** Keeps the shot of a frame. @param {string} frame @param {number|null} days null for ever @returns {Promise<Api.PinAnswer>} */
export const pin = (frame, days) => ask("pins", { method: "POST", json: { frame, days } });
/** @param {string} id @returns {Promise<null>} */
export const unpin = (id) => ask(`pins/${part(id)}`, { method: "DELETE" });

/** @returns {Promise<Api.IngestAnswer>} */
export const ingests = () => ask("ingest");
/** @param {string} folder @returns {Promise<Api.IngestAnswer>} */
export const ingest = (folder) => ask("ingest", { method: "POST", json: { folder } });
/** @returns {Promise<null>} */
export const stopIngest = () => ask("ingest", { method: "DELETE" });

/** @param {AbortSignal} [signal] @returns {Promise<Api.FeedStatesAnswer>} */
export const feeds = (signal) => ask("feeds", { signal });
/** @param {Api.FeedBody} body @returns {Promise<Api.FeedStatesAnswer>} */
export const addFeed = (body) => ask("feeds", { method: "POST", json: body });
/** @param {string} name @param {"pause"|"resume"} what @returns {Promise<Api.FeedStatesAnswer>} */
export const setFeed = (name, what) => ask(`feeds/${part(name)}/${what}`, { method: "POST" });
/** @param {string} name @returns {Promise<null>} */
export const removeFeed = (name) => ask(`feeds/${part(name)}`, { method: "DELETE" });

/** @param {string} id @param {Parameters} [given] */
export const stillUrl = (id, given = {}) => `api/frames/${part(id)}.jpg?${parameters(given)}`;
/** @param {string} id @param {Parameters} [given] */
export const regionUrl = (id, given = {}) => `api/regions/${part(id)}.jpg?${parameters(given)}`;
/** @param {string} id @param {number} width */
export const pictureUrl = (id, width) => `api/pictures/${part(id)}.jpg?${parameters({ width })}`;
/** @param {string} id @param {number} around_s */
export const clipUrl = (id, around_s) => `api/clips/${part(id)}.mp4?${parameters({ around_s })}`;
