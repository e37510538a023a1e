/** Said by the door and by runs to whoever wants to store more than the tenant may. */
export const fullText = ({ limit, stored }: { readonly limit: number; readonly stored: number }): string =>
  `storage_bytes: ${limit}, and ${stored} are stored. Delete runs that are not needed, or ask the operator for more.`;
