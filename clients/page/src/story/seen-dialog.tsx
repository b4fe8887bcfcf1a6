import { useId, useRef, type ReactNode } from 'react';
import { formatCount } from '../format.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { useStory } from './story-context.ts';

interface Props {
  exchangeId: string;
  turn: Turn;
  label: string;
}

/** A button that opens a dialog with what the agent got from the memory for one answer. */
export function SeenDialog({ exchangeId, turn, label }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const selection = useStory().selections.get(exchangeId);
  const id = useId();
  const { counts, omitted, contextTokens } = turn;
  if (!counts || !omitted) return null;
  const left = omittedText(omitted);
  return (
    <>
      <button type="button" className="link" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
        {label}
      </button>
      <dialog ref={dialog} className="seen" aria-labelledby={id}>
        <h2 id={id}>What the agent saw</h2>
        <p className="hint">
          {contextTokens !== undefined && `At most ${formatCount(contextTokens, 'token')} of memory. `}
          {left === '' ? 'Nothing was left out.' : `Left out, because the limit was reached: ${left}.`}
        </p>
        {selection === undefined && (
          <p className="note">The texts are known only until the page is loaded again. These numbers stay.</p>
        )}
        <div className="seen-parts" tabIndex={0} role="region" aria-label="Memory of this answer">
          <Part title="Messages" count={counts.messages}>
            {selection?.messages?.map((message, index) => (
              <Entry key={index} name={message.role === 'assistant' ? 'agent' : message.role} text={message.content} />
            ))}
          </Part>
          <Part title="Preferences" count={counts.preferences}>
            {Object.entries(selection?.preferences ?? {}).map(([name, value]) => (
              <Entry key={name} name={name} text={value} />
            ))}
          </Part>
          <Part title="Memories" count={counts.memories}>
            {selection?.memories?.map((memory) => <Entry key={memory.id} name={memory.key ?? memory.kind} text={memory.text} />)}
          </Part>
          <Part title="Related exchanges" count={counts.related}>
            {selection?.related?.map((related, index) => (
              <Entry key={index} name={textOf(related['title']) || 'untitled'} text={`${textOf(related['user_message'])} → ${textOf(related['assistant_message'])}`} />
            ))}
          </Part>
        </div>
        <div className="actions">
          <button type="button" className="button primary" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
      </dialog>
    </>
  );
}

function Part({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  return (
    <section>
      <h3>
        {title} <span className="hint">{count === 0 ? 'none' : count.toLocaleString()}</span>
      </h3>
      <dl>{children}</dl>
    </section>
  );
}

function Entry({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd dir="auto">{text}</dd>
    </div>
  );
}

function omittedText({ exchanges, preferences, memories }: NonNullable<Turn['omitted']>): string {
  const parts: string[] = [];
  if (exchanges > 0) parts.push(formatCount(exchanges, 'exchange'));
  if (preferences > 0) parts.push(formatCount(preferences, 'preference'));
  if (memories > 0) parts.push(formatCount(memories, 'memory', 'memories'));
  return parts.join(', ');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
