import { expect, test } from 'vitest';
import type { ChatMessage } from '../src/index.js';
import { keyOf, prepend, mergeMessages } from '../src/merge.js';

function message(name: string, change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id: `${name}:user`,
    exchangeId: name,
    role: 'user',
    content: name,
    createdAt: '2026-01-01T00:00:00Z',
    status: 'sent',
    ...change,
  };
}

/** Messages named by letters: `a` to `z` have the server's times in this order, capitals are this side's own. */
function list(names: string): ChatMessage[] {
  return Array.from(names).map((name) =>
    name === name.toUpperCase()
      ? message(name, { status: 'failed', createdAt: '1970-01-01T00:00:00Z' })
      : message(name, { createdAt: `2026-01-01T00:00:${String(name.charCodeAt(0) - 87)}Z` }),
  );
}

function united(mine: string, told: string): string {
  const merged = mergeMessages(list(mine), list(told), ({ status }) => status === 'failed');
  return merged.map(({ content }) => content).join('');
}

test.each([
  ['', '', ''],
  ['', 'abc', 'abc'],
  ['abc', '', 'abc'],
  ['abc', 'abc', 'abc'],
  ['abc', 'bcd', 'abcd'],
  ['bcd', 'abc', 'abcd'],
  ['abc', 'xyz', 'abcxyz'],
  ['xyz', 'abc', 'abcxyz'],
  ['abX', 'abc', 'abcX'],
  ['aXb', 'abc', 'aXbc'],
  ['X', 'abc', 'abcX'],
  ['Xb', 'abc', 'aXbc'],
  ['XbY', 'abc', 'aXbcY'],
  ['adX', 'abd', 'abdX'],
  ['aXc', 'abc', 'abXc'],
  ['acXY', 'abc', 'abcXY'],
  ['aabbc', 'abc', 'abc'],
  // The server's order holds.
  ['baX', 'abc', 'aXbc'],
])('%s and %s are %s', (mine, told, both) => {
  expect(united(mine, told)).toBe(both);
});

test('whatever the order of things: nothing is lost, nothing is doubled, the server has the last word on order', () => {
  const names = Array.from('abcdefghXYZ');
  let seed = 2026;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 2000; round++) {
    const mine = list(
      names
        .filter(() => random() < 0.6)
        .sort(() => random() - 0.5)
        .join(''),
    );
    const told = list(
      Array.from('abcdefgh')
        .slice(Math.floor(random() * 5))
        .filter(() => random() < 0.9)
        .join(''),
    );
    const merged = mergeMessages(mine, told, ({ status }) => status === 'failed');
    const keys = merged.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys)).toEqual(new Set([...mine, ...told].map(keyOf)));
    const toldKeys = told.map(keyOf);
    expect(keys.filter((key) => toldKeys.includes(key))).toEqual(toldKeys);
    // Told twice, it is what it was.
    const again = mergeMessages(merged, told, ({ status }) => status === 'failed');
    expect(again.map(keyOf)).toEqual(keys);
  }
});

test('what was told keeps its id here, and becomes what the server says', () => {
  const mine = message('a', { id: 'mine', status: 'failed', content: 'typed', metadata: { draft: 1 } });
  const told = message('a', { content: 'stored' });
  for (const merged of [mergeMessages([mine], [told], () => true), prepend([mine], [told])]) {
    expect(merged).toEqual([{ ...told, id: 'mine', metadata: { draft: 1 } }]);
  }
});

test('an older page goes before what is shown, each message once', () => {
  const shown = list('cdX');
  const merged = prepend(shown, list('abc'));
  expect(merged.map(({ content }) => content).join('')).toBe('abcdX');
  expect(merged[2]).toBe(shown[0]);
});
