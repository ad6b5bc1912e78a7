/** What the Content-Security-Policy asks of libraries that write to the page. */

interface TrustedTypes {
  createPolicy(name: string, rules: { createHTML: (text: string) => string }): unknown;
}

/** The nonce of this page: style elements that are added later must carry it. */
export const nonce =
  document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

declare global {
  // Where the library that locks scrolling looks for it.
  var __webpack_nonce__: string;
}
globalThis.__webpack_nonce__ = nonce;

// Mantine writes the text of style elements by innerHTML. Nothing else may be: a text with markup is
// refused.
const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
trustedTypes?.createPolicy('default', {
  createHTML: (text) => {
    if (text.includes('<')) throw new TypeError('HTML is not written as text here');
    return text;
  },
});
