import { useState } from 'react';
import { useNow } from '../hooks/use-now.ts';

/** Says that the agent is answering, and for how long. The status line tells screen readers, without the seconds. */
export function Waiting() {
  const [startedAt] = useState(() => performance.now());
  const seconds = Math.round((useNow() - startedAt) / 1_000);
  return (
    <p className="waiting" aria-hidden="true">
      The agent is answering …{seconds > 0 && <span className="elapsed"> {seconds} s</span>}
    </p>
  );
}
