import type { UseAgentChatResult } from '@hybrid-memory/react';
import type { Api } from '../api/client.ts';
import { formatClock } from '../format.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import type { WatchedOverview } from '../hooks/use-overview.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { KnownMemories } from '../memories/known-memories.tsx';
import { ExchangeStory } from '../story/exchange-story.tsx';
import { useStory } from '../story/story-context.ts';
import { Backlog } from './backlog.tsx';
import { inspectorExtension } from './extension.ts';
import { OutageCommands } from './outage-commands.tsx';
import { Preferences } from './preferences.tsx';
import { Stores } from './stores.tsx';
import { ThreadLayers } from './thread-layers.tsx';

interface Props {
  api: Api;
  userId: string;
  chat: UseAgentChatResult;
  turns: ReadonlyMap<string, Turn>;
  overview: WatchedOverview;
  /** Opens the message that a memory quotes. */
  onOpen: (exchange: FoundExchange) => void;
  /** Shows the newest message's way through the stores. */
  onShowNewest: () => void;
}

/** The state of the memory: stores, an exchange's way, thread, backlog, what is known about the user, preferences. */
export function Inspector({ api, userId, chat, turns, overview, onOpen, onShowNewest }: Props) {
  const { receipts, selected } = useStory();
  const { error, stores, thread, backlog, preferences, memories } = overview;
  const isShowable = (exchangeId: string | null): boolean =>
    exchangeId !== null && (receipts.has(exchangeId) || turns.has(exchangeId));
  const newest = chat.messages.findLast(({ exchangeId, status }) => status === 'sent' && isShowable(exchangeId))?.exchangeId;
  const isSelected = selected !== undefined && selected !== newest && isShowable(selected);
  const shown = (isSelected ? selected : newest) ?? '';
  const text = chat.messages.find(({ exchangeId, role }) => exchangeId === shown && role === 'user')?.content;

  const Extension = inspectorExtension();

  return (
    <section className="inspector" aria-label="Memory">
      <h2>Memory</h2>
      {error && (
        // Polls with the same error do not change the element, so screen readers announce it once.
        <p className="fault" role="alert">
          {error.message}
          {stores.data && ` What is shown here is from ${formatClock(stores.receivedAt)}.`}
        </p>
      )}
      <Stores stores={stores} error={error} />
      <ExchangeStory
        key={shown}
        turn={turns.get(shown)}
        receipt={receipts.get(shown)}
        layers={thread.data}
        backlog={backlog.data}
        selectedText={isSelected ? text : undefined}
        onShowNewest={onShowNewest}
      />
      {Extension && <Extension api={api} threadId={chat.threadId} />}
      <ThreadLayers layers={thread} isUnreachable={error !== undefined} />
      <Backlog status={backlog} isUnreachable={error !== undefined} />
      <KnownMemories key={`${api.version} ${userId}`} api={api} userId={userId} version={memories} onOpen={onOpen} />
      <Preferences api={api} userId={userId} loaded={preferences} isUnreachable={error !== undefined} />
      {!Extension && <OutageCommands />}
    </section>
  );
}
