/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Something that is worth doing once for all that happens shortly after one another: `ms` after the first call.
 * @param {number} ms
 * @param {() => Promise<void>} act
 * @returns {() => Promise<void>}
 */
export function soon(ms, act) {
  let isComing = false;
  return async () => {
    if (isComing) return;
    isComing = true;
    await pause(ms);
    isComing = false;
    await act();
  };
}
