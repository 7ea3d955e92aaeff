/** Requests of a room: each room shows what the service refuses; that it is gone, or the user signed out, is for all. */

import { ApiError } from "./api.js";

/**
 * @param {{lake: import("../lake.js").Lake, locked: () => void, refused: (reason: string) => void}} given
 * @returns {(request: () => Promise<void>) => Promise<boolean>} runs a request, and says whether it succeeded
 */
export function makeGuard({ lake, locked, refused }) {
  return async (request) => {
    try {
      await request();
      return true;
    } catch (caught) {
      if (!(caught instanceof ApiError)) throw caught;
      if (caught.status === 401) locked();
      else if (caught.gone) lake.lost();
      else refused(caught.message);
      return false;
    }
  };
}
