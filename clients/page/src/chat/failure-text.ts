import type { ChatMessage } from '@hybrid-memory/react';

/**
 * Returns what is known about a message without an answer.
 *
 * `isAnswered`: the message was to replace a question that has an answer.
 */
export function failureText({ error }: ChatMessage, isAnswered: boolean): string {
  if (error?.mayHaveArrived === false) return isAnswered ? 'Not replaced.' : 'Not sent.';
  const what = error?.isAbort === true ? 'Stopped.' : isAnswered ? 'No new answer.' : 'No answer.';
  return `${what} It may have been received; sending again is safe.`;
}
