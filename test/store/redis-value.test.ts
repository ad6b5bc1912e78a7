import { describe, expect, it } from 'vitest';
import { Profile } from '../../src/audience/profile.ts';
import { readRecords, Writer, writeChange, writeMark } from '../../src/store/record.ts';
import { HEADER } from '../../src/store/redis/script.ts';
import { foldedIn, minuteOf } from '../../src/store/redis/value.ts';

/** A value with marks, in this order: by their age in minutes and their writer. */
function valueWith(...marks: [age: number, writer: number][]): Uint8Array {
  const writer = new Writer(100);
  for (let i = 0; i < HEADER; i++) writer.u8(0);
  marks.forEach(([age, process], number) => {
    const minute = (minuteOf(Date.now()) - age + 65_536) % 65_536;
    writeMark(writer, { minute, writer: process, number });
    writeChange(writer, { day: 20_000, realized: [1] });
  });
  return writer.written();
}

/** Numbers of the marks that are left, in order. */
function kept(records: Uint8Array): number[] {
  const places: number[] = [];
  readRecords(records, new Profile(), 0, records.length, places);
  return places.map((at) => records[at + 7]);
}

describe('a folded value', () => {
  it.each<[string, [number, number][], number[]]>([
    [
      'the marks of the last day',
      [
        [1_500, 1],
        [1_400, 1],
        [0, 1],
      ],
      [1, 2],
    ],
    [
      'marks of a clock that is ahead',
      [
        [-1, 1],
        [-30, 2],
      ],
      [0, 1],
    ],
    ['the newest of one process', Array(10).fill([5, 1]), [2, 3, 4, 5, 6, 7, 8, 9]],
    [
      'those of each process',
      [
        [5, 1],
        [5, 2],
        [5, 3],
      ],
      [0, 1, 2],
    ],
  ])('keeps %s, in order', (_, marks, numbers) => {
    const folded = foldedIn(valueWith(...marks));
    expect(kept(folded)).toEqual(numbers);
    const header = new Uint8Array(HEADER);
    const again = new Uint8Array([...header, ...folded]);
    expect(kept(foldedIn(again))).toEqual(numbers);
  });
});
