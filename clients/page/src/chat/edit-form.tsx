import { useEffect, useId, useRef, type FormEvent, type KeyboardEvent } from 'react';

interface Props {
  content: string;
  /** Whether the conversation continues after this exchange. */
  hasLater: boolean;
  onSend: (text: string) => void;
  onCancel: () => void;
}

/** The form that changes a question and sends it again. */
export function EditForm({ content, hasLater, onSend, onCancel }: Props) {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(content.length, content.length);
  }, [content.length]);

  function send(): void {
    const text = field.current?.value ?? '';
    if (text.trim() !== '') onSend(text);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    if (event.key === 'Escape') onCancel();
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className="edit-form"
      onSubmit={(event: FormEvent<HTMLFormElement>) => {
        event.preventDefault();
        send();
      }}
    >
      <label htmlFor={id} className="visually-hidden">
        Edited message
      </label>
      <textarea
        id={id}
        ref={field}
        dir="auto"
        defaultValue={content}
        onKeyDown={onKeyDown}
        aria-describedby={`${id}-effect`}
      />
      <p id={`${id}-effect`} className="hint">
        Replaces this message and its answer.{hasLater && ' Later messages stay as they are.'}
      </p>
      <div className="actions">
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="button primary">
          Send edited
        </button>
      </div>
    </form>
  );
}
