/** Fields of destinations that are written and never shown, neither themselves nor what is made of them. */
export const SECRETS: readonly string[] = ['signatureKeys', 'oauth', 'credentials'];
