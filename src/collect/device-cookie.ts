/** Cookies as headers: the device id's own, and those of cookie destinations. */
import { stringifySetCookie } from 'cookie';
import type { CookieLine } from '../destinations/due.ts';

const DEVICE_DAYS = 180;
const OPT_OUT_DAYS = 400;
const DAY = 86_400;

/**
 * The cookie that carries the device id. Everything but the id is the same for every visitor, so it
 * is written once.
 */
export class DeviceCookie {
  readonly name: string;
  readonly #plain: string;
  readonly #secure: string;

  constructor(name: string) {
    this.name = name;
    const rest = (secure: boolean) =>
      stringifySetCookie({
        name,
        value: '',
        path: '/',
        httpOnly: true,
        maxAge: DEVICE_DAYS * DAY,
        ...crossSite(secure),
      }).slice(name.length + 1);
    this.#plain = rest(false);
    this.#secure = rest(true);
  }

  write(deviceId: string, secure: boolean): string {
    return `${this.name}=${deviceId}${secure ? this.#secure : this.#plain}`;
  }
}

/** Lets the browser remember an opt-out, so that it holds even while the store cannot be read. */
export function optOutHeader(name: string, secure: boolean): string {
  const maxAge = OPT_OUT_DAYS * DAY;
  return stringifySetCookie({
    name,
    value: '1',
    path: '/',
    httpOnly: true,
    maxAge,
    ...crossSite(secure),
  });
}

/** A destination's cookie; scripts of the page read it, so it is not HttpOnly. */
export function cookieHeader(
  { name, value, ttlDays, domain }: CookieLine,
  secure: boolean,
): string {
  const lifetime = ttlDays === 0 ? {} : { maxAge: Math.max(0, ttlDays * DAY) };
  return stringifySetCookie(
    { name, value, path: '/', ...(domain && { domain }), ...lifetime, ...crossSite(secure) },
    // The value comes percent-encoded, with the destination's separators as they are.
    { encode: (text) => text },
  );
}

/** Browsers take a cookie on other sites' pages only if it is `Secure`, and that only by https. */
const crossSite = (secure: boolean) =>
  secure ? ({ sameSite: 'none', secure: true } as const) : ({ sameSite: 'lax' } as const);
