/** A provider-native message as it enters: an object with a role. The rest is the vendor's business and kept byte for byte. */

import * as z from "zod";
import { messagesMax } from "../limits.ts";

const message = z
  .looseObject({ role: z.string().min(1) })
  .describe("A provider-native message; it is stored as the text received.");

export const messagesSchema = z.array(message).max(messagesMax);
