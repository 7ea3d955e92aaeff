/**
 * Runs a job for the newest of what is requested: one at a time; what was requested in between is dropped.
 * @template T
 * @param {(given: T, outdated: () => boolean) => Promise<void>} run
 * @returns {(given: T) => Promise<void>}
 */
export function latest(run) {
  let waiting = /** @type {{given: T}|null} */ (null), busy = false;
  return async (given) => {
    waiting = { given };
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const next = waiting.given;
        waiting = null;
        await run(next, () => waiting !== null);
      }
    } finally {
      busy = false;
    }
  };
}
