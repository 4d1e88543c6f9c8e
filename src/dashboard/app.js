/**
 * The page as a whole: without a token it asks for one, with one it is the dashboard, at the place that the address
 * bar says. Whatever changes is drawn with the next frame.
 */

import { render } from "lit-html";
import { placeOf } from "./address.js";
import { Api } from "./api.js";
import { Dashboard } from "./dashboard.js";
import { forgetToken, storedToken, storeToken } from "./token.js";
import { tokenForm } from "./view-dialogs.js";

export class App {
  #root;
  /** @type {Dashboard | null} with a token that is not known to be wrong */
  #dashboard = null;
  /** @type {string | null} why the token is asked for again */
  #tokenProblem = null;
  #drawing = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
  }

  begin() {
    addEventListener("hashchange", () => this.#go());
    this.#go();
  }

  #go() {
    const place = placeOf(location.hash);
    if (place.kind === "token") {
      // Not a step of its own in the history: going back must not bring the token back.
      history.replaceState(null, "", location.pathname);
      return this.#enter(place.token);
    }
    const token = storedToken();
    if (this.#dashboard === null && token !== null) return this.#enter(token);
    this.#dashboard?.show(place);
    this.#draw();
  }

  /** @param {string} token */
  #enter(token) {
    storeToken(token);
    this.#dashboard?.end();
    this.#tokenProblem = null;
    this.#dashboard = new Dashboard(new Api(token), {
      changed: () => this.#draw(),
      tokenRefused: () => this.#leave(),
    });
    this.#dashboard.begin();
    this.#go();
  }

  #leave() {
    forgetToken();
    this.#dashboard?.end();
    this.#dashboard = null;
    this.#tokenProblem = "This is not the token of the daemon that runs here.";
    this.#draw();
  }

  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (this.#dashboard !== null) return this.#dashboard.draw(this.#root);
      render(
        tokenForm(this.#tokenProblem, (token) => this.#enter(token)),
        this.#root,
      );
    });
  }
}
