/** Cookies of the builder: no script reads them, and no other site's page sends them. */
import { parseCookie, stringifySetCookie } from 'cookie';
import type { Context } from 'hono';
import { isSecure } from '../collect/place.ts';

export class BuilderCookie {
  readonly #secureName: `__Host-${string}`;
  readonly #plainName: string;
  readonly #maxAge: number | undefined;

  /**
   * @param secureName by https: nobody in between, and no other host, can set it
   * @param plainName by http, where browsers refuse such a name
   * @param maxAge seconds; not given: until the browser ends
   */
  constructor(secureName: `__Host-${string}`, plainName: string, maxAge?: number) {
    this.#secureName = secureName;
    this.#plainName = plainName;
    this.#maxAge = maxAge;
  }

  read(c: Context): string | undefined {
    return parseCookie(c.req.header('cookie') ?? '')[this.#nameFor(c)];
  }

  write(c: Context, value: string): void {
    this.#write(c, value, this.#maxAge);
  }

  remove(c: Context): void {
    this.#write(c, '', 0);
  }

  #write(c: Context, value: string, maxAge: number | undefined): void {
    const line = stringifySetCookie({
      name: this.#nameFor(c),
      value,
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: byHttps(c),
      ...(maxAge !== undefined && { maxAge }),
    });
    c.header('Set-Cookie', line, { append: true });
  }

  #nameFor(c: Context): string {
    return byHttps(c) ? this.#secureName : this.#plainName;
  }
}

const byHttps = (c: Context) => isSecure(c.req.header('x-forwarded-proto'));
