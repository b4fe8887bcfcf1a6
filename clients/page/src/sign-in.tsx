import { useEffect, useId, useRef, type FormEvent } from 'react';

interface Props {
  /** Whether the server rejected an earlier token. */
  isRejected: boolean;
  onToken: (token: string) => void;
}

/** A dialog that asks for a bearer token. */
export function SignIn({ isRejected, onToken }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const value = new FormData(event.currentTarget).get('token');
    const token =
      typeof value === 'string'
        ? value
            .trim()
            .replace(/^bearer\s+/i, '')
            .trim()
        : '';
    if (token !== '') onToken(token);
  }

  return (
    // Without a token the page has nothing to show, so Escape does not close the dialog.
    <dialog ref={dialog} aria-labelledby={`${id}-title`} onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>Sign in</h2>
        <label htmlFor={id}>Bearer token</label>
        <input id={id} name="token" type="password" autoComplete="off" required aria-describedby={`${id}-hint`} />
        <p id={`${id}-hint`} className="hint">
          The token stays in the memory of this page. After a reload you enter it again.
        </p>
        {isRejected && (
          <p role="alert" className="alert">
            The server rejected the token. It may have expired.
          </p>
        )}
        <div className="actions">
          <button type="submit" className="button primary">
            Continue
          </button>
        </div>
      </form>
    </dialog>
  );
}
