const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const PID = '"$(jq .pids.valkey .local/stack.json)"';

/** Commands that stop Redis. Shown only for a stack on this machine. */
export function OutageCommands() {
  if (!LOOPBACK.has(window.location.hostname)) return null;
  return (
    <details className="degrade">
      <summary>Break it and see</summary>
      <p>Freeze Redis, send a message, and see where its memory comes from:</p>
      <pre>kill -STOP {PID}</pre>
      <p>
        Then resume Redis, or kill it: it restarts empty. PostgreSQL answers the next message, and Redis the one after.
      </p>
      <pre>
        kill -CONT {PID}
        {'\n'}kill -KILL {PID}
      </pre>
    </details>
  );
}
