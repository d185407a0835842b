import { ApiError, errorFromAnswer, networkError } from "./errors";
import type { CommandAnswer, GetRoutes, Session } from "./types";

type Params = Record<string, string | number | boolean | string[] | undefined>;

interface RequestOptions {
  query?: object;
  body?: unknown;
  form?: URLSearchParams;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Where the client takes the CSRF token from, and whom it tells that the session ended. */
export interface ClientDeps {
  csrfToken: () => string | undefined;
  onUnauthenticated: () => void;
}

/** Writes a query string; lists become repeated keys, empty values are left out. */
export function queryString(params: object): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params as Params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== "") search.append(key, String(item));
    }
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

type PathIds<P extends string> = P extends `${string}{${infer Name}}${infer Rest}`
  ? { [K in Name]: string } & PathIds<Rest>
  : unknown;

/** Thin typed client of the HTTP API: one method per verb, errors always as ApiError. */
export class Client {
  readonly #deps: ClientDeps;

  constructor(deps: ClientDeps) {
    this.#deps = deps;
  }

  get<P extends keyof GetRoutes & string>(
    path: P,
    options: { ids?: PathIds<P>; query?: GetRoutes[P]["query"]; signal?: AbortSignal } = {},
  ): Promise<GetRoutes[P]["answer"]> {
    const filled = fillPath(path, (options.ids ?? {}) as Record<string, string>);
    return this.request("GET", filled, { query: options.query, signal: options.signal });
  }

  signIn(user: string, password: string): Promise<Session> {
    return this.request("POST", "/api/v1/session", { body: { user, password } });
  }

  signOut(): Promise<void> {
    return this.request("DELETE", "/api/v1/session");
  }

  replayDeadLetter(seq: number, idempotencyKey: string): Promise<void> {
    return this.request("POST", `/api/v1/dead-letters/${seq}/replay`, {
      headers: { "Idempotency-Key": idempotencyKey },
    });
  }

  /** Asks something of an incident; the same key again is the same request. */
  actOnIncident(id: string, action: string, body: object, idempotencyKey: string): Promise<CommandAnswer> {
    return this.request("POST", `/api/v1/incidents/${encodeURIComponent(id)}/${action}`, {
      body,
      headers: { "Idempotency-Key": idempotencyKey },
    });
  }

  revokeFeedback(id: string, feedback: string): Promise<CommandAnswer> {
    return this.request(
      "DELETE",
      `/api/v1/incidents/${encodeURIComponent(id)}/feedback/${encodeURIComponent(feedback)}`,
    );
  }

  /** Sends a request and decodes the JSON answer; T is trusted here, at the wire, and nowhere else. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
    if (method !== "GET") {
      const token = this.#deps.csrfToken();
      if (token) headers["X-Faultline-CSRF"] = token;
    }
    let body: BodyInit | undefined;
    if (options.form) body = options.form;
    else if (options.body !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(options.body);
    }
    const url = path + (options.query ? queryString(options.query) : "");
    const answer = await this.#send(url, { method, headers, body, signal: options.signal });
    const text = await answer.text();
    if (!answer.ok) {
      if (answer.status === 401 && path !== "/api/v1/session") this.#deps.onUnauthenticated();
      throw errorFromAnswer(answer.status, answer.headers, text);
    }
    if (text === "") return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ApiError({
        status: answer.status,
        code: "bad_answer",
        message: "The answer is not JSON.",
        hint: "Something between this browser and Faultline (a proxy?) answers in its place.",
      });
    }
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, credentials: "same-origin", cache: "no-store" });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw networkError(error);
    }
  }
}

function fillPath(path: string, ids: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(ids[name] ?? ""));
}
