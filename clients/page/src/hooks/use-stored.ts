import { useCallback, useState } from 'react';

/** A state that is stored in `localStorage` if the browser allows it. */
export function useStored(name: string, initial: string): [string, (value: string) => void] {
  const key = `hybrid-memory:page:${name}`;
  const [value, setValue] = useState(() => tryStorage(() => window.localStorage.getItem(key)) ?? initial);
  const store = useCallback(
    (changed: string) => {
      setValue(changed);
      tryStorage(() => window.localStorage.setItem(key, changed));
    },
    [key],
  );
  return [value, store];
}

/** Returns the result of a storage access; undefined if the access throws, as in a private window or with a full quota. */
export function tryStorage<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
