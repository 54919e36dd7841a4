/** A process that was held up has moved nothing meanwhile: a line of this rate would not make up for it in one piece either. */
const MOST_MS = 20;

/** Bytes at a steady rate. Made by {@link ScriptedCore.flow}. */
export class Flow {
  #core;
  #slot;
  #timer;
  #connection = null;

  constructor(core, slot, { rate, upShare = 0.1 }) {
    this.#core = core;
    this.#slot = slot;
    /** Bytes that passed. */
    this.passed = 0;
    /** Connections that were cut under it. */
    this.breaks = 0;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const bytes = Math.floor((rate * Math.min(now - last, MOST_MS)) / 1000);
      last = now;
      this.#step(bytes, Math.floor(bytes * upShare));
    }, 10);
  }

  #step(bytes, up) {
    if (this.#connection?.closed) {
      this.#connection = null;
      this.breaks += 1;
    }
    this.#connection ??= this.#core.connect(this.#slot);
    if (this.#connection && this.#core.move(this.#connection, up, bytes - up)) this.passed += bytes;
  }

  /** @returns {boolean} whether bytes pass at this moment */
  get passes() {
    return this.#connection !== null && !this.#connection.closed;
  }

  /** End its connection, and open no other. */
  stop() {
    clearInterval(this.#timer);
    if (this.#connection) this.#core.end(this.#connection);
    this.#core.forget(this);
  }
}
