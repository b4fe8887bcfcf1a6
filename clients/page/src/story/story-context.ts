import { createContext, useContext } from 'react';
import type { TurnContext } from '@hybrid-memory/react';
import type { Receipt } from './receipts.ts';

export type Selection = NonNullable<NonNullable<TurnContext['report']>['selection']>;

/** What the messages show about their way through the stores. */
export interface Story {
  readonly receipts: ReadonlyMap<string, Receipt>;
  /** What the agent got, by exchange id. */
  readonly selections: ReadonlyMap<string, Selection>;
  /** The exchange whose timeline the inspector shows. */
  readonly selected: string | undefined;
  readonly select: (exchangeId: string) => void;
}

export const StoryContext = createContext<Story>({
  receipts: new Map(),
  selections: new Map(),
  selected: undefined,
  select: () => undefined,
});

export function useStory(): Story {
  return useContext(StoryContext);
}
