const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const PID = '"$(jq .pids.valkey .local/stack.json)"';

/** How to see the memory without one of its layers, where the layers are on the reader's own machine. */
export function Degrade() {
  if (!LOOPBACK.has(window.location.hostname)) return null;
  return (
    <details className="degrade">
      <summary>See it degrade</summary>
      <p>Freeze Redis, send a message, and watch its badge turn:</p>
      <pre>kill -STOP {PID}</pre>
      <p>
        Wake it up again, or kill it, which empties it: the next turn is served by PostgreSQL, the one after by Redis.
      </p>
      <pre>
        kill -CONT {PID}
        {'\n'}kill -KILL {PID}
      </pre>
    </details>
  );
}
