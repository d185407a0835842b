import { Link, useLocation } from "@tanstack/react-router";
import { Empty } from "@/ui/states";
import css from "@/ui/ui.module.css";
import { useTitle } from "./title";

export function NotFound() {
  const { pathname } = useLocation();
  useTitle("Page not found");
  return (
    <div className={css.page}>
      <div className={css.pageHead}>
        <h1>Page not found</h1>
      </div>
      <section className={css.panel}>
        <Empty title={`There is nothing at ${pathname}`} action={<Link to="/hosts">Go to hosts</Link>}>
          The address may be from another version, or mistyped. Ctrl K finds every page.
        </Empty>
      </section>
    </div>
  );
}
