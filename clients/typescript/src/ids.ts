import { clock } from './clock.js';

/** The server rejects ids that are more than ten seconds ahead. */
const MAX_AHEAD_MS = 5_000;
/** The 12-bit counter starts in its lower half, so that it can grow within a millisecond. */
const COUNTER_START = 0x7ff;
const COUNTER_MAX = 0xfff;

interface Position {
  readonly milliseconds: number;
  readonly counter: number;
}

const EPOCH: Position = { milliseconds: 0, counter: 0 };
let lastPosition = EPOCH;
let lastSkew = 0;

/**
 * Returns an exchange id: a UUIDv7 (RFC 9562) that is greater than `after` and than all earlier ids of this page.
 *
 * The ids sort the exchanges of a thread, so they contain the server's time, if it is known. If the time of `after` is in
 * the future, the new id is a UUIDv4, and the server appends the exchange to the thread.
 */
export function newExchangeId(after?: string): string {
  const bytes = randomBytes();
  const milliseconds = Math.floor(clock.now());
  // If the clock was corrected, the last position may be in the future. Later ids must not continue from it.
  if (clock.skew !== lastSkew) lastPosition = EPOCH;
  lastSkew = clock.skew;
  const afterPosition = positionOf(after);
  if (afterPosition.milliseconds > milliseconds + MAX_AHEAD_MS) return newId();
  const previous = isAfter(afterPosition, lastPosition) ? afterPosition : lastPosition;
  if (milliseconds > previous.milliseconds) {
    lastPosition = { milliseconds, counter: (((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)) & COUNTER_START };
  } else if (previous.counter < COUNTER_MAX) {
    lastPosition = { milliseconds: previous.milliseconds, counter: previous.counter + 1 };
  } else {
    lastPosition = { milliseconds: previous.milliseconds + 1, counter: 0 };
  }
  // 48 bits are too many for bit operators.
  for (let index = 0; index < 6; index++)
    bytes[index] = Math.floor(lastPosition.milliseconds / 2 ** (8 * (5 - index))) & 0xff;
  bytes[6] = 0x70 | (lastPosition.counter >> 8);
  bytes[7] = lastPosition.counter & 0xff;
  return textOf(bytes);
}

/** Returns a new UUIDv7 of a past time in Unix milliseconds, for an import. */
export function exchangeIdAt(milliseconds: number): string {
  const time = Math.max(0, Math.floor(milliseconds) || 0)
    .toString(16)
    .padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${newId().slice(15)}`;
}

/** Returns a UUIDv4. */
export function newId(): string {
  const bytes = randomBytes();
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  return textOf(bytes);
}

/** Returns the greatest UUIDv7 among these ids. */
export function newestOf(ids: Iterable<string | null>): string | undefined {
  let newest: string | undefined;
  for (const id of ids) if (id !== null && isTimeOrdered(id) && (newest === undefined || id > newest)) newest = id;
  return newest;
}

/** Returns whether this is a UUIDv7. */
export function isTimeOrdered(id: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id);
}

function positionOf(id: string | undefined): Position {
  if (id === undefined || !isTimeOrdered(id)) return EPOCH;
  const milliseconds = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  return { milliseconds, counter: Number.parseInt(id.slice(15, 18), 16) };
}

function isAfter(one: Position, other: Position): boolean {
  return one.milliseconds === other.milliseconds ? one.counter > other.counter : one.milliseconds > other.milliseconds;
}

function randomBytes(): Uint8Array {
  // Old web views have no crypto, although the types say so.
  const { crypto } = globalThis as { crypto?: Partial<Crypto> };
  const bytes = new Uint8Array(16);
  // On plain HTTP there is getRandomValues but no randomUUID.
  if (crypto?.getRandomValues) crypto.getRandomValues(bytes);
  // Math.random is good enough as a fallback: an id has to be unique, not secret.
  else bytes.forEach((_, index) => (bytes[index] = Math.floor(Math.random() * 256)));
  return bytes;
}

function textOf(bytes: Uint8Array): string {
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
