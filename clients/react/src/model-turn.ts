import type { InvokingAnswer } from './exchanges.js';

// The AI SDK's own names. They are the same in the versions 2, 3 and 4 of its interface for models (AI SDK 5, 6 and 7).

export interface PromptPart {
  readonly type: string;
  readonly text?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: unknown;
  readonly output?: { readonly type: string; readonly value?: unknown };
  readonly mediaType?: string;
  readonly filename?: string | undefined;
}

export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly PromptPart[];
  readonly providerOptions?: unknown;
}

/** A part of a model's answer. */
export interface AnswerPart {
  readonly type: string;
  readonly text?: string;
  readonly delta?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: unknown;
  readonly result?: unknown;
  readonly providerExecuted?: boolean | undefined;
  readonly finishReason?: string | { readonly unified: string };
}

/** What the agent did, as each reader of the thread shows it: see `steps` in docs/adapters.md. */
export interface Step {
  readonly type: 'tool_call' | 'tool_result';
  readonly id: string;
  readonly name?: string;
  readonly text: string;
}

/** A turn up to the present step of the model. */
export interface ModelTurn {
  readonly userText: string;
  /** The files of the user's message. Their content is not stored. */
  readonly files: readonly { readonly mediaType: string; readonly filename?: string }[];
  /** The texts of the earlier steps. */
  readonly texts: readonly string[];
  readonly steps: readonly Step[];
  /** Whether the prompt has messages of earlier turns. */
  readonly hasHistory: boolean;
  /** Whether this is the turn's first step. */
  readonly isFirstStep: boolean;
}

const MAX_STEP_CHARACTERS = 200;
const MAX_STEPS_BYTES = 8_000;
const FAILED = new Set(['error', 'interrupted']);

/** Returns the turn that the prompt ends with; undefined without a user's message. */
export function turnOf(prompt: readonly PromptMessage[]): ModelTurn | undefined {
  const index = prompt.findLastIndex(({ role }) => role === 'user');
  const question = prompt[index];
  if (!question) return undefined;
  const questionParts = partsOf(question);
  const later = prompt.slice(index + 1);
  const parts = later.flatMap(partsOf);
  return {
    userText: textsOf(questionParts).join('\n'),
    files: questionParts
      .filter(({ type }) => type === 'file')
      .map(({ mediaType = '', filename }) => ({ mediaType, ...(filename !== undefined && { filename }) })),
    texts: later.map((message) => textsOf(partsOf(message)).join('')).filter((text) => text !== ''),
    steps: parts.flatMap(({ type, toolCallId: id = '', toolName = '', input, output }) => {
      if (type === 'tool-call') return [callStep(id, toolName, input)];
      return type === 'tool-result' ? [resultStep(id, output?.value ?? output?.type)] : [];
    }),
    hasHistory: prompt.slice(0, index).some(({ role }) => role !== 'system'),
    isFirstStep: later.length === 0,
  };
}

/** Returns the prompt with the context after the system's instructions. */
export function addContext(prompt: readonly PromptMessage[], context: string): readonly PromptMessage[] {
  if (context === '') return prompt;
  const found = prompt.findIndex(({ role }) => role !== 'system');
  const count = found < 0 ? prompt.length : found;
  const last = prompt[count - 1];
  // Many models accept only one system message. A cached one must not change, so the context follows it.
  if (typeof last?.content !== 'string' || last.providerOptions !== undefined) {
    return [...prompt.slice(0, count), { role: 'system', content: context }, ...prompt.slice(count)];
  }
  const joined: PromptMessage = { ...last, content: `${last.content}\n\n${context}` };
  return [...prompt.slice(0, count - 1), joined, ...prompt.slice(count)];
}

