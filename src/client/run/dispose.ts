/// <reference lib="esnext.disposable" preserve="true" />

/** `await using`, also where the runtime does not have the symbol yet: then by the one that compilers' polyfills share. */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);
