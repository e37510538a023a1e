/** What stands for a reply's reasoning where whoever asks keeps it: nobody else can have made it, and it says nothing. */

const prefix = "simulated-reasoning-";

export const seal = (replyId: string): string => `${prefix}${replyId}`;

export const isSealed = (text: string): boolean => text.startsWith(prefix);
