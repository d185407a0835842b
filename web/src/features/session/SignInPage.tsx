import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError } from "@/api/errors";
import { api, queryClient, sessionKey } from "@/api/runtime";
import { useTitle } from "@/app/title";
import { Icon } from "@/ui/Icon";
import { Wordmark } from "@/ui/Logo";
import css from "./session.module.css";

/** Sign-in; says where the first password is, and waits out a rate limit visibly. */
export function SignInPage() {
  useTitle("Sign in");
  const [user, setUser] = useState("admin");
  const [password, setPassword] = useState("");
  const [blockedUntil, setBlockedUntil] = useState(0);
  const wait = useCountdown(blockedUntil);
  const signIn = useMutation({
    mutationFn: () => api.signIn(user, password),
    onSuccess: (session) => queryClient.setQueryData(sessionKey, session),
    onError: (error) => {
      if (error instanceof ApiError && error.status === 429)
        setBlockedUntil(Date.now() + (error.retryAfterMs ?? 30_000));
    },
  });
  return (
    <main className={css.page}>
      <div className={css.card}>
        <Wordmark size={30} />
        <h1>Sign in</h1>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            if (wait === 0) signIn.mutate();
          }}
        >
          <TextInput
            label="User"
            size="sm"
            autoComplete="username"
            value={user}
            onChange={(e) => setUser(e.currentTarget.value)}
            required
          />
          <PasswordInput
            label="Password"
            size="sm"
            autoComplete="current-password"
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
            visibilityToggleButtonProps={{ "aria-label": "Show or hide the password" }}
            visibilityToggleIcon={({ reveal }) => <Icon name={reveal ? "eyeOff" : "eye"} size={15} />}
            data-autofocus
            required
          />
          <Problem error={signIn.error} wait={wait} />
          <Button type="submit" size="sm" fullWidth loading={signIn.isPending} disabled={wait > 0}>
            {wait > 0 ? `Wait ${wait} s` : "Sign in"}
          </Button>
        </form>
        <p className={css.hint}>
          First time here? The password was made at the first start: it is in the terminal where Faultline started, and
          in the file <code>admin-password</code> of its data directory (<code>DATA_DIR/admin-password</code>).
        </p>
      </div>
    </main>
  );
}

function Problem({ error, wait }: { error: Error | null; wait: number }) {
  if (!error) return null;
  const e = error instanceof ApiError ? error : undefined;
  const limited = e?.status === 429;
  if (limited && wait === 0) return null;
  const text = limited
    ? `Too many attempts. Sign-in opens again in ${wait} s.`
    : e?.code === "bad_credentials" || e?.status === 401
      ? "User or password is not right."
      : error.message;
  return (
    <div className={css.problem} role="alert" data-code={e?.code}>
      <Icon name={limited ? "clock" : "error"} size={15} />
      <div>
        {text}
        {e?.hint && !limited ? <div className={css.sub}>{e.hint}</div> : null}
      </div>
    </div>
  );
}

function useCountdown(untilMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (untilMs <= Date.now()) return;
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 500);
    return () => window.clearInterval(timer);
  }, [untilMs]);
  return Math.max(0, Math.ceil((untilMs - now) / 1000));
}
