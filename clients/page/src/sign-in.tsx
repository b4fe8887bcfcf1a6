import { useEffect, useId, useRef, type FormEvent } from 'react';

interface Props {
  /** Whether a token was given already, so that it is that one which was refused. */
  wasGiven: boolean;
  onToken: (token: string) => void;
}

/** Asks for a bearer token, where the deployment does. */
export function SignIn({ wasGiven, onToken }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const given = new FormData(event.currentTarget).get('token');
    const token =
      typeof given === 'string'
        ? given
            .trim()
            .replace(/^bearer\s+/i, '')
            .trim()
        : '';
    if (token !== '') onToken(token);
  }

  return (
    // There is nothing to see without a token, so Escape leads nowhere.
    <dialog ref={dialog} aria-labelledby={`${id}-title`} onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>This deployment asks who you are</h2>
        <label htmlFor={id}>Bearer token</label>
        <input id={id} name="token" type="password" autoComplete="off" required aria-describedby={`${id}-kept`} />
        <p id={`${id}-kept`} className="hint">
          Kept in the memory of this page only: a reload asks again.
        </p>
        {wasGiven && (
          <p role="alert" className="alert">
            The token was refused. It may have expired.
          </p>
        )}
        <div className="actions">
          <button type="submit" className="button primary">
            Use the token
          </button>
        </div>
      </form>
    </dialog>
  );
}
