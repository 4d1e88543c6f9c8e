/** The dashboard in a browser: what is shown follows from the address bar and from the daemon's events. */

import { App } from "./app.js";

const root = document.getElementById("app");
if (root !== null) new App(root).begin();
