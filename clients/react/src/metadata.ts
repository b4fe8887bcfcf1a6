import type { ChatMessage } from './types.js';

/** What the agent did before its answer: a tool's call or its result. */
export interface ToolStep {
  readonly type: 'tool_call' | 'tool_result';
  /** The same for a call and its result. */
  readonly id: string;
  /** The tool; empty if the framework does not repeat it with the result. */
  readonly name: string;
  /** The arguments or the result. */
  readonly text: string;
}

/** Returns the tool steps that an agent framework has stored with a question, in their order. */
export function toolStepsOf({ metadata }: Pick<ChatMessage, 'metadata'>): ToolStep[] {
  const steps = metadata?.['steps'];
  if (!Array.isArray(steps)) return [];
  return steps.filter(isObject).flatMap(({ type, id, name, text }) => {
    if (type !== 'tool_call' && type !== 'tool_result') return [];
    return [{ type, id: textOf(id), name: textOf(name), text: textOf(text) }];
  });
}

/** Returns whether a message belongs to an exchange without texts, which has only steps of a turn. */
export function isStep({ content, metadata }: Pick<ChatMessage, 'content' | 'metadata'>): boolean {
  return metadata?.['kind'] === 'step' && content === '';
}

/** Returns the metadata without what describes the answer that is replaced: tool steps and a framework's own items. */
export function metadataToKeep(metadata: ChatMessage['metadata']): ChatMessage['metadata'] {
  const kept = Object.entries(metadata ?? {}).filter(([name, value]) => {
    const isOfFramework = isObject(value) && ['items', 'part', 'retracted'].some((key) => key in value);
    return name !== 'steps' && name !== 'kind' && !isOfFramework;
  });
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
