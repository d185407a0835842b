/** What the router keeps for the part of the URL after "?": plain strings, a list for a repeated key. */
export type RawSearch = Record<string, string | string[]>;

/** Reads "?a=1&q=x&q=y" without guessing types, so that a query of "1" stays text. */
export function parseSearch(text: string): RawSearch {
  const result: RawSearch = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const before = result[key];
    result[key] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return result;
}

/** Writes the search back; undefined and empty values are left out, ":" and "," stay readable. */
export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    const list = Array.isArray(value) ? value : [value];
    for (const item of list) {
      if (item === undefined || item === null || item === "" || item === false) continue;
      params.append(key, item === true ? "1" : String(item));
    }
  }
  const text = params.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

/** The text of a key, or undefined; a repeated key gives its first value. */
export function text(search: Record<string, unknown>, key: string): string | undefined {
  const value = search[key];
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first === "number") return String(first);
  return typeof first === "string" && first !== "" ? first : undefined;
}

export function list(search: Record<string, unknown>, key: string): string[] | undefined {
  const value = search[key];
  const items = (Array.isArray(value) ? value : [value]).filter((v): v is string => typeof v === "string" && v !== "");
  return items.length > 0 ? items : undefined;
}

export function flag(search: Record<string, unknown>, key: string): boolean | undefined {
  const value = search[key];
  return value === true || value === "1" || value === "true" ? true : undefined;
}

/** The value when it is one of the allowed ones. */
export function oneOf<T extends string>(
  search: Record<string, unknown>,
  key: string,
  allowed: readonly T[],
): T | undefined {
  const value = text(search, key);
  return allowed.find((a) => a === value);
}
