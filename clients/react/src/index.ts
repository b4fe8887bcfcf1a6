'use client';

export { AgentChatError, type FieldError } from './errors.js';
export { highlightedParts, type TextPart } from './highlights.js';
export { isCurrent, type Evidence, type Memory, type NewMemory } from './memories.js';
export type { MemoriesActions, MemoriesSnapshot, ShownMemory } from './memories-store.js';
export { isStep, toolStepsOf, type ToolStep } from './metadata.js';
export { search } from './search.js';
export type { FoundMemory, Highlight, SearchItem, SearchOptions, SearchResult, SearchScope } from './search.js';
export type { Persist } from './storage.js';
export type {
  ChatActions,
  ChatMessage,
  ChatSnapshot,
  FinishedTurn,
  OutgoingText,
  TurnContext,
  UseAgentChatOptions,
  UseAgentChatResult,
} from './types.js';
export { useAgentChat } from './use-agent-chat.js';
export { useMemories, type UseMemoriesOptions, type UseMemoriesResult } from './use-memories.js';
export { useSearch, type UseSearchOptions, type UseSearchResult } from './use-search.js';
export { usePreferences, type UsePreferencesResult } from './use-preferences.js';
