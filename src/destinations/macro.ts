/**
 * URLs with macros: what a partner's address becomes for one visitor.
 *
 * `https://dsp.example/m?u=%DID%&s=%ALIAS%&t=%RND%`. Source of the macros: user guide,
 * features/destinations; IAB for `${GDPR}`, `${GPP}` and their relatives.
 */

/** What macros are filled from. Texts are raw: they are percent-encoded where they land. */
export interface MacroValues {
  /** The mapped values. */
  readonly aliases: readonly string[];
  /** Between mapped values, as it is. */
  readonly delimiter: string;
  readonly deviceId: string;
  readonly ecid: string | undefined;
  /** The visitor's id in a data source. */
  readonly declared: (dataSource: number) => string | undefined;
  readonly region: number;
  readonly secure: boolean;
  /** A number that is different for each request. */
  readonly nonce: number;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** The request's own `gdpr`, `gdpr_consent`, `gpp`, `gpp_sid`, `us_privacy`. */
  readonly consent: (parameter: string) => string | undefined;
}

type Fill = (values: MacroValues) => string;

/** A URL that is ready to be filled. */
export type Template = readonly (string | Fill)[];

/** Why a URL cannot be used, in words for the person who wrote it. */
export class TemplateError extends Error {}

/** Half a surrogate pair cannot be encoded; it becomes U+FFFD. */
export const encode = (text: string | undefined): string =>
  text ? encodeURIComponent(text.toWellFormed()) : '';

const PERCENT: Record<string, Fill> = {
  ALIAS: ({ aliases, delimiter }) => aliases.map(encode).join(delimiter),
  DID: ({ deviceId }) => deviceId,
  MCID: ({ ecid }) => encode(ecid),
  REGION: ({ region }) => String(region),
  HTTP_PROTO: ({ secure }) => (secure ? 'https' : 'http'),
  RND: ({ nonce }) => String(nonce),
  TIMESTAMP: ({ at }) => String(Math.floor(at / 1000)),
};

const DOLLAR: Record<string, Fill> = {
  GDPR: ({ consent }) => encode(consent('gdpr')),
  GPP: ({ consent }) => encode(consent('gpp')),
  GPP_SID: ({ consent }) => encode(consent('gpp_sid')),
  US_PRIVACY: ({ consent }) => encode(consent('us_privacy')),
};

const KNOWN =
  '%ALIAS% %DID% %MCID% %DPID_n% %REGION% %HTTP_PROTO% %RND% %TIMESTAMP% ' +
  // biome-ignore lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
  '${GDPR} ${GDPR_CONSENT_n} ${GPP} ${GPP_SID} ${US_PRIVACY}';

const MACRO = /%([a-z][a-z0-9_]{2,})%|\$\{([^}]*)\}/gi;
/**
 * Whether a name between percent signs is a percent-encoded byte with the text up to the next one,
 * as in `caf%C3%A9s%20`: it starts with two hexadecimal digits, and is nothing that a macro would be
 * called, since one of them is a digit or it mixes upper and lower case.
 */
function isEncodedByte(name: string): boolean {
  if (!/^[0-9a-f]{2}/i.test(name)) return false;
  return /^.?\d/.test(name) || (/[a-z]/.test(name) && /[A-Z]/.test(name));
}

/**
 * Reads a URL with macros.
 *
 * @throws TemplateError for an unknown macro, or where the filled URL would be no http(s) address
 */
export function parseTemplate(text: string): Template {
  const parts: (string | Fill)[] = [];
  let end = 0;
  const macros = new RegExp(MACRO);
  for (let match = macros.exec(text); match; match = macros.exec(text)) {
    const [macro, percent, dollar] = match;
    const fill = fillOf(percent, dollar);
    if (fill) {
      parts.push(literal(text.slice(end, match.index)), fill);
      end = macros.lastIndex;
    } else if (percent && isEncodedByte(percent)) {
      // Its closing percent sign may open a macro.
      macros.lastIndex--;
    } else throw new TemplateError(`unknown macro ${macro}; write one of ${KNOWN}`);
  }
  parts.push(literal(text.slice(end)));
  const template = parts.filter((part) => part !== '');
  checkAddress(text, template);
  return template;
}

/** Fills a template; a macro without a value becomes empty. */
export function fillTemplate(template: Template, values: MacroValues): string {
  let url = '';
  for (const part of template) url += typeof part === 'string' ? part : part(values);
  return url;
}

/** Whether the mapped values have a place in a URL. */
export const hasAlias = (text: string): boolean => /%ALIAS%/i.test(text);

function fillOf(percent: string | undefined, dollar: string | undefined): Fill | undefined {
  const name = (percent ?? dollar ?? '').toUpperCase();
  const fill = percent ? PERCENT[name] : DOLLAR[name];
  if (fill && Object.hasOwn(percent ? PERCENT : DOLLAR, name)) return fill;
  const dataSource = percent && /^DPID_(\d+)$/.exec(name)?.[1];
  if (dataSource) {
    const id = Number(dataSource);
    return ({ declared }) => encode(declared(id));
  }
  // The whole string, for the vendor to read its own consent from.
  if (dollar && /^GDPR_CONSENT_\d+$/.test(name)) {
    return ({ consent }) => encode(consent('gdpr_consent'));
  }
  return undefined;
}

/** Characters that may not stand in a URL or a header are percent-encoded once, here. */
const literal = (text: string) =>
  text.toWellFormed().replace(/[^\x21-\x7e]+|["<>\\^`{|}]/gu, encodeURIComponent);

const SAMPLE: MacroValues = {
  aliases: ['1'],
  delimiter: ',',
  deviceId: '1',
  ecid: '1',
  declared: () => '1',
  region: 1,
  secure: true,
  nonce: 1,
  at: 0,
  consent: () => '1',
};

function checkAddress(text: string, template: Template): void {
  const url = URL.parse(fillTemplate(template, SAMPLE));
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    const shown = JSON.stringify(text.slice(0, 100));
    throw new TemplateError(`${shown} is no web address; write it with https:// and a host name`);
  }
  if (url.username || url.password) {
    throw new TemplateError('an address with a user name or password in it; leave them out');
  }
}
