/** The package's version: this client's, and of a server what `about()` answers. test/tree holds it and package.json together. */
export const version = "0.1.0";
