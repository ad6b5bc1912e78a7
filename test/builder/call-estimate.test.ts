/** How many of the recorded calls would realize a trait. */
import { beforeAll, describe, expect, it } from 'vitest';
import { newDeviceId } from '../../src/collect/identity.ts';
import { exampleAccount } from '../account/example.ts';
import { RecordingCollector } from '../collect/recorder.ts';
import { ask } from './ask.ts';

const collector = new RecordingCollector({ account: exampleAccount() });

beforeAll(async () => {
  for (const query of ['c_page=home', 'c_page=home&c_new=1', 'c_page=other&p_income=200000']) {
    await collector.ask(`d_uuid=${newDeviceId()}&${query}`, { 'user-agent': 'Tests/1' });
  }
  await collector.written(3);
});

describe('of three recorded calls', () => {
  it.each<[rule: string, matching: number, privateKeys?: string[]]>([
    ['c_page == "home"', 2],
    ['c_page == "home" AND NOT c_new == 1', 1],
    // What no rule of the account looks at is recorded, too.
    ['c_new matchesregex "^[0-9]$"', 1],
    ['h_user-agent startswith "Tests"', 3],
    ['c_page == "nothing"', 0],
    ['p_income >= 1 OR c_page == "other"', 1, ['p_income']],
  ])('%s: %i', async (traitRule, matching, privateKeys = []) => {
    const answer = await ask(collector, 'estimates', { traitRule });
    const body = { state: 'done', progress: 1, calls: 3, matching, privateKeys };
    expect(answer).toEqual({ status: 200, body });
  });

  it.each([
    [{ traitRule: 'c_page = 1' }, 'traitRule', /found "=" at character 8/],
    [{ traitRule: 'NOT c_page == 1' }, 'traitRule', /every request would satisfy/],
    [{ traitRule: 'a == 1', segmentRule: '11T' }, 'traitRule', /there is a segmentRule, too/],
  ])('%j is refused', async (question, path, words) => {
    const { status, body } = await ask(collector, 'estimates', question);
    expect(status).toBe(400);
    expect(body.errors[0]).toMatchObject({ path, wrong: expect.stringMatching(words) });
  });
});
