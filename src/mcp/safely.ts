/** What goes wrong in our own code is logged, and told as everywhere: by a name for the occurrence, and not by what broke. */

import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { problems } from "../errors/codes.ts";

/** The handler, whose bugs are told as an internal error; what it throws on purpose is the protocol's. */
export const safely =
  <Args extends unknown[], T>(handle: (...args: Args) => T | Promise<T>) =>
  async (...args: Args): Promise<T> => {
    try {
      return await handle(...args);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      const instance = `urn:uuid:${crypto.randomUUID()}`;
      console.error(instance, error);
      const { title, hint } = problems.internal;
      throw new ProtocolError(ProtocolErrorCode.InternalError, title, { code: "internal", hint, instance });
    }
  };
