import { act, render, screen, waitFor } from '@testing-library/react';
import { StrictMode, Suspense, useEffect, useRef, useState, type ReactElement } from 'react';
import { hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { expect, test, vi } from 'vitest';
import type * as Package from '../src/index.js';
import { useAgentChat, type ChatMessage, type UseAgentChatOptions } from '../src/index.js';
import { chat } from './chat.js';
import { API, gate, serve, tell } from './server.js';

const INITIAL: ChatMessage = {
  id: 'x',
  exchangeId: 't-0',
  role: 'user',
  content: 'q0',
  createdAt: '2026-01-01T00:00:00Z',
  status: 'sent',
};

function shownBy({ useAgentChat }: typeof Package) {
  return function Shown(options: UseAgentChatOptions): ReactElement {
    const { threadId, messages } = useAgentChat({ baseUrl: API, ...options });
    return (
      <p>
        {threadId ?? 'no thread yet'}: {messages.map(({ content }) => content).join(', ')}
      </p>
    );
  };
}

/** Renders as a server does, which has no window. */
async function onServer(options: UseAgentChatOptions): Promise<string> {
  vi.resetModules();
  vi.stubGlobal('window', undefined);
  try {
    const Shown = shownBy(await import('../src/index.js'));
    return renderToString(<Shown {...options} />);
  } finally {
    vi.unstubAllGlobals();
    vi.resetModules();
  }
}

test.each<[string, UseAgentChatOptions, string]>([
  ['an id made later', {}, 'no thread yet: '],
  ['a given id and messages', { threadId: 't', initialMessages: [INITIAL] }, 't: q0'],
])('what a server renders is what the hydration begins with: %s', async (_, options, first) => {
  const memory = serve();
  tell(memory, 't', 1);
  const complaints = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')];
  // A thread that was remembered is what a mismatch would come from.
  chat().unmount();
  const html = await onServer(options);
  const container = document.createElement('div');
  container.innerHTML = html;
  expect(container.textContent).toBe(first);
  document.body.append(container);
  const Shown = shownBy(await import('../src/index.js'));
  const onRecoverableError = vi.fn();
  let root: Root | undefined;
  act(() => {
    root = hydrateRoot(container, <Shown {...options} />, { onRecoverableError });
  });
  await waitFor(() => {
    expect(container.textContent).toMatch(options.threadId ? 't: q0, a0' : /^[0-9a-f-]{36}: $/);
  });
  expect(onRecoverableError).not.toHaveBeenCalled();
  for (const complaint of complaints) expect(complaint).not.toHaveBeenCalled();
  act(() => {
    root?.unmount();
  });
  container.remove();
});

test('StrictMode sends once, loads once, and tells of the thread once', async () => {
  const memory = serve();
  tell(memory, 't', 1);
  const given = chat({ threadId: 't' }, StrictMode);
  await given.until(({ messages }) => messages.length === 2);
  expect(memory.reads).toHaveLength(1);
  await given.say('Hello');
  expect(memory.runs).toHaveLength(1);
  expect(given.texts).toEqual(['q0', 'a0', 'Hello', 'You said: Hello']);

  const onThreadId = vi.fn();
  const made = chat({ onThreadId }, StrictMode);
  await made.say('Hello');
  expect(onThreadId.mock.calls).toEqual([[made.now.threadId]]);
  expect(memory.runs[1]?.body.thread_id).toBe(made.now.threadId);
});

test('a turn that is under way when StrictMode mounts again goes on', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
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
  await memory.arrived(1);
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(new Set(statuses)).toEqual(new Set(['pending']));
  open(undefined);
  await screen.findByText('2');
  expect(memory.runs).toHaveLength(1);
});

test('a turn that is under way when a neighbour suspends goes on', async () => {
  const { opened, open } = gate();
  const memory = serve({ run: () => opened });
  const loaded = gate();
  let isLoaded = false;
  let show: (() => void) | undefined;
  function Neighbour(): ReactElement {
    // React takes a thrown promise as the wish to wait for it.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (!isLoaded) throw loaded.opened;
    return <p>loaded</p>;
  }
  function Talk(): ReactElement {
    const { messages, sendMessage } = useAgentChat({ baseUrl: API });
    return (
      <button onClick={() => void sendMessage('Hello')}>
        {messages.map(({ content, status }) => `${content} (${status})`).join(', ')}
      </button>
    );
  }
  function Both(): ReactElement {
    const [isShown, setShown] = useState(false);
    show = () => {
      setShown(true);
    };
    return (
      <Suspense fallback="loading">
        <Talk />
        {isShown && <Neighbour />}
      </Suspense>
    );
  }
  render(<Both />);
  act(() => {
    screen.getByRole('button').click();
  });
  await memory.arrived(1);
  act(() => show?.());
  await screen.findByText('loading');
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  isLoaded = true;
  await act(async () => {
    loaded.open(undefined);
    await loaded.opened;
  });
  await screen.findByText('loaded');
  open(undefined);
  await screen.findByText('Hello (sent), You said: Hello (sent)');
});

test('two hooks that appear together agree on the thread', () => {
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

test('the list of messages does not remount a message that is sent', async () => {
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

test('a parent that keeps the id in its own state is told, and nothing is loaded twice', async () => {
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
