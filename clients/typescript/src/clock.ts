/** The smallest corrected skew. The network and the whole seconds of the `Date` header cause smaller differences. */
const MIN_SKEW_MS = 2_000;
const HALF_A_SECOND_MS = 500;

/** The server's time, from the `Date` header of its responses; before the first response, the time of this machine. */
export const clock = {
  /** How many milliseconds the server's clock is ahead. */
  skew: 0,
  /** Returns the server's time in Unix milliseconds. */
  now: (): number => Date.now() + clock.skew,
};

/** Updates the skew. A page from another origin sees the `Date` header only if the API exposes it. */
export function syncClock(response: Response): void {
  const serverTime = Date.parse(response.headers.get('Date') ?? '');
  if (Number.isNaN(serverTime)) return;
  const difference = serverTime + HALF_A_SECOND_MS - Date.now();
  // Ignore small changes, so that the clock does not jump with every response.
  if (Math.abs(difference - clock.skew) <= MIN_SKEW_MS) return;
  clock.skew = Math.abs(difference) > MIN_SKEW_MS ? difference : 0;
}
