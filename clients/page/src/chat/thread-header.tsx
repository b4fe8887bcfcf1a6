import { useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { DeleteDialog } from './delete-dialog.tsx';

interface Props {
  title: string;
  /** Whether the server has stored at least one message of the thread. */
  isStored: boolean;
  /** Whether a turn is running. A running turn's answer would create a deleted thread again. */
  isBusy: boolean;
  /** Further buttons. */
  actions: ReactNode;
  onRename: (title: string) => Promise<void>;
  onDelete: () => Promise<void>;
  /** Called after renaming, so that the caller can move the focus. */
  onDone: () => void;
}

/** The thread's title, with buttons to rename and delete the thread. */
export function ThreadHeader({ title, isStored, isBusy, actions, onRename, onDelete, onDone }: Props) {
  const [isRenaming, setIsRenaming] = useState(false);
  const [error, setError] = useState<string>();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  async function rename(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const value = new FormData(event.currentTarget).get('title');
    const newTitle = typeof value === 'string' ? value.trim() : '';
    if (newTitle === '') return;
    try {
      if (newTitle !== title) await onRename(newTitle);
      finish();
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    }
  }

  function finish(): void {
    setError(undefined);
    setIsRenaming(false);
    onDone();
  }

  return (
    <div className="thread-header">
      {isRenaming ? (
        <form
          onSubmit={(event) => void rename(event)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') finish();
          }}
        >
          <label htmlFor={id} className="visually-hidden">
            Title
          </label>
          <input id={id} name="title" defaultValue={title.slice(0, 500)} maxLength={500} required autoFocus />
          <button type="submit" className="button primary">
            Save
          </button>
          <button type="button" className="button" onClick={finish}>
            Cancel
          </button>
        </form>
      ) : (
        <>
          <div className="names">
            <h2 title={title} dir="auto">
              {title}
            </h2>
          </div>
          <button type="button" className="button" disabled={!isStored} onClick={() => setIsRenaming(true)}>
            Rename
          </button>
          {actions}
          <button
            type="button"
            className="button danger"
            disabled={!isStored || isBusy}
            title={isStored && isBusy ? 'Wait for the answer before you delete this thread.' : undefined}
            onClick={() => dialog.current?.showModal()}
          >
            Delete
          </button>
        </>
      )}
      {error !== undefined && (
        <p role="alert" className="alert">
          {error}
        </p>
      )}
      <DeleteDialog dialog={dialog} title={title} onDelete={onDelete} onDone={onDone} />
    </div>
  );
}
