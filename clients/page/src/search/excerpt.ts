import { highlightedParts, type SearchItem, type TextPart } from '@hybrid-memory/react';

const MAX_CHARACTERS = 160;
const MAX_BEFORE = 40;
// A character as the user sees it has at most about this many code units. A longer text is not split as a whole.
const UNITS_PER_CHARACTER = 8;
const segmenter = new Intl.Segmenter();

/** Returns the part of a found message around its first match, on one line. */
export function excerptOf(item: SearchItem, field: 'userMessage' | 'assistantMessage'): TextPart[] {
  const own = item.highlights.filter((highlight) => highlight.field === field);
  const parts = highlightedParts(item[field], own);
  const first = Math.max(
    0,
    parts.findIndex(({ isMatch }) => isMatch),
  );
  const before = onOneLine(parts.slice(0, first));
  const after = onOneLine(parts.slice(first));
  const start = lastCharacters(before[0]?.text ?? '', MAX_BEFORE);
  const rest: TextPart[] = [];
  let room = MAX_CHARACTERS - start.length;
  for (const part of after) {
    const characters = firstCharacters(part.text, room + 1);
    const isCut = characters.length > room;
    rest.push({ text: characters.slice(0, room).join('') + (isCut ? '…' : ''), isMatch: part.isMatch });
    room -= characters.length;
    if (isCut) break;
  }
  const isStartCut = start.join('').length < (before[0]?.text.length ?? 0);
  return [{ text: (isStartCut ? '…' : '') + start.join('').trimStart(), isMatch: false }, ...rest];
}

function onOneLine(parts: TextPart[]): TextPart[] {
  return parts.map(({ text, isMatch }) => ({ text: text.replace(/\s+/g, ' '), isMatch }));
}

function lastCharacters(text: string, count: number): string[] {
  const characters = split(text.slice(-count * UNITS_PER_CHARACTER)).slice(-count);
  if (characters.join('').length === text.length) return characters;
  // Begin with a whole word, in scripts with spaces.
  return characters.slice(characters.indexOf(' ') + 1);
}

function firstCharacters(text: string, count: number): string[] {
  return split(text.slice(0, count * UNITS_PER_CHARACTER)).slice(0, count);
}

function split(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}
