import { useId, useState, type FormEvent, type RefObject } from 'react';

const WORD = 'delete';

interface Props {
  dialog: RefObject<HTMLDialogElement | null>;
  title: string;
  onDelete: () => Promise<void>;
  onDone: () => void;
}

/** Asks for a word before a thread is deleted for good. */
export function DeleteDialog({ dialog, title, onDelete, onDone }: Props) {
  const [typed, setTyped] = useState('');
  const [fault, setFault] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const id = useId();

  async function confirm(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (typed !== WORD || isBusy) return;
    setIsBusy(true);
    try {
      await onDelete();
      dialog.current?.close();
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setIsBusy(false);
    }
  }

  return (
    <dialog
      ref={dialog}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-what`}
      onClose={() => {
        setTyped('');
        setFault(undefined);
        onDone();
      }}
    >
      <form onSubmit={(event) => void confirm(event)}>
        <h2 id={`${id}-title`}>Delete this thread?</h2>
        <p id={`${id}-what`}>
          “<span className="quoted">{title}</span>” is deleted from Redis and PostgreSQL, with whatever of it is on its
          way. It does not come back.
        </p>
        <label htmlFor={id}>
          Type <strong>{WORD}</strong> to confirm
        </label>
        <input
          id={id}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        {fault !== undefined && (
          <p role="alert" className="alert">
            {fault}
          </p>
        )}
        <div className="actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button type="submit" className="button danger" disabled={typed !== WORD || isBusy}>
            Delete for good
          </button>
        </div>
      </form>
    </dialog>
  );
}
