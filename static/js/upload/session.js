// The session of this page: its CSRF token, and waiting for the person to sign in again in another tab.

const POLL = 3000;

export class Session {
  /** @param {HTMLInputElement} field where the page's forms keep the token */
  constructor(field) {
    this.field = field;
    this.waiting = null;
  }

  get token() {
    return this.field.value;
  }

  /** Reads the token anew from this page; false while nobody is signed in or the server is away. */
  async refresh() {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (!answer.ok) return false;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector(`input[name="${this.field.name}"]`)?.value;
      if (!fresh) return false;
      // Every form of the page is old, not only the uploader's.
      for (const field of document.querySelectorAll(`input[name="${this.field.name}"]`)) field.value = fresh;
      return true;
    } catch {
      return false;
    }
  }

  /** Resolves when somebody is signed in again; all who wait share one look-out. */
  restored() {
    this.waiting ??= this.poll().finally(() => { this.waiting = null; });
    return this.waiting;
  }

  async poll() {
    while (!(await this.refresh())) {
      await new Promise((resolve) => {
        const go = () => {
          clearTimeout(timer);
          document.removeEventListener("visibilitychange", go);
          resolve();
        };
        const timer = setTimeout(go, POLL);
        // Coming back from the tab of the login is worth a look at once.
        document.addEventListener("visibilitychange", go);
      });
    }
  }
}