/** Returns the context without the conversation, in the API's form. */
export function contextWithoutConversation({ preferences = {}, memories = [] }: InvokingAnswer): string {
  const named = Object.entries(preferences).sort(([one], [other]) => (one < other ? -1 : 1));
  const known = memories.filter(({ kind }) => kind !== 'summary').map(({ key, text }) => lineOf(key, text));
  return [
    titled(
      'User preferences:',
      named.map(([name, value]) => `${name}: ${value}`),
    ),
    titled('Known about the user:', known),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Returns the conversation of these messages, oldest first, in the API's form. */
export function conversationOf(messages: readonly { readonly role: string; readonly content: string }[]): string {
  const lines = messages.filter(({ content }) => content !== '').map(({ role, content }) => `${role}: ${content}`);
  return titled('Previous conversation:', lines);
}

/** Reads the answer of one step of a model. */
export class StepReader {
  #text = '';
  readonly #steps: Step[] = [];
  readonly #open = new Set<string>();
  #finishReason: string | undefined;
  #hasFailed = false;

  add(part: AnswerPart): void {
    const { type, toolCallId: id = '' } = part;
    if (type === 'text') this.#text += part.text ?? '';
    else if (type === 'text-delta') this.#text += part.delta ?? '';
    else if (type === 'error') this.#hasFailed = true;
    else if (type === 'finish') this.finish(part.finishReason);
    else if (type === 'tool-approval-request') this.#open.add(id);
    else if (type === 'tool-call') {
      this.#steps.push(callStep(id, part.toolName ?? '', part.input));
      if (part.providerExecuted !== true) this.#open.add(id);
    } else if (type === 'tool-result') {
      this.#steps.push(resultStep(id, part.result));
      this.#open.delete(id);
    }
  }

  finish(reason: AnswerPart['finishReason']): void {
    this.#finishReason = typeof reason === 'object' ? reason.unified : reason;
  }

  /** Whether the turn has ended: the model finished and waits for no tool. */
  get isTurnComplete(): boolean {
    const isFinished = this.#finishReason !== undefined && !FAILED.has(this.#finishReason);
    return isFinished && !this.#hasFailed && this.#open.size === 0;
  }

  /** Returns the text of the whole turn. */
  textAfter(texts: readonly string[]): string {
    return [...texts, this.#text].filter((text) => text !== '').join('\n\n');
  }

  /** Returns the steps of the whole turn, as far as they fit. */
  stepsAfter(steps: readonly Step[]): Step[] {
    return fittingSteps([...steps, ...this.#steps]);
  }
}

/** Returns the first steps, as many as fit. The steps are for display. */
export function fittingSteps(steps: readonly Step[]): Step[] {
  const encoder = new TextEncoder();
  const fitting: Step[] = [];
  let bytes = 2;
  for (const step of steps) {
    bytes += encoder.encode(JSON.stringify(step)).length + 1;
    if (bytes > MAX_STEPS_BYTES) break;
    fitting.push(step);
  }
  return fitting;
}

function partsOf({ content }: PromptMessage): readonly PromptPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function textsOf(parts: readonly PromptPart[]): string[] {
  return parts.filter(({ type }) => type === 'text').map(({ text = '' }) => text);
}

/** Returns the step of a tool's call. */
export function callStep(id: string, name: string, input: unknown): Step {
  return { type: 'tool_call', id, name, text: shortened(input) };
}

/** Returns the step of a tool's result. */
export function resultStep(id: string, result: unknown): Step {
  return { type: 'tool_result', id, text: shortened(result) };
}

/** Returns the beginning of a value's JSON. The steps are for display. */
function shortened(value: unknown): string {
  const text = typeof value === 'string' ? value : ((JSON.stringify(value) as string | undefined) ?? '');
  // The API accepts no lone surrogates, which a cut may leave, and no NUL.
  return Array.from(text.slice(0, 2 * MAX_STEP_CHARACTERS))
    .slice(0, MAX_STEP_CHARACTERS)
    .filter((character) => !/[\0\p{Surrogate}]/u.test(character))
    .join('');
}

function lineOf(key: string | null | undefined, text: string): string {
  const line = text.split(/\s+/).join(' ').trim();
  return key ? `${key}: ${line}` : line;
}

function titled(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines].join('\n');
}
