import { useId, useRef, useState, type FormEvent } from 'react';
import type { Api, Preferences as PreferenceValues } from '../api/client.ts';
import type { Poll } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';

interface Props {
  api: Api;
  userId: string;
  loaded: Poll<PreferenceValues>;
  isUnreachable: boolean;
}

/** The user's preferences, editable in place. */
export function Preferences({ api, userId, loaded, isUnreachable }: Props) {
  const [saved, setSaved] = useState<{ savedAt: number; all: Record<string, string> }>();
  const [error, setError] = useState<string>();
  const id = useId();
  // Show the response to the last change until a poll that started after the change responds.
  const all = saved && saved.savedAt >= loaded.requestedAt ? saved.all : loaded.data;
  const entries = Object.entries(all ?? {}).sort(([one], [other]) => one.localeCompare(other));

  // Send the changes one after the other, so that the last change wins.
  const lastChange = useRef<Promise<boolean>>(Promise.resolve(true));
  function change(changes: Record<string, string | null>): Promise<boolean> {
    return (lastChange.current = lastChange.current.then(() => save(changes)));
  }

  async function save(changes: Record<string, string | null>): Promise<boolean> {
    try {
      const changed = await api.changePreferences(userId, changes);
      setSaved({ savedAt: performance.now(), all: changed });
      setError(undefined);
      loaded.refresh();
      return true;
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
      return false;
    }
  }

  async function add(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget;
    const values = new FormData(form);
    const name = String(values.get('name') ?? '').trim();
    if (name !== '' && (await change({ [name]: String(values.get('value') ?? '') }))) {
      // The user may have typed the next preference during the request.
      const fields = [...form.querySelectorAll('input')];
      const isUntouched = fields.every((field) => field.value === values.get(field.name));
      if (!isUntouched) return;
      form.reset();
      fields[0]?.focus();
    }
  }

  return (
    <Panel title={`Preferences of ${userId}`} error={loaded.error}>
      {all === undefined && !loaded.error && !isUnreachable && <Loading what="preferences" />}
      {all !== undefined && entries.length === 0 && (
        <p className="hint">Nothing yet. Preferences are sent with every message.</p>
      )}
      <ul className="preferences">
        {entries.map(([name, value]) => (
          <Preference
            key={name}
            name={name}
            value={value}
            onChange={(text) => change({ [name]: text })}
            onRemove={() => {
              void change({ [name]: null });
              document.getElementById(`${id}-name`)?.focus();
            }}
          />
        ))}
      </ul>
      <form className="preference" onSubmit={(event) => void add(event)}>
        <input id={`${id}-name`} name="name" placeholder="tone" aria-label="New preference" maxLength={255} required />
        <input name="value" placeholder="brief" aria-label="Preference value" maxLength={20_000} required />
        <button type="submit" className="button small">
          Add
        </button>
      </form>
      {error !== undefined && (
        <p role="alert" className="alert">
          {error}
        </p>
      )}
    </Panel>
  );
}

interface PreferenceProps {
  name: string;
  value: string;
  onChange: (value: string) => Promise<boolean>;
  onRemove: () => void;
}

/** One preference. Enter or leaving the field saves the value; Escape restores the old value. */
function Preference({ name, value, onChange, onRemove }: PreferenceProps) {
  const [draft, setDraft] = useState<string>();
  const id = useId();

  async function save(): Promise<void> {
    if (draft === undefined) return;
    // Text typed while the request ran stays in the field.
    if (draft === value || (await onChange(draft))) setDraft((now) => (now === draft ? undefined : now));
  }

  return (
    <li className="preference">
      <label htmlFor={id} title={name}>
        {name}
      </label>
      <input
        id={id}
        value={draft ?? value}
        maxLength={20_000}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => {
          if (event.key === 'Enter') void save();
          if (event.key === 'Escape') setDraft(undefined);
        }}
      />
      <button type="button" className="button small" aria-label={`Remove ${name}`} onClick={onRemove}>
        Remove
      </button>
    </li>
  );
}
