import { useId, type ReactNode } from 'react';

interface Props {
  title: string;
  /** The time of the data. */
  asOf?: string | undefined;
  /** Why the data may be out of date. */
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
        // Polls with the same error do not change the element, so screen readers announce it once.
        <p className="fault" role="alert">
          {error.message}
        </p>
      )}
      {children}
    </section>
  );
}

/** A placeholder while data loads. */
export function Loading({ what }: { what: string }) {
  return <p className="hint loading">Loading {what} …</p>;
}
