/** Moments as queries name them: a day (2026-11-26), a time (2026-11-26T10:00:00Z) or epoch ms. */

import * as z from "zod";
import { hourMs } from "../limits.ts";

/** `Date.parse` reads the 31st of February as a day in March; what was meant is anybody's guess. */
const isDay = (text: string): boolean => {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
};

const isoMs = (text: string): number =>
  /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z)?$/.test(text) && isDay(text.slice(0, 10))
    ? Date.parse(text)
    : Number.NaN;

const msOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : isoMs(text));

const momentBy = (round: (ms: number) => number) =>
  z
    .string()
    .min(1)
    .max(40)
    .transform((text) => round(msOf(text)))
    .pipe(z.int('expected a day that there is, like "2026-11-26", a time in UTC, or epoch ms').min(0));

/** In epoch ms. A day begins at midnight of UTC. */
export const moment = momentBy((ms) => ms);

/** The whole hour of UTC that it is in. */
export const hour = momentBy((ms) => Math.floor(ms / hourMs) * hourMs);
