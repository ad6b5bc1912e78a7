// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fillTemplate,
  hasAlias,
  type MacroValues,
  parseTemplate,
  TemplateError,
} from '../../src/destinations/macro.ts';

const DID = '12345678901234567890123456789012345678';
const CONSENT: Record<string, string> = {
  gdpr: '1',
  gdpr_consent: 'CPc+/=&x',
  gpp: 'DBABMA~1YNN',
  gpp_sid: '2,6',
  us_privacy: '1YNN',
};
const VALUES: MacroValues = {
  aliases: ['home', 'a b&c'],
  delimiter: '|',
  deviceId: DID,
  ecid: '99999999999999999999999999999999999999',
  declared: (dataSource) => (dataSource === 2001 ? 'me@example.com?x=1' : undefined),
  region: 7,
  secure: true,
  nonce: 3_141_592_653,
  at: Date.UTC(2026, 6, 4, 12, 0, 0, 999),
  consent: (parameter) => CONSENT[parameter],
};
const NOTHING: MacroValues = {
  ...VALUES,
  aliases: [],
  ecid: undefined,
  declared: () => undefined,
  consent: () => undefined,
};

const filled = (text: string, values = VALUES) => fillTemplate(parseTemplate(text), values);

function refusal(text: string): TemplateError {
  try {
    parseTemplate(text);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${text}`);
}

/** Every macro of the table: what it becomes, and what it becomes without a value. */
const MACROS: [macro: string, value: string, without: string][] = [
  ['%ALIAS%', 'home|a%20b%26c', ''],
  ['%DID%', DID, DID],
  ['%MCID%', '99999999999999999999999999999999999999', ''],
  ['%DPID_2001%', 'me%40example.com%3Fx%3D1', ''],
  ['%DPID_1001%', '', ''],
  ['%REGION%', '7', '7'],
  ['%HTTP_PROTO%', 'https', 'https'],
  ['%RND%', '3141592653', '3141592653'],
  ['%TIMESTAMP%', '1783166400', '1783166400'],
  ['${GDPR}', '1', ''],
  ['${GDPR_CONSENT_755}', 'CPc%2B%2F%3D%26x', ''],
  ['${GPP}', 'DBABMA~1YNN', ''],
  ['${GPP_SID}', '2%2C6', ''],
  ['${US_PRIVACY}', '1YNN', ''],
];

describe('every macro becomes its value, percent-encoded', () => {
  it.each(MACROS)('%s', (macro, value, without) => {
    const url = `https://dsp.example/p/${macro}?q=${macro}&end`;
    expect(filled(url)).toBe(`https://dsp.example/p/${value}?q=${value}&end`);
    expect(filled(url, NOTHING)).toBe(`https://dsp.example/p/${without}?q=${without}&end`);
  });

  it.each(MACROS)('%s in small and mixed letters', (macro, value) => {
    const mixed = [...macro].map((c, i) => (i % 2 ? c.toLowerCase() : c.toUpperCase())).join('');
    for (const written of [macro.toLowerCase(), mixed]) {
      expect(filled(`https://dsp.example/?${written}`)).toBe(`https://dsp.example/?${value}`);
    }
  });

  it.each([
    ['http', false],
    ['https', true],
  ])('%%HTTP_PROTO%% is %s where the page is secure: %s', (scheme, secure) => {
    const url = filled('%HTTP_PROTO%://dsp.example/', { ...VALUES, secure });
    expect(url).toBe(`${scheme}://dsp.example/`);
  });

  it.each([
    ['two side by side', '?%RND%%DID%', `?3141592653${DID}`],
    ['with one percent sign between', '?%RND%25%DID%', `?314159265325${DID}`],
    ['none', '?a=b', '?a=b'],
    ['next to an encoded byte', '?%20%DID%%20', `?%20${DID}%20`],
  ])('%s', (_name, text, expected) => {
    expect(filled(`https://dsp.example/${text}`)).toBe(`https://dsp.example/${expected}`);
  });
});

