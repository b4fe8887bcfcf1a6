'use client';

export { AgentChatError, type FieldError } from './errors.js';
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
