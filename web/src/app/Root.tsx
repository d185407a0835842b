import { SignInPage } from "@/features/session/SignInPage";
import { Mark } from "@/ui/Logo";
import { Failure } from "@/ui/states";
import { Shell } from "./Shell";
import { useSession } from "./session";
import css from "./shell.module.css";
import { TimeProvider } from "./time";

/** Decides between the sign-in and the console. */
export function Root() {
  const session = useSession();
  if (session.data === null) return <SignInPage />;
  if (session.data === undefined) {
    return (
      <main className={css.splash}>
        <Mark size={40} />
        {session.error ? (
          <Failure error={session.error} onRetry={() => void session.refetch()} />
        ) : (
          <h1 className="visually-hidden">Faultline is loading</h1>
        )}
      </main>
    );
  }
  return (
    <TimeProvider>
      <Shell user={session.data.user} />
    </TimeProvider>
  );
}
