/** Where a call comes from: the host that it calls and the page that makes it. */

export interface Place {
  /** The called host name in lower case, without port; undefined without a Host header. */
  readonly host: string | undefined;
  /** Whether the call came by https, perhaps through a proxy. */
  readonly secure: boolean;
  /** The `Origin` header, where it names a page. */
  readonly origin: string | undefined;
  /** Whether the browser itself tells the page, and not only the page. */
  readonly isTold: boolean;
  /** The page's host name. */
  readonly pageHost: string | undefined;
  readonly pageSecure: boolean;
}

/**
 * Whether a call came by https, perhaps through a proxy.
 *
 * @param proto the header `X-Forwarded-Proto`
 */
export const isSecure = (proto: string | null | undefined): boolean =>
  proto?.split(',', 1)[0].trim() === 'https';

/**
 * @param header a header of the request by its lower-case name
 * @param referer the page's address as the tag sent it; a header outweighs it
 */
export function placeOf(
  header: (name: string) => string | null,
  referer: string | undefined,
): Place {
  const secure = isSecure(header('x-forwarded-proto'));
  const origin = webAddress(header('origin'));
  const told = origin ?? webAddress(header('referer'));
  const page = told ?? webAddress(referer);
  return {
    host: hostName(header('host')),
    secure,
    origin: origin ? (header('origin') ?? undefined) : undefined,
    isTold: told !== undefined,
    pageHost: page?.host,
    pageSecure: page ? page.secure : secure,
  };
}

// What follows the host has to end it: a user name in front of an @ is no host.
const ADDRESS = /^(https?):\/\/([^/?#@\s]+)(?=[/?#]|$)/i;

function webAddress(text: string | null | undefined) {
  const match = text ? ADDRESS.exec(text) : null;
  const host = match && hostName(match[2]);
  return match && host ? { host, secure: match[1].length === 5 } : undefined;
}

/** `Shop.Example:8080` → `shop.example`; keeps the brackets of an IPv6 address. */
function hostName(host: string | null): string | undefined {
  if (!host) return undefined;
  const colon = host.lastIndexOf(':');
  const name = colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
  return name.toLowerCase() || undefined;
}
