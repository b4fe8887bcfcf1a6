import { useId, type FormEvent } from 'react';
import { IS_APPLE } from './search/use-search-shortcut.ts';

export type View = 'threads' | 'chat' | 'memory';
const VIEWS: readonly [View, string][] = [
  ['threads', 'Threads'],
  ['chat', 'Chat'],
  ['memory', 'Memory'],
];

interface Props {
  userId: string;
  /** Whether a token names the user. */
  isUserFixed: boolean;
  onUserId: (userId: string) => void;
  view: View;
  onView: (view: View) => void;
  /** Moves the focus to the search. */
  onSearch: () => void;
}

/** The title and the user; on a narrow screen also the buttons that switch between the parts. */
export function TopBar({ userId, isUserFixed, onUserId, view, onView, onSearch }: Props) {
  const id = useId();

  function change(form: HTMLFormElement): void {
    const value = new FormData(form).get('user');
    const name = typeof value === 'string' ? value.trim() : '';
    if (name !== '' && name !== userId) onUserId(name);
  }

  return (
    <header className="top-bar">
      <h1>
        <span className="mark" aria-hidden="true" />
        Hybrid agent memory
      </h1>
      <a className="docs" href="docs">
        API
      </a>
      <button type="button" className="button search-button" aria-keyshortcuts="Control+K Meta+K" onClick={onSearch}>
        Search <kbd aria-hidden="true">{IS_APPLE ? '⌘K' : 'Ctrl K'}</kbd>
      </button>
      <form
        className="who"
        onSubmit={(event: FormEvent<HTMLFormElement>) => {
          event.preventDefault();
          change(event.currentTarget);
        }}
        onBlur={(event) => change(event.currentTarget)}
      >
        <label htmlFor={id}>User</label>
        <input
          id={id}
          name="user"
          defaultValue={userId}
          readOnly={isUserFixed}
          maxLength={255}
          autoComplete="off"
          dir="auto"
          spellCheck={false}
        />
      </form>
      <nav className="views" aria-label="Parts of the page">
        {VIEWS.map(([name, label]) => (
          <button key={name} type="button" aria-pressed={view === name} onClick={() => onView(name)}>
            {label}
          </button>
        ))}
      </nav>
    </header>
  );
}
