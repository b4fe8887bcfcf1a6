/** The pauses before the checks. A model that takes longer than their sum is found when the user returns to the tab. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000, 60_000, 60_000];

/** Checks whether the server has messages whose answer did not arrive, with growing pauses. */
export class Checks {
  readonly #check: () => Promise<void>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #subject = '';

  constructor(check: () => Promise<void>) {
    this.#check = check;
  }

  /** Checks these exchanges from now on. Continues if they are the same as before, and stops if there are none. */
  watch(exchangeIds: readonly string[]): void {
    const subject = exchangeIds.join();
    if (subject === this.#subject) return;
    this.#subject = subject;
    clearTimeout(this.#timer);
    if (subject !== '') this.#schedule(subject, 0);
  }

  #schedule(subject: string, count: number): void {
    const pause = PAUSES_MS[count];
    if (pause === undefined) return;
    this.#timer = setTimeout(() => {
      void this.#check().then(() => {
        if (subject === this.#subject) this.#schedule(subject, count + 1);
      });
    }, pause);
  }
}
