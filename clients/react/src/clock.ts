/** Smaller differences are the way of the answer, and the second to which a `Date` header is rounded. */
const NOTICED_MS = 2_000;
const HALF_A_SECOND_MS = 500;

/** The server's time, as far as its answers told it; else this machine's. */
export const clock = {
  /** By how many milliseconds the server's clock is ahead of this machine's. */
  skew: 0,
  /** In Unix milliseconds. */
  now: (): number => Date.now() + clock.skew,
};

/** Notes how far this machine's clock is off. A page from another origin sees the `Date` only if the API exposes it. */
export function noteServerTime(response: Response): void {
  const told = Date.parse(response.headers.get('Date') ?? '');
  if (Number.isNaN(told)) return;
  const difference = told + HALF_A_SECOND_MS - Date.now();
  // What is noticed anew with every answer would be another clock each time.
  if (Math.abs(difference - clock.skew) <= NOTICED_MS) return;
  clock.skew = Math.abs(difference) > NOTICED_MS ? difference : 0;
}
