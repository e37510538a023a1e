import { resolve } from "node:path";

/** How often is looked: somebody who stopped npm waits no longer than this, and then for the stop itself. */
const lookEveryMs = 500;

/**
 * Calls `ended` when the shell or the npm that started `script` of the package in `root` has ended before this process.
 *
 * npm passes a signal that it alone gets on to the shell between, and some shells (dash) end by it without telling us. A shell that waits for
 * us ends first for no other reason: who puts `npm run dev` into the background and leaves his terminal ends npm's parent, and not ours.
 * Started in another way, or on Windows, where a process keeps the number of its parent, nothing is watched.
 */
export function whenStarterEnds(script, root, ended) {
  const { npm_lifecycle_event: event, npm_package_json: file } = process.env;
  if (event !== script || file === undefined || resolve(file) !== resolve(root, "package.json")) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    ended();
  }, lookEveryMs);
  timer.unref();
}
