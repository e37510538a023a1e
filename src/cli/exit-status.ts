/** Exit statuses of the command line (contract of `heddle help`). */

export const exitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  leaseLost: 4,
  interrupted: 130,
} as const;
