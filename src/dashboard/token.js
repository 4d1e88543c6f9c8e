/**
 * The API's token: it lives as long as the tab, and nobody who looks at the address bar, its history or a
 * bookmark sees it.
 */

const key = "switchboard-token";

/** @returns {string | null} */
export function storedToken() {
  return sessionStorage.getItem(key);
}

/** @param {string} token */
export function storeToken(token) {
  sessionStorage.setItem(key, token);
}

export function forgetToken() {
  sessionStorage.removeItem(key);
}
