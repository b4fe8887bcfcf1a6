import { cleanup } from '@testing-library/react';
import { afterAll, afterEach, beforeAll, vi } from 'vitest';
import { server } from './server.js';

beforeAll(() => {
  server.listen({ onUnhandledRequest: 'error' });
});
afterEach(() => {
  cleanup();
  // First, because a test may have mocked the storage.
  vi.restoreAllMocks();
  server.resetHandlers();
  // The tests of the server's modules have no DOM.
  if (typeof window === 'undefined') return;
  sessionStorage.clear();
  localStorage.clear();
});
afterAll(() => {
  server.close();
});
