/** A part of a text, to show as text. */
export interface TextPart {
  readonly text: string;
  /** Whether the part matches the query. */
  readonly isMatch: boolean;
}

/**
 * Splits a text into parts that match and parts that do not. The parts joined are the text.
 *
 * @param highlights Positions in Unicode code points, as the API counts. JavaScript's own indices count an emoji twice.
 */
export function highlightedParts(
  text: string,
  highlights: readonly { readonly start: number; readonly end: number }[],
): TextPart[] {
  const parts: TextPart[] = [];
  const add = (from: number, to: number, isMatch: boolean): void => {
    if (from < to) parts.push({ text: text.slice(from, to), isMatch });
  };
  const position = new Position(text);
  for (const { start, end } of merge(highlights)) {
    const before = position.index;
    const from = position.moveTo(start);
    const to = position.moveTo(end);
    add(before, from, false);
    add(from, to, true);
  }
  add(position.index, text.length, false);
  return parts;
}

/** Returns the highlights in order. Those that overlap or touch become one. */
function merge(highlights: readonly { start: number; end: number }[]): { start: number; end: number }[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...highlights].sort((one, other) => one.start - other.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else if (start < end) merged.push({ start, end });
  }
  return merged;
}

/** A position in a text, in code points, with its index in the string. It only moves forward. */
class Position {
  index = 0;
  #codePoints = 0;

  constructor(private readonly text: string) {}

  moveTo(codePoints: number): number {
    while (this.#codePoints < codePoints && this.index < this.text.length) {
      this.index += (this.text.codePointAt(this.index) ?? 0) > 0xffff ? 2 : 1;
      this.#codePoints++;
    }
    return this.index;
  }
}
