/** The port's implementation: picks the wire format, and loads that vendor's SDK with its first call. */

import { unreachable } from "../../errors/assert.ts";
import type { CallModel } from "./port.ts";

export const callModel: CallModel = async (request) => {
  const { format } = request.head;
  switch (format) {
    case "anthropic":
      return (await import("./anthropic.ts")).callAnthropic(request);
    case "openai":
      return (await import("./openai.ts")).callOpenai(request);
    default:
      return unreachable(format);
  }
};
