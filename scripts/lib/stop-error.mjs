/** Something that the user has to change: shown as its message alone, without a stack. */
export class StopError extends Error {}
