/** What a workspace tool answers when it can't do what was asked: written so that a model can act on it. */

import { type WorkspaceErrorCode, workspaceErrorHints } from "../../../errors/codes.ts";
import type { Verdict } from "../../worker/verdict.ts";

export class Refusal extends Error {
  readonly code: WorkspaceErrorCode;

  constructor(code: WorkspaceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An error of the file system about `shown`, as a refusal; any other error as it is. */
export function refusalOf(error: unknown, shown: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return new Refusal("not_there", `there is no ${shown}`);
    case "ENOTDIR":
      return new Refusal("not_there", `a part of ${shown} is a file and no folder`);
    case "EISDIR":
      return new Refusal("not_a_file", `${shown} is a folder`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Refusal("not_permitted", `the system does not permit it: ${shown}`);
    case "ENAMETOOLONG":
      return new Refusal("bad_arguments", `path: a name in ${shown.slice(0, 100)}… is too long`);
    case "ELOOP":
    case "ENXIO":
      return new Refusal("not_a_file", `${shown} is no file`);
    case "ENOSPC":
    case "EDQUOT":
      return new Refusal("not_permitted", `there is no room left on the disk for ${shown}`);
    default:
      return error;
  }
}

export const refused = ({ code, message }: Refusal): Verdict => ({
  ok: true,
  isError: true,
  result: { error: { code, message, hint: workspaceErrorHints[code] } },
});
