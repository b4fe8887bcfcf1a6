import { useId } from 'react';
import type { SearchItem } from '@hybrid-memory/react';
import { formatDayAndTime } from '../format.ts';
import { excerptOf } from './excerpt.ts';

interface Props {
  item: SearchItem;
  isOpened: boolean;
  /** Whether Tab reaches this result. Arrow keys reach all of them. */
  isTabStop: boolean;
  onOpen: () => void;
}

const SIDES = [
  ['You', 'userMessage'],
  ['Agent', 'assistantMessage'],
] as const;

/** A found exchange: its thread, its date, and an excerpt of both messages with the matches marked. */
export function Hit({ item, isOpened, isTabStop, onOpen }: Props) {
  const id = useId();
  return (
    <li className="hit">
      <button
        type="button"
        data-item={item.exchangeId}
        tabIndex={isTabStop ? 0 : -1}
        aria-current={isOpened ? 'true' : undefined}
        aria-describedby={id}
        onClick={onOpen}
      >
        <span className="title" dir="auto">{item.title ?? item.threadId}</span>
        <time className="detail" dateTime={item.createdAt}>
          {formatDayAndTime(item.createdAt, new Date())}
        </time>
      </button>
      <dl id={id}>
        {SIDES.map(([who, field]) => (
          <div key={field}>
            <dt>{who}</dt>
            <dd dir="auto">
              {excerptOf(item, field).map(({ text, isMatch }, index) =>
                // The parts of an item never change.
                isMatch ? <mark key={index}>{text}</mark> : <span key={index}>{text}</span>,
              )}
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
