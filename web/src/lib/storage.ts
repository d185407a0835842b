/** Reads a preference of this browser; undefined where storage is closed. */
export function loadPreference(key: string): string | undefined {
  try {
    return window.localStorage.getItem(`faultline-${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function savePreference(key: string, value: string): void {
  try {
    window.localStorage.setItem(`faultline-${key}`, value);
  } catch {
    // A private window forgets the preference; nothing else depends on it.
  }
}
