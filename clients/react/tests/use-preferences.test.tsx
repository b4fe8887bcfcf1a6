import { act, renderHook, waitFor } from '@testing-library/react';
import { expect, test } from 'vitest';
import { FakeMemory } from '../../typescript/src/testing.js';
import { usePreferences } from '../src/index.js';

const render = (memory: FakeMemory, user: string | null = 'ada') =>
  renderHook(({ userId }) => usePreferences(userId, { baseUrl: 'http://api.test', fetch: memory.fetch }), {
    initialProps: { userId: user },
  });

test('preferences are shown at once, stored and removed', async () => {
  const memory = new FakeMemory();
  const { result } = render(memory);
  await waitFor(() => {
    expect(result.current.status).toBe('ready');
  });
  let stored: Promise<boolean> | undefined;
  act(() => {
    stored = result.current.set('units', 'metric');
  });
  expect(result.current).toMatchObject({ preferences: { units: 'metric' }, isPending: true });
  await act(async () => {
    expect(await stored).toBe(true);
  });
  expect(memory.preferences.get('ada')).toEqual({ units: 'metric' });
  await act(() => result.current.remove('units'));
  expect(result.current).toMatchObject({ preferences: {}, isPending: false });
});

test('a change that fails is reverted, and the error stays', async () => {
  const memory = new FakeMemory();
  memory.preferences.set('ada', { tone: 'brief' });
  const { result } = render(memory);
  await waitFor(() => {
    expect(result.current.status).toBe('ready');
  });
  memory.failNext(new Response(null, { status: 500 }));
  await act(async () => {
    expect(await result.current.set('tone', 'long')).toBe(false);
  });
  expect(result.current).toMatchObject({ preferences: { tone: 'brief' }, error: { status: 500 } });
});

test('another user’s preferences are never shown, and an outage is not an empty list', async () => {
  const memory = new FakeMemory();
  memory.preferences.set('ada', { tone: 'brief' });
  const { result, rerender } = render(memory);
  await waitFor(() => {
    expect(result.current.preferences).toEqual({ tone: 'brief' });
  });
  memory.failNext(new Response(null, { status: 500 }));
  rerender({ userId: 'bob' });
  expect(result.current).toMatchObject({ status: 'loading', preferences: {} });
  await waitFor(() => {
    expect(result.current.status).toBe('error');
  });
  rerender({ userId: null });
  expect(result.current.status).toBe('idle');
});
