/** `HEDDLE_SEATS`: how many hosted seats a deployment may have open at once, over all tenants. */

import { deploymentSeatsDefault, deploymentSeatsMax } from "../limits.ts";

export type DeploymentSeats =
  | { readonly ok: true; readonly seats: number }
  | { readonly ok: false; readonly message: string };

export function deploymentSeats(text: string | undefined): DeploymentSeats {
  if (text === undefined || text.trim() === "") return { ok: true, seats: deploymentSeatsDefault };
  const seats = /^\s*\d+\s*$/.test(text) ? Number(text) : 0;
  if (seats >= 1 && seats <= deploymentSeatsMax) return { ok: true, seats };
  return { ok: false, message: `HEDDLE_SEATS is "${text}"; it must be a number from 1 to ${deploymentSeatsMax}.` };
}
