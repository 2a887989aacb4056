// @ts-check
// The session of this page: its CSRF token, and waiting until the user has signed in again in another tab.

/** Pause between two looks, in milliseconds. */
const POLL = 3000;

export class Session {
  /** @param {HTMLInputElement} field in which the page's forms keep the token */
  constructor(field) {
    this.field = field;
    /** @type {Promise<void> | null} */
    this.waiting = null;
  }

  get token() {
    return this.field.value;
  }

  /** Reads the token again from this page; false while the user is signed out or the server is away. */
  async refresh() {
    const selector = `input[name="${this.field.name}"]`;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (!response.ok) return false;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      /** @type {HTMLInputElement | null} */
      const fresh = page.querySelector(selector);
      if (!fresh?.value) return false;
      // The tokens of all forms on the page are outdated, not only the uploader's.
      /** @type {NodeListOf<HTMLInputElement>} */
      const fields = document.querySelectorAll(selector);
      for (const field of fields) field.value = fresh.value;
      return true;
    } catch {
      return false;
    }
  }

  /** Resolves when the user is signed in again; all callers share one poll. */
  restored() {
    this.waiting ??= this.poll().finally(() => {
      this.waiting = null;
    });
    return this.waiting;
  }

  async poll() {
    while (!(await this.refresh())) await this.pause();
  }

  /**
   * Resolves after a while, or at once when the user comes back from the tab of the login.
   * @returns {Promise<void>}
   */
  pause() {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        document.removeEventListener("visibilitychange", end);
        resolve();
      };
      const timer = setTimeout(end, POLL);
      document.addEventListener("visibilitychange", end);
    });
  }
}
