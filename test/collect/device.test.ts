import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Device, deviceOf } from '../../src/collect/device.ts';
import { changed } from '../account/example.ts';
import { Collector } from './collector.ts';

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1';
const WINDOWS =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

describe('what a User-Agent tells of the device', () => {
  it.each<[string, Device]>([
    [
      IPHONE,
      {
        d_device_vendor: 'apple',
        d_device_model: 'iphone',
        d_device_hardware_type: 'mobile phone',
        d_device_os_name: 'ios',
        d_device_os_version: '17_4_1',
      },
    ],
    [WINDOWS, { d_device_hardware_type: 'desktop', d_device_os_name: 'windows' }],
    ['', {}],
    ['x'.repeat(1_025), {}],
  ])('%s', (userAgent, device) => {
    expect(deviceOf(userAgent)).toMatchObject(device);
    // Read once, then remembered.
    expect(deviceOf(userAgent)).toBe(deviceOf(userAgent));
  });

  it('whatever stands in it, quickly', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'Mozilla/5.0 ',
        'Android ',
        'Version/',
        'like Mac OS X',
        '; ',
        '(',
        ')',
        '1.',
      ),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    const text = fc.array(piece, { maxLength: 40, size: 'max' }).map((all) => all.join(''));
    fc.assert(
      fc.property(text, (userAgent) => {
        for (const value of Object.values(deviceOf(userAgent))) {
          expect([undefined, String(value).toLowerCase()]).toContain(value);
        }
      }),
    );
    const started = performance.now();
    for (const one of ['a', ' ', '(', 'Android ', 'Version/1.', '0', 'like ', '; ']) {
      deviceOf(one.repeat(1_024).slice(0, 1_024));
    }
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('device signals of a call', () => {
  const rule = 'd_device_os_name == "ios"';
  const collector = new Collector({ account: changed({ 'traits[0].traitRule': rule }) });
  it.each<[name: string, query: string, userAgent: string, realized: boolean]>([
    ['are read from the User-Agent', '', IPHONE, true],
    ['of any device', '', WINDOWS, false],
    ['but what the request says itself counts', '&d_device_os_name=android', IPHONE, false],
    ['on any device', '&d_device_os_name=ios', WINDOWS, true],
  ])('%s', async (_name, query, userAgent, realized) => {
    const { traits } = await collector.ask(`d_cts=1${query}`, { 'user-agent': userAgent });
    expect(traits).toEqual(realized ? [11] : []);
  });
});