describe('a value cannot leave its place', () => {
  it('whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }), (a, b) => {
        const url = filled('https://dsp.example/p?a=%ALIAS%&d=%DPID_1%&g=${GDPR}&z=1', {
          ...VALUES,
          aliases: [a, b],
          declared: () => a,
          consent: () => b,
        });
        expect(url).toMatch(/^[\x21-\x7e]*$/);
        const { host, pathname, searchParams, hash } = new URL(url);
        expect([host, pathname, hash]).toEqual(['dsp.example', '/p', '']);
        expect([...searchParams]).toEqual([
          ['a', `${a}|${b}`],
          ['d', a],
          ['g', b],
          ['z', '1'],
        ]);
      }),
    );
  });

  it.each([
    ['a line break', 'x\r\nSet-Cookie: a=b', 'x%0D%0ASet-Cookie%3A%20a%3Db'],
    ['a NUL', 'x\0y', 'x%00y'],
    ['a macro in a value is no macro', '%DID%', '%25DID%25'],
    ['another language', 'café', 'caf%C3%A9'],
    ['half a character, as a script may cut it', 'x\ud83d', expect.stringMatching(/^x[\w%]*$/)],
  ])('%s', (_name, alias, expected) => {
    const url = filled('https://dsp.example/?%ALIAS%', { ...VALUES, aliases: [alias] });
    expect(url.slice('https://dsp.example/?'.length)).toEqual(expected);
  });
});

describe('percent-encoded text is left alone', () => {
  it.each([
    'https://dsp.example/?q=%20%3B%2F',
    'https://dsp.example/?q=%E4%BD%A0%E5%A5%BD',
    'https://dsp.example/?q=%e4%bd%a0',
    'https://dsp.example/?q=%C3%A9%20x',
    // One or more letters between two encoded bytes look like a macro, but are none.
    'https://dsp.example/?q=Caf%C3%A9s%20noir',
    'https://dsp.example/?q=%a9bcd%20',
    'https://dsp.example/?q=100%25',
    'https://dsp.example/?q=$&x=%24',
  ])('%s', (url) => {
    expect(filled(url)).toBe(url);
  });

  it.each([
    ['spaces', 'https://dsp.example/a b', 'https://dsp.example/a%20b'],
    ['quotes and brackets', 'https://dsp.example/?"<>\\^`{|}', '%22%3C%3E%5C%5E%60%7B%7C%7D'],
    ['letters of other languages', 'https://dsp.example/é', '%C3%A9'],
    ['a line break', 'https://dsp.example/x\r\ny', 'x%0D%0Ay'],
  ])('but what may not stand in a URL is encoded: %s', (_name, text, end) => {
    expect(filled(text).endsWith(end)).toBe(true);
    expect(filled(text)).toMatch(/^[\x21-\x7e]*$/);
  });
});

describe('an unknown macro is refused, with those that are known', () => {
  it.each([
    '%UID%',
    '%ALIASES%',
    '%DPID%',
    '%DPID_%',
    '%DPID_x%',
    '%CAMPAIGN%',
    '%constructor%',
    '%toString%',
    '${UID}',
    '${}',
    '${ALIAS}',
    '${GDPR_CONSENT}',
    '${GDPR_CONSENT_}',
    '${GDPR_CONSENT_XXXX}',
    '${constructor}',
    '${__proto__}',
    '${DD_UUID}',
  ])('%s', (macro) => {
    const { message } = refusal(`https://dsp.example/?x=${macro}`);
    expect(message).toContain(`unknown macro ${macro};`);
    for (const known of ['%ALIAS%', '%DID%', '%DPID_n%', '${GDPR}', '${GPP_SID}']) {
      expect(message).toContain(known);
    }
  });
});

describe('only web addresses', () => {
  it.each([
    '',
    'dsp.example/x',
    '/x',
    '//dsp.example/x',
    'ftp://dsp.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'https://',
    'https:// dsp.example/',
    '%ALIAS%',
  ])('refused: %j', (text) => {
    expect(refusal(text).message).toContain('no web address');
  });

  it.each(['https://me@dsp.example/', 'https://me:secret@dsp.example/', 'https://:x@dsp.example/'])(
    'refused: %s',
    (text) => {
      expect(refusal(text).message).toContain('user name or password');
    },
  );

  it.each([
    'http://dsp.example',
    'HTTPS://DSP.example/x',
    'http://127.0.0.1:8081/x',
    'https://[::1]/x',
  ])('accepted: %s', (text) => {
    expect(filled(text)).toBe(text);
  });
});

describe('whether the mapped values have a place', () => {
  it.each([
    ['https://dsp.example/?%ALIAS%', true],
    ['https://dsp.example/?%alias%', true],
    ['https://dsp.example/?%DID%', false],
    ['https://dsp.example/?ALIAS', false],
    ['', false],
  ])('%s: %s', (text, expected) => {
    expect(hasAlias(text)).toBe(expected);
  });
});
