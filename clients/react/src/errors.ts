import { MemoryClientError as AgentChatError } from '#client/errors.js';

export { AgentChatError };
export { noResponseError, requireComplete, unsendableError, type FieldError } from '#client/errors.js';

/** Returns the error of a turn that the user stopped. */
export function stoppedError(): AgentChatError {
  const detail = 'You stopped waiting. The server may still finish; its answer then appears here.';
  return new AgentChatError({ status: 0, title: 'Stopped', detail, isAbort: true });
}

/** Returns the error of a turn whose thread the user left before the answer arrived. */
export function interruptedError(): AgentChatError {
  const detail = 'You left the conversation before the answer arrived. The server may still finish it.';
  return new AgentChatError({ status: 0, title: 'Interrupted', detail, isAbort: true });
}

/** Returns the error of a replacement that no store accepted. */
export function notStoredError(): AgentChatError {
  const detail = 'The new answer could not be stored. Nothing has changed. Try again.';
  return new AgentChatError({ status: 503, title: 'Not stored', detail });
}
