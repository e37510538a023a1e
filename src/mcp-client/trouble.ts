/** Why an MCP server did not do what it was asked. */

/** `busy`: it may serve the same later; `unreachable`: no connection, or none that lasted; `refused`: it will not. */
export type TroubleKind = "busy" | "unreachable" | "refused";

export class ServerTrouble extends Error {
  readonly kind: TroubleKind;
  readonly code: string;
  /** Of the answer, for its `retry-after`. */
  readonly headers: Headers | undefined;

  constructor(kind: TroubleKind, code: string, message: string, headers?: Headers) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.headers = headers;
  }
}
