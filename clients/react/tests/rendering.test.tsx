import { act, render, screen, waitFor } from '@testing-library/react';
import { StrictMode, Suspense, useEffect, useRef, useState, type ReactElement } from 'react';
import { hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { expect, test, vi } from 'vitest';
import type * as Package from '../src/index.js';
import { useAgentChat, type ChatMessage, type UseAgentChatOptions } from '../src/index.js';
import { renderChat } from './render-chat.js';
import { API, deferred, serve, storeExchanges } from './server.js';

const INITIAL: ChatMessage = {
  id: 'x',
  exchangeId: 't-0',
  role: 'user',
  content: 'q0',
  createdAt: '2026-01-01T00:00:00Z',
  status: 'sent',
};

function createComponent({ useAgentChat }: typeof Package) {
  return function Messages(options: UseAgentChatOptions): ReactElement {
    const { threadId, messages } = useAgentChat({ baseUrl: API, ...options });
    return (
      <p>
        {threadId ?? 'no thread yet'}: {messages.map(({ content }) => content).join(', ')}
      </p>
    );
  };
}

/** Renders without a window, as a server does. */
async function renderOnServer(options: UseAgentChatOptions): Promise<string> {
  vi.resetModules();
  vi.stubGlobal('window', undefined);
  try {
    const Messages = createComponent(await import('../src/index.js'));
    return renderToString(<Messages {...options} />);
  } finally {
    vi.unstubAllGlobals();
    vi.resetModules();
  }
}

test.each<[string, UseAgentChatOptions, string]>([
  ['without a thread id', {}, 'no thread yet: '],
  ['with a thread id and messages', { threadId: 't', initialMessages: [INITIAL] }, 't: q0'],
])('the first render of a hydration equals the server’s: %s', async (_, options, first) => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const consoleSpies = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')];
  // A stored thread id could cause a mismatch.
  renderChat().unmount();
  const html = await renderOnServer(options);
  const container = document.createElement('div');
  container.innerHTML = html;
  expect(container.textContent).toBe(first);
  document.body.append(container);
  const Messages = createComponent(await import('../src/index.js'));
  const onRecoverableError = vi.fn();
  let root: Root | undefined;
  act(() => {
    root = hydrateRoot(container, <Messages {...options} />, { onRecoverableError });
  });
  await waitFor(() => {
    expect(container.textContent).toMatch(options.threadId ? 't: q0, a0' : /^[0-9a-f-]{36}: $/);
  });
  expect(onRecoverableError).not.toHaveBeenCalled();
  for (const spy of consoleSpies) expect(spy).not.toHaveBeenCalled();
  act(() => {
    root?.unmount();
  });
  container.remove();
});

test('StrictMode sends once, loads once, and reports the thread id once', async () => {
  const memory = serve();
  storeExchanges(memory, 't', 1);
  const existing = renderChat({ threadId: 't' }, StrictMode);
  await existing.waitUntil(({ messages }) => messages.length === 2);
  expect(memory.reads).toHaveLength(1);
  await existing.send('Hello');
  expect(memory.runs).toHaveLength(1);
  expect(existing.texts).toEqual(['q0', 'a0', 'Hello', 'You said: Hello']);

  const onThreadId = vi.fn();
  const created = renderChat({ onThreadId }, StrictMode);
  await created.send('Hello');
  expect(onThreadId.mock.calls).toEqual([[created.current.threadId]]);
  expect(memory.runs[1]?.body.thread_id).toBe(created.current.threadId);
});

test('a running turn continues when StrictMode mounts again', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const statuses: string[] = [];
  function Greeting(): ReactElement {
    const { messages, sendMessage } = useAgentChat({ baseUrl: API });
    const isSent = useRef(false);
    useEffect(() => {
      if (isSent.current) return;
      isSent.current = true;
      void sendMessage('Hello');
    }, [sendMessage]);
    statuses.push(...messages.map(({ status }) => status));
    return <p>{messages.length}</p>;
  }
  render(<Greeting />, { wrapper: StrictMode });
  await memory.waitForRuns(1);
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(new Set(statuses)).toEqual(new Set(['pending']));
  resolve(undefined);
  await screen.findByText('2');
  expect(memory.runs).toHaveLength(1);
});

test('a running turn continues when a sibling suspends', async () => {
  const { promise, resolve } = deferred();
  const memory = serve({ run: () => promise });
  const loaded = deferred();
  let isLoaded = false;
  let show: (() => void) | undefined;
  function Sibling(): ReactElement {
    // A component that throws a promise suspends until it resolves.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (!isLoaded) throw loaded.promise;
    return <p>loaded</p>;
  }
  function ChatButton(): ReactElement {
    const { messages, sendMessage } = useAgentChat({ baseUrl: API });
    return (
      <button onClick={() => void sendMessage('Hello')}>
        {messages.map(({ content, status }) => `${content} (${status})`).join(', ')}
      </button>
    );
  }
  function Parent(): ReactElement {
    const [isShown, setShown] = useState(false);
    show = () => {
      setShown(true);
    };
    return (
      <Suspense fallback="loading">
        <ChatButton />
        {isShown && <Sibling />}
      </Suspense>
    );
  }
  render(<Parent />);
  act(() => {
    screen.getByRole('button').click();
  });
  await memory.waitForRuns(1);
  act(() => show?.());
  await screen.findByText('loading');
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  isLoaded = true;
  await act(async () => {
    loaded.resolve(undefined);
    await loaded.promise;
  });
  await screen.findByText('loaded');
  resolve(undefined);
  await screen.findByText('Hello (sent), You said: Hello (sent)');
});

test('two hooks that mount together use the same thread', () => {
  serve();
  const ids = new Map<string, string | null>();
  function Part({ name }: { name: string }): null {
    ids.set(name, useAgentChat({ baseUrl: API }).threadId);
    return null;
  }
  render(
    <>
      <Part name="one" />
      <Part name="two" />
    </>,
  );
  expect(ids.get('one')).toBe(ids.get('two'));
  const [key] = Object.keys(sessionStorage);
  expect(JSON.parse(sessionStorage.getItem(key ?? '') ?? '')).toEqual({ threadId: ids.get('one') });
});

test('React does not mount a message again when its status changes to sent', async () => {
  serve();
  let mounts = 0;
  function Item({ content }: { content: string }): ReactElement {
    useEffect(() => {
      mounts++;
    }, []);
    return <li>{content}</li>;
  }
  function List(): ReactElement {
    const { messages, sendMessage } = useAgentChat({ baseUrl: API });
    return (
      <ul onClick={() => void sendMessage('Hello')}>
        {messages.map(({ id, content }) => (
          <Item key={id} content={content} />
        ))}
      </ul>
    );
  }
  render(<List />);
  act(() => {
    screen.getByRole('list').click();
  });
  await screen.findByText('You said: Hello');
  expect(mounts).toBe(2);
});

test('a parent may store the reported thread id in its state, and the history is not loaded again', async () => {
  const memory = serve();
  function Parent(): ReactElement {
    const [id, setId] = useState<string>();
    const { threadId, messages, sendMessage } = useAgentChat({ baseUrl: API, threadId: id, onThreadId: setId });
    return (
      <button onClick={() => void sendMessage('Hello')}>
        {String(id === threadId)} {messages.length}
      </button>
    );
  }
  render(<Parent />);
  const button = await screen.findByText('true 0');
  act(() => {
    button.click();
  });
  await screen.findByText('true 2');
  expect(memory.reads).toHaveLength(0);
  expect(new Set(memory.runs.map(({ body }) => body.thread_id)).size).toBe(1);
});
