/** "1 span", "2 spans"; the number as text, so that it can be formatted before. */
export function plural(count: number, one: string, many = `${one}s`, shown = String(count)): string {
  return `${shown} ${count === 1 ? one : many}`;
}
