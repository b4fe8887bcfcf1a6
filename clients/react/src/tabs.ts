const CHANNEL = 'hybrid-memory';

const listeners = new Set<(threadKey: string) => void>();
let channel: BroadcastChannel | undefined;

/** Calls the listener when another tab of this browser changes a thread. The returned function stops these calls. */
export function onOtherTab(listener: (threadKey: string) => void): () => void {
  listeners.add(listener);
  channel ??= openChannel();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    channel?.close();
    channel = undefined;
  };
}

/** Tells the other tabs that a thread has changed. They read the change from the server, with their own rights. */
export function tellOtherTabs(threadKey: string): void {
  channel?.postMessage(threadKey);
}

function openChannel(): BroadcastChannel | undefined {
  if (typeof BroadcastChannel === 'undefined') return undefined;
  try {
    const opened = new BroadcastChannel(CHANNEL);
    opened.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') for (const listener of listeners) listener(data);
    };
    return opened;
  } catch {
    // The browser forbids storage and channels to this frame. Changes then appear when the tab becomes visible.
    return undefined;
  }
}
