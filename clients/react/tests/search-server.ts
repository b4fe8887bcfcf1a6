import { http, HttpResponse } from 'msw';
import type { components } from '#client/api-types.js';
import { API, server } from './server.js';

type Item = components['schemas']['SearchItemAnswer'];

/** Serves searches, and returns the bodies of the requests in the order of arrival. */
export function serveSearch(
  respond: (count: number, body: { query: string }) => Promise<Response> | Response,
): unknown[] {
  const bodies: unknown[] = [];
  server.use(
    http.post(`${API}/search`, async ({ request }) => {
      const body = (await request.json()) as { query: string };
      bodies.push(body);
      return respond(bodies.length, body);
    }),
  );
  return bodies;
}

/** Returns the response to a search. */
export function found(
  items: object[],
  degraded: string[] = [],
  searchedUpTo: string | null = '2026-11-22T16:09:00.000000Z',
): Response {
  return HttpResponse.json({ items, arms: ['text'], searched_up_to: searchedUpTo, degraded });
}

/** Returns a found exchange. Its first match is at the characters 3 to 6. */
export function foundItem(userMessage: string): Item {
  return {
    kind: 'exchange',
    thread_id: 't',
    title: 'A title',
    exchange_id: '01a20403-af8b-76fb-9bf9-0bc8b1328586',
    created_at: '2026-11-22T16:08:00.139000Z',
    user_message: userMessage,
    assistant_message: 'Noted.',
    score: 0.5,
    highlights: [{ field: 'user_message', start: 3, end: 6 }],
  };
}
