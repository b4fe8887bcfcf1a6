const PROMPTS = [
  'My name is Sam, I live in Lisbon, and I love hiking.',
  'What can you do?',
  'Compare the two layers of your memory. Use a table, and show me the code.',
];

/** An empty conversation, with prompts to begin with. */
export function Welcome({ onSend }: { onSend: (text: string) => void }) {
  return (
    <div className="welcome">
      <p>Tell the agent something about you, then ask about it.</p>
      <p className="hint">
        Each answer shows where its memory came from. The offline demo agent needs no key, and answers only from what it
        remembers.
      </p>
      <ul className="prompts" aria-label="Try one of these">
        {PROMPTS.map((prompt) => (
          <li key={prompt}>
            <button type="button" className="button" onClick={() => onSend(prompt)}>
              {prompt}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
