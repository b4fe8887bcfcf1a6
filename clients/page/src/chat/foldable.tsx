import { useId, useState, type FocusEvent, type ReactNode } from 'react';
import { formatCount } from '../format.ts';

const MAX_LENGTH = 4_000;
const MAX_LINES = 60;

interface Props {
  content: string;
  /** Whether to show everything from the beginning. */
  isOpen: boolean;
  children: ReactNode;
}

/** The text of a message. Of a long one, only the beginning is shown until the user asks for everything. */
export function Foldable({ content, isOpen, children }: Props) {
  const [choice, setChoice] = useState<boolean>();
  const id = useId();
  if (content.length <= MAX_LENGTH && content.split('\n', MAX_LINES + 1).length <= MAX_LINES) return children;
  const isShown = choice ?? isOpen;
  const open = ({ target }: FocusEvent<HTMLElement>): void => {
    setChoice(true);
    requestAnimationFrame(() => target.scrollIntoView({ block: 'nearest' }));
  };
  return (
    <div className="foldable">
      {/* A link or a button in the hidden part shows it when it gets the focus. */}
      <div id={id} className="fold" data-open={isShown} onFocus={isShown ? undefined : open}>
        {children}
      </div>
      <button
        type="button"
        className="link"
        aria-expanded={isShown}
        aria-controls={id}
        onClick={() => setChoice(!isShown)}
      >
        {isShown ? 'Show less' : `Show all ${formatCount([...content].length, 'character')}`}
      </button>
    </div>
  );
}
