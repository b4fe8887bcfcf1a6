export { MemoryClient, type PagesOptions, type RequestOptions, type RunOptions, type Schemas } from './client.js';
export { MemoryClientError, type FieldError } from './errors.js';
export type { Connection } from './http.js';
export { newExchangeId } from './ids.js';
export { isMissing, kindOf, type ErrorKind } from './kinds.js';
