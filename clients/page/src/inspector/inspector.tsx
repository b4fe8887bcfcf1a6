import type { UseAgentChatResult } from '@hybrid-memory/react';
import type { Api, Layers } from '../api/client.ts';
import type { FoundExchange } from '../hooks/use-found-exchange.ts';
import { usePoll, type Poll } from '../hooks/use-poll.ts';
import type { Turn } from '../hooks/use-turns.ts';
import { KnownMemories } from '../memories/known-memories.tsx';
import { Backlog } from './backlog.tsx';
import { inspectorExtension } from './extension.ts';
import { OutageCommands } from './outage-commands.tsx';
import { LastTurn } from './last-turn.tsx';
import { Preferences } from './preferences.tsx';
import { Stores } from './stores.tsx';
import { ThreadLayers } from './thread-layers.tsx';

const POLL_MS = 4_000;

interface Props {
  api: Api;
  userId: string;
  chat: UseAgentChatResult;
  turns: ReadonlyMap<string, Turn>;
  layers: Poll<Layers | null>;
  /** Opens the message that a memory quotes. */
  onOpen: (exchange: FoundExchange) => void;
}

/** The state of the memory: stores, last turn, thread, backlog, what is known about the user, preferences. */
export function Inspector({ api, userId, chat, turns, layers, onOpen }: Props) {
  const health = usePoll(
    `health ${api.version}`,
    (signal) => api.health(signal),
    () => POLL_MS,
  );
  const status = usePoll(
    `status ${api.version}`,
    (signal) => api.status(signal),
    () => POLL_MS,
  );
  const newest = chat.messages.findLast(({ exchangeId }) => exchangeId !== null && turns.has(exchangeId));

  const Extension = inspectorExtension();

  return (
    <section className="inspector" aria-label="Memory">
      <h2>Memory</h2>
      <Stores health={health} />
      <LastTurn turn={turns.get(newest?.exchangeId ?? '')} />
      {Extension && <Extension api={api} threadId={chat.threadId} />}
      <ThreadLayers layers={layers} />
      <Backlog status={status} />
      <KnownMemories key={`${api.version} ${userId}`} api={api} userId={userId} onOpen={onOpen} />
      <Preferences api={api} userId={userId} />
      {!Extension && <OutageCommands />}
    </section>
  );
}
