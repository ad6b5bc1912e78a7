import { describe, expect, it } from 'vitest';
import {
  bitsOfPurposes,
  type Gdpr,
  grants,
  isSameGdpr,
  NO_RESTRICTIONS,
  purposesIn,
  vendorCount,
} from '../../src/audience/consent.ts';

const stated = (change: Partial<Gdpr> = {}): Gdpr => ({
  applies: true,
  purposes: bitsOfPurposes([1, 3, 24]),
  // Vendors 1, 8, 9 and 24.
  vendors: Uint8Array.of(0b1000_0001, 0b1000_0000, 0b0000_0001),
  restrictions: NO_RESTRICTIONS,
  refused: false,
  ...change,
});
const WITHHELD = [
  { purpose: 3, from: 9, to: 20 },
  { purpose: 24, from: 1, to: 1 },
];

describe('what somebody needs is there', () => {
  it.each<[boolean, string, number[], number[], Partial<Gdpr>?]>([
    [true, 'nothing', [], []],
    [true, 'a purpose', [1], []],
    [true, 'the last purpose', [24], []],
    [true, 'several', [1, 3], [8, 9]],
    [false, 'a purpose that is missing', [2], []],
    [false, 'one of several', [1, 2, 3], []],
    [true, 'the first vendor', [], [1]],
    [true, 'the last vendor', [], [24]],
    [false, 'a vendor that is missing', [], [2]],
    [false, 'a vendor after the last one', [], [25]],
    [false, 'one of two vendors', [], [1, 4_096]],
    [true, 'whatever it is, where GDPR does not apply', [2], [2], { applies: false }],
    [false, 'a purpose that is withheld from the vendor', [3], [9], { restrictions: WITHHELD }],
    [false, 'one of several, from one of several', [1, 3], [1, 9], { restrictions: WITHHELD }],
    [false, 'another, from the only vendor of a range', [24], [1], { restrictions: WITHHELD }],
    [
      true,
      'a purpose that is withheld from vendors after it',
      [3],
      [8],
      { restrictions: WITHHELD },
    ],
    [
      true,
      'a purpose that is withheld from vendors before it',
      [3],
      [24],
      { restrictions: WITHHELD },
    ],
    [true, 'another purpose than the one that is withheld', [1], [9], { restrictions: WITHHELD }],
    [true, 'a purpose for who is no vendor', [3, 24], [], { restrictions: WITHHELD }],
  ])('%j: %s', (expected, _, purposes, vendors, change) => {
    expect(grants(stated(change), { purposes: bitsOfPurposes(purposes), vendors })).toBe(expected);
  });
});

describe('two statements say the same', () => {
  it.each<[string, Partial<Gdpr>]>([
    ['whether it applies', { applies: false }],
    ['a purpose', { purposes: 1 }],
    ['a vendor', { vendors: Uint8Array.of(0b1000_0001, 0b1000_0000, 0b0000_0011) }],
    ['a vendor more', { vendors: Uint8Array.of(0b1000_0001, 0b1000_0000, 1, 1) }],
    ['whether that is enough', { refused: true }],
    ['what is withheld', { restrictions: WITHHELD }],
  ])('unless they differ in %s', (_, change) => {
    expect(isSameGdpr(stated(), stated())).toBe(true);
    expect(isSameGdpr(stated(), stated(change))).toBe(false);
  });
});

it('purposes and vendors for people', () => {
  expect(purposesIn(stated().purposes)).toEqual([1, 3, 24]);
  expect(vendorCount(stated().vendors)).toBe(4);
});
