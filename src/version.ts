/** The package's version, for a server that has no package.json beside it; test/tree holds the two together. */
export const version = "0.1.0";
