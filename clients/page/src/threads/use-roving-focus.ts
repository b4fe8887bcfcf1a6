import { useRef, useState, type FocusEvent, type KeyboardEvent, type RefObject } from 'react';

const PAGE_STEP = 10;
const TYPE_AHEAD_MS = 700;

interface RovingFocus {
  /** The key of the only item that Tab reaches. */
  readonly tabStop: string | undefined;
  /** To be set on the element that contains the items. Each item has its key in `data-item`. */
  readonly container: {
    readonly ref: RefObject<HTMLDivElement | null>;
    readonly onKeyDown: (event: KeyboardEvent) => void;
    readonly onFocus: (event: FocusEvent) => void;
  };
}

/**
 * Makes a list of buttons one tab stop: arrow keys, Home, End, Page Up and Page Down move the focus inside it, and
 * typed letters move it to the next item whose text starts with them.
 */
export function useRovingFocus(keys: readonly string[], preferred: string | null): RovingFocus {
  const [focused, setFocused] = useState<string>();
  const ref = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: '', at: 0 });

  const isKnown = (key: string | null | undefined): key is string => typeof key === 'string' && keys.includes(key);
  const tabStop = isKnown(focused) ? focused : isKnown(preferred) ? preferred : keys[0];

  function onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...(ref.current?.querySelectorAll<HTMLElement>('[data-item]') ?? [])];
    const index = items.findIndex((item) => item === event.target);
    if (index < 0) return;
    const next = targetOf(event, items, index) ?? findTyped(event, items, index);
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  }

  function findTyped(event: KeyboardEvent, items: readonly HTMLElement[], index: number): HTMLElement | undefined {
    const { current } = typed;
    const isContinued = event.timeStamp - current.at < TYPE_AHEAD_MS && current.text !== '';
    // A space presses the button, unless it continues typed text.
    if ([...event.key].length !== 1 || (event.key === ' ' && !isContinued)) return undefined;
    current.at = event.timeStamp;
    const isRepeated = isContinued && current.text === event.key;
    if (!isRepeated) current.text = (isContinued ? current.text : '') + event.key;
    const prefix = current.text.toLocaleLowerCase();
    // A longer text may also match the item that has the focus.
    const start = index + (prefix.length === 1 ? 1 : 0);
    const order = [...items.slice(start), ...items.slice(0, start)];
    const found = order.find((item) => (item.textContent ?? '').trim().toLocaleLowerCase().startsWith(prefix));
    return found ?? items[index];
  }

  function onFocus(event: FocusEvent): void {
    const key = (event.target as HTMLElement).dataset['item'];
    if (key !== undefined) setFocused(key);
  }

  return { tabStop, container: { ref, onKeyDown, onFocus } };
}

function targetOf(event: KeyboardEvent, items: readonly HTMLElement[], index: number): HTMLElement | undefined {
  const last = items.length - 1;
  const targets: Record<string, number> = {
    ArrowDown: Math.min(index + 1, last),
    ArrowUp: Math.max(index - 1, 0),
    PageDown: Math.min(index + PAGE_STEP, last),
    PageUp: Math.max(index - PAGE_STEP, 0),
    Home: 0,
    End: last,
  };
  const target = targets[event.key];
  return target === undefined ? undefined : items[target];
}
