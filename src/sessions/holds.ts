/**
 * Who wants that a session hands nothing over and launches nothing: a stop, a close, a reset. Stops go past everything;
 * the other actions come one after the other. Each holds the session from the moment that it is asked for.
 */
export class Holds {
  readonly #onHeld: () => Promise<unknown> | undefined;
  readonly #onReleased: () => void;
  readonly #abandoned = Promise.withResolvers<never>();
  /** Why nothing may begin any more. */
  #error: Error | null = null;
  #count = 0;
  #free = Promise.withResolvers<void>();
  #actions: Promise<unknown> = Promise.resolve();

  /** `onHeld`: calls off what must not go on; waited for before the work begins. `onReleased`: nobody holds any more. */
  constructor(hooks: { onHeld: () => Promise<unknown> | undefined; onReleased: () => void }) {
    this.#onHeld = hooks.onHeld;
    this.#onReleased = hooks.onReleased;
    // Nobody may be waiting when it is rejected.
    this.#abandoned.promise.catch(() => {});
    this.#free.resolve();
  }

  get held(): boolean {
    return this.#count > 0;
  }

  /** Resolves when nobody holds the session, which may have changed again by then. */
  get released(): Promise<void> {
    return this.#free.promise;
  }

  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#count === 0) this.#free = Promise.withResolvers();
    this.#count += 1;
    try {
      const begun = (async () => {
        await this.#onHeld();
        return await this.#begin(work);
      })();
      return await Promise.race([begun, this.#abandoned.promise]);
    } finally {
      this.#count -= 1;
      if (this.#count === 0) {
        this.#free.resolve();
        this.#onReleased();
      }
    }
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const earlier = this.#actions;
    const result = this.hold(async () => {
      await earlier;
      return await this.#begin(work);
    });
    this.#actions = result.catch(() => {});
    return result;
  }

  /** Nothing that is waited for will come any more: every action under way rejects with `error`, and none begins. */
  abandon(error: Error): void {
    this.#error ??= error;
    this.#abandoned.reject(error);
  }

  async #begin<T>(work: () => Promise<T>): Promise<T> {
    if (this.#error !== null) throw this.#error;
    return await work();
  }
}
