import { useEffect, useState } from 'react';

const SHOWN_MS = 2_000;

interface Props {
  label: string;
  text: () => string;
}

/** A button that copies a text and says so for a moment. */
export function CopyButton({ label, text }: Props) {
  const [result, setResult] = useState<string>();
  useEffect(() => {
    if (result === undefined) return undefined;
    const timer = setTimeout(() => setResult(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [result]);
  return (
    <button
      type="button"
      className="link"
      onClick={() => {
        void copy(text()).then((isCopied) => setResult(isCopied ? 'Copied' : 'Not copied: the browser does not allow it'));
      }}
    >
      {result ?? label}
    </button>
  );
}

async function copy(text: string): Promise<boolean> {
  try {
    // On plain HTTP, a browser has no clipboard.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text);
  }
}

/** Copies by selecting the text in a field: an older way, which needs no secure page. */
function copySelection(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement('textarea');
  field.className = 'visually-hidden';
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return isCopied;
}
