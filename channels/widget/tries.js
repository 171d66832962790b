// What can come of asking the server for something, and how long to wait before it is asked again.

const SECOND = 1000;
const WAITS = [1, 2, 4, 8, 15].map((seconds) => seconds * SECOND); // between tries, with jitter

/** The server said no for good: its sentence is for the visitor. */
class Refused extends Error {}

/** The server said not now: too much came from here. `wait` is in ms. */
class Later extends Error {
  constructor(response) {
    super("later");
    const seconds = Number(response.headers.get("retry-after"));
    // Whoever was told so comes back a little after that, and not all in the same moment.
    this.wait = (seconds > 0 ? seconds * SECOND : WAITS.at(-1)) * (1 + Math.random() / 10);
  }
}

class Naps {
  constructor() {
    this.wakes = new Set();
  }

  /** Resolves when it is time to try again. A server that said when is not asked before, whatever else happens. */
  until(error, tries) {
    if (error instanceof Later) return new Promise((resolve) => setTimeout(resolve, error.wait));
    const wait = WAITS[Math.min(tries, WAITS.length - 1)] * (0.75 + Math.random() / 2);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, wait);
      this.wakes.add(wake);
    });
  }

  /** Try now. */
  end() {
    for (const wake of [...this.wakes]) wake();
  }
}
