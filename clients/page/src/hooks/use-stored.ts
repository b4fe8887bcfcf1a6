import { useCallback, useState } from 'react';

/** Returns a value that outlives a reload where the browser allows it, and what changes it. */
export function useStored(name: string, initial: string): [string, (value: string) => void] {
  const key = `hybrid-memory:page:${name}`;
  const [value, setValue] = useState(() => attempt(() => window.localStorage.getItem(key)) ?? initial);
  const store = useCallback(
    (changed: string) => {
      setValue(changed);
      attempt(() => window.localStorage.setItem(key, changed));
    },
    [key],
  );
  return [value, store];
}

/** Returns what the storage says; undefined where there is none: a private window, a full quota. */
export function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
