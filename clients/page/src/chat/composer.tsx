import { useId, type FormEvent, type KeyboardEvent, type RefObject } from 'react';
import { useDraft } from '../hooks/use-draft.ts';

interface Props {
  isBusy: boolean;
  /** Whose unsent text this is: the user and the thread. */
  draftName: string;
  field: RefObject<HTMLTextAreaElement | null>;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** The text field for the next message, with its buttons. */
export function Composer({ isBusy, draftName, field, onSend, onStop }: Props) {
  const id = useId();
  const saveDraft = useDraft(field, draftName);

  function send(): void {
    const text = field.current?.value ?? '';
    if (!field.current || text.trim() === '') return;
    field.current.value = '';
    saveDraft();
    field.current.focus();
    onSend(text);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    // While an input method composes, Enter accepts its suggestion.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className="composer"
      onSubmit={(event: FormEvent<HTMLFormElement>) => {
        event.preventDefault();
        send();
      }}
    >
      <label htmlFor={id} className="visually-hidden">
        Message
      </label>
      <textarea
        id={id}
        ref={field}
        rows={1}
        dir="auto"
        placeholder="Message the agent"
        autoFocus
        onInput={saveDraft}
        onKeyDown={onKeyDown}
        aria-describedby={`${id}-keys`}
      />
      {isBusy && (
        <button type="button" className="button" onClick={onStop}>
          Stop
        </button>
      )}
      <button type="submit" className="button primary">
        Send
      </button>
      <p id={`${id}-keys`} className="hint keys">
        Enter to send, Shift+Enter for a new line
      </p>
    </form>
  );
}
