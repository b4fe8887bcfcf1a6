import { useId, type ReactNode } from 'react';

interface Props {
  title: string;
  /** When what it shows was so. */
  asOf?: string | undefined;
  /** Why it may be out of date. */
  error?: Error | undefined;
  className?: string;
  children: ReactNode;
}

/** A titled part of the inspector. */
export function Panel({ title, asOf, error, className = '', children }: Props) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        {asOf !== undefined && <span className="as-of">as of {asOf}</span>}
      </header>
      {error && (
        // Announced once: while the same error stands, a poll changes nothing here.
        <p className="fault" role="alert">
          {error.message}
        </p>
      )}
      {children}
    </section>
  );
}

/** Stands where something will be. */
export function Loading({ what }: { what: string }) {
  return <p className="hint loading">Loading {what} …</p>;
}
