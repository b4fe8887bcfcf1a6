export { MemoryClientError, type FieldError } from './errors.js';
export type { Connection } from './http.js';
