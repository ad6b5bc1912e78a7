/** Fields of destinations that are written, and never shown again. */
export const SECRETS: readonly string[] = ['signatureKeys', 'oauth'];
