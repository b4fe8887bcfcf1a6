import { useEffect, useId, useRef, useState } from 'react';
import type { UseAgentChatResult } from '@hybrid-memory/react';
import type { Api } from '../api/client.ts';
import { notRespondingText } from '../parts/badge.tsx';
import { fileName, formatThread, readThread, type ExportFormat } from './export-thread.ts';

const FORMATS: readonly [ExportFormat, string, string, string][] = [
  ['markdown', 'Markdown', 'text/markdown', 'To read, and to paste into notes'],
  ['json', 'JSON', 'application/json', 'One object with all messages'],
  ['jsonl', 'JSON Lines', 'application/x-ndjson', 'To import again, with hybrid-memory import'],
];

interface Props {
  api: Api;
  chat: UseAgentChatResult;
  title: string;
  /** Called when the dialog is closed, so that the caller can move the focus. */
  onDone: () => void;
}

/** A button that opens a dialog to save the thread as a file, or to print it. */
export function ExportThread({ api, chat, title, onDone }: Props) {
  const { threadId, messages, hasMore, historyStatus, loadMore } = chat;
  const [busy, setBusy] = useState<ExportFormat | 'print'>();
  const [error, setError] = useState<string>();
  const [done, setDone] = useState('');
  const dialog = useRef<HTMLDialogElement>(null);
  const controller = useRef<AbortController>(undefined);
  const id = useId();

  useEffect(() => () => controller.current?.abort(), [threadId]);

  // The printed page has every message, so the earlier ones are loaded first.
  useEffect(() => {
    if (busy !== 'print') return;
    if (historyStatus === 'error') {
      setBusy(undefined);
      setError('The earlier messages could not be loaded, so nothing was printed.');
    } else if (hasMore) {
      if (historyStatus === 'ready') void loadMore();
    } else {
      setBusy(undefined);
      dialog.current?.close();
      // In the next frame, the dialog is closed and the last messages are shown.
      requestAnimationFrame(() => window.print());
    }
  }, [busy, hasMore, historyStatus, loadMore, messages.length]);

  async function save(format: ExportFormat, mediaType: string): Promise<void> {
    if (threadId === null || busy !== undefined) return;
    const current = new AbortController();
    controller.current = current;
    setBusy(format);
    setError(undefined);
    setDone('');
    try {
      const exported = await readThread(api, threadId, title, current.signal);
      download(fileName(exported, format), formatThread(exported, format, new Date()), mediaType);
      if (exported.degraded.length > 0) setError(`${notRespondingText(exported.degraded)}, so some messages may be missing in the file.`);
      else setDone('Saved.');
    } catch (caught) {
      if (!current.signal.aborted) setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(undefined);
    }
  }

  return (
    <>
      <button
        type="button"
        className="button"
        disabled={messages.every(({ status }) => status !== 'sent')}
        onClick={() => dialog.current?.showModal()}
      >
        Export
      </button>
      <dialog
        ref={dialog}
        aria-labelledby={`${id}-title`}
        onClose={() => {
          controller.current?.abort();
          setBusy(undefined);
          setError(undefined);
          setDone('');
          onDone();
        }}
      >
        <div className="export">
          <h2 id={`${id}-title`}>Export this thread</h2>
          <ul>
            {FORMATS.map(([format, name, mediaType, hint]) => (
              <li key={format}>
                <button
                  type="button"
                  className="button"
                  aria-disabled={busy !== undefined}
                  aria-describedby={`${id}-${format}`}
                  onClick={() => void save(format, mediaType)}
                >
                  {name}
                </button>
                <span id={`${id}-${format}`} className="hint">
                  {hint}
                </span>
              </li>
            ))}
            <li>
              <button
                type="button"
                className="button"
                aria-disabled={busy !== undefined}
                aria-describedby={`${id}-print`}
                onClick={() => {
                  setError(undefined);
                  setBusy((before) => before ?? 'print');
                }}
              >
                Print
              </button>
              <span id={`${id}-print`} className="hint">
                On paper, or as a PDF
              </span>
            </li>
          </ul>
          <p role="status" className="hint">
            {busy === undefined ? done : 'Loading all messages …'}
          </p>
          {error !== undefined && (
            <p role="alert" className="alert">
              {error}
            </p>
          )}
          <div className="actions">
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
          </div>
        </div>
      </dialog>
    </>
  );
}

function download(name: string, content: string, mediaType: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: `${mediaType};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Later, because the browser reads the file after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
