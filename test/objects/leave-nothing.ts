/**
 * What a test file in workerd has made ends with it, for the next one in the same process. Objects of runs would go on: they report,
 * and their alarms ring, into that file or between the two, where nobody loads their modules; a call that is cut off so is a line
 * `Closing rpc while "resolve" was pending`, and an object that nobody could load stays so.
 */

import { reset } from "cloudflare:test";
import { afterAll } from "vitest";

afterAll(() => reset());
