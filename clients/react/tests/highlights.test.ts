import { expect, test } from 'vitest';
import { highlightedParts } from '../src/index.js';

/** Returns the parts as one text, with the matches in brackets. */
function marked(text: string, ...highlights: [start: number, end: number][]): string {
  const parts = highlightedParts(
    text,
    highlights.map(([start, end]) => ({ start, end })),
  );
  expect(parts.map((part) => part.text).join('')).toBe(text);
  expect(parts.every((part) => part.text !== '')).toBe(true);
  return parts.map((part) => (part.isMatch ? `[${part.text}]` : part.text)).join('');
}

test.each([
  ['no highlights', 'My dog', [], 'My dog'],
  ['one in the middle', 'My dog is Rex.', [[3, 6]], 'My [dog] is Rex.'],
  [
    'the first and the last word',
    'My dog',
    [
      [0, 2],
      [3, 6],
    ],
    '[My] [dog]',
  ],
  ['the whole text', 'dog', [[0, 3]], '[dog]'],
  ['an empty text', '', [[0, 3]], ''],
] as [string, string, [number, number][], string][])('%s', (_, text, highlights, expected) => {
  expect(marked(text, ...highlights)).toBe(expected);
});

test('positions count code points, so an emoji before the match does not move it', () => {
  expect(marked('🐶🐶 My dog 🐶 is Rex 🦖!', [6, 9], [15, 18], [19, 20])).toBe('🐶🐶 My [dog] 🐶 is [Rex] [🦖]!');
  expect(marked('𠮷野家で食べる', [0, 3])).toBe('[𠮷野家]で食べる');
  expect(marked('कुत्ता है', [0, 6])).toBe('[कुत्ता] है');
});

test('unordered, overlapping and adjacent highlights are merged', () => {
  expect(marked('abcdefgh', [4, 6], [0, 2], [1, 3], [6, 7])).toBe('[abc]d[efg]h');
});

test('highlights outside the text, and empty ones, mark nothing more', () => {
  expect(marked('abc', [2, 99], [50, 60])).toBe('ab[c]');
  expect(marked('abc', [1, 1], [2, 1], [-5, 1])).toBe('[a]bc');
});

test('markup is text', () => {
  expect(highlightedParts('<b>x</b>', [{ start: 0, end: 3 }])).toEqual([
    { text: '<b>', isMatch: true },
    { text: 'x</b>', isMatch: false },
  ]);
});
