import { useId, useRef, useState, type FormEvent } from 'react';
import { DeleteDialog } from './delete-dialog.tsx';

interface Props {
  threadId: string | null;
  title: string;
  /** Whether the server has anything of the thread. */
  isKept: boolean;
  /** Whether a turn is under way: its answer would bring a deleted thread back. */
  isBusy: boolean;
  onRename: (title: string) => Promise<void>;
  onDelete: () => Promise<void>;
  /** Something was finished here: the focus goes on. */
  onDone: () => void;
}

/** The thread's title, and what can be done with it. */
export function ThreadHeader({ threadId, title, isKept, isBusy, onRename, onDelete, onDone }: Props) {
  const [isRenaming, setIsRenaming] = useState(false);
  const [fault, setFault] = useState<string>();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  async function rename(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const given = new FormData(event.currentTarget).get('title');
    const wanted = typeof given === 'string' ? given.trim() : '';
    if (wanted === '') return;
    try {
      if (wanted !== title) await onRename(wanted);
      finish();
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  }

  function finish(): void {
    setFault(undefined);
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
            <h2 title={title}>{title}</h2>
            {threadId !== null && <code>{threadId}</code>}
          </div>
          <button type="button" className="button" disabled={!isKept} onClick={() => setIsRenaming(true)}>
            Rename
          </button>
          <button
            type="button"
            className="button danger"
            disabled={!isKept || isBusy}
            title={isKept && isBusy ? 'While a turn is under way, a thread cannot be deleted.' : undefined}
            onClick={() => dialog.current?.showModal()}
          >
            Delete
          </button>
        </>
      )}
      {fault !== undefined && (
        <p role="alert" className="alert">
          {fault}
        </p>
      )}
      <DeleteDialog dialog={dialog} title={title} onDelete={onDelete} onDone={onDone} />
    </div>
  );
}
