import { useId, useState, type FormEvent, type RefObject } from 'react';

const CONFIRMATION = 'delete';

interface Props {
  dialog: RefObject<HTMLDialogElement | null>;
  title: string;
  onDelete: () => Promise<void>;
  onDone: () => void;
}

/** A dialog that deletes a thread after the user has typed a word. */
export function DeleteDialog({ dialog, title, onDelete, onDone }: Props) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const id = useId();

  async function confirm(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (typed !== CONFIRMATION || isBusy) return;
    setIsBusy(true);
    try {
      await onDelete();
      dialog.current?.close();
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setIsBusy(false);
    }
  }

  return (
    <dialog
      ref={dialog}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-effect`}
      onClose={() => {
        setTyped('');
        setError(undefined);
        onDone();
      }}
    >
      <form onSubmit={(event) => void confirm(event)}>
        <h2 id={`${id}-title`}>Delete this thread?</h2>
        <p id={`${id}-effect`}>
          “<span className="quoted">{title}</span>” will be deleted everywhere, including messages still in the queue.
          This cannot be undone.
        </p>
        <label htmlFor={id}>
          Type <strong>{CONFIRMATION}</strong> to confirm
        </label>
        <input
          id={id}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        {error !== undefined && (
          <p role="alert" className="alert">
            {error}
          </p>
        )}
        <div className="actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="button danger" disabled={typed !== CONFIRMATION || isBusy}>
            Delete for good
          </button>
        </div>
      </form>
    </dialog>
  );
}
