import { useId, useRef, useState, type FormEvent } from 'react';
import type { Api } from '../api/client.ts';
import { usePoll } from '../hooks/use-poll.ts';
import { Loading, Panel } from '../parts/panel.tsx';

const EVERY_MS = 20_000;

/** What is known of the user, editable in place. */
export function Preferences({ api, userId }: { api: Api; userId: string }) {
  const found = usePoll(
    `${api.version} ${userId}`,
    (signal) => api.preferences(userId, signal),
    () => EVERY_MS,
  );
  const [saved, setSaved] = useState<{ at: number; all: Record<string, string> }>();
  const [fault, setFault] = useState<string>();
  const id = useId();
  // Whatever is newer: what a change answered, or what was asked for since then.
  const all = saved && saved.at >= found.askedAt ? saved.all : found.data;
  const entries = Object.entries(all ?? {}).sort(([one], [other]) => one.localeCompare(other));

  // One after the other, so that the last one made is the last one kept.
  const newest = useRef<Promise<boolean>>(Promise.resolve(true));
  function change(changes: Record<string, string | null>): Promise<boolean> {
    return (newest.current = newest.current.then(() => save(changes)));
  }

  async function save(changes: Record<string, string | null>): Promise<boolean> {
    try {
      const changed = await api.changePreferences(userId, changes);
      setSaved({ at: performance.now(), all: changed });
      setFault(undefined);
      found.refresh();
      return true;
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  async function add(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const name = String(given.get('name') ?? '').trim();
    if (name !== '' && (await change({ [name]: String(given.get('value') ?? '') }))) {
      // What was typed meanwhile is the next one.
      const fields = [...form.querySelectorAll('input')];
      const isUntouched = fields.every((field) => field.value === given.get(field.name));
      if (!isUntouched) return;
      form.reset();
      fields[0]?.focus();
    }
  }

  return (
    <Panel title={`What is known of ${userId}`} error={found.error}>
      {all === undefined && !found.error && <Loading what="preferences" />}
      {all !== undefined && entries.length === 0 && (
        <p className="hint">No preferences yet. Every turn is given them.</p>
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
        <input name="value" placeholder="brief" aria-label="Its value" maxLength={20_000} required />
        <button type="submit" className="button small">
          Add
        </button>
      </form>
      {fault !== undefined && (
        <p role="alert" className="alert">
          {fault}
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

/** One preference: saved with Enter or when the field is left, taken back with Escape. */
function Preference({ name, value, onChange, onRemove }: PreferenceProps) {
  const [draft, setDraft] = useState<string>();
  const id = useId();

  async function save(): Promise<void> {
    if (draft === undefined) return;
    // What was typed while it was saved stays.
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
