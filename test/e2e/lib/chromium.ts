/** A real browser, if this machine has one: Chromium or Chrome, as the system or `CHROMIUM` has it. */

import { type Browser, chromium } from "playwright-core";
import { programPath } from "./program.ts";

/** Undefined where there is none. */
const chromiumPath: string | undefined =
  process.env.CHROMIUM ?? programPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");

/** What a title says where the test is left out; CI takes no such answer (TEST_BROWSER). */
export const noChromium =
  "there is no Chromium here: `apt-get install chromium`, or CHROMIUM=/path/to/chromium; TEST_BROWSER=required makes this a failure";

export const mayLeaveOut = chromiumPath === undefined && process.env.TEST_BROWSER !== "required";

export function openChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(noChromium);
  // No sandbox: it needs privileges that containers lack, and only our own pages are opened.
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
}
