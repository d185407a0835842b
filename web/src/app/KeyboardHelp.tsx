import { Modal } from "@mantine/core";
import { useKeyRegistry } from "./keys";
import css from "./shell.module.css";

const names: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", mod: "Ctrl" };

function Keys({ keys }: { keys: string }) {
  return (
    <span>
      {keys
        .split(" ")
        .flatMap((chord) => chord.split("+"))
        .map((k, i) => (
          <kbd key={i} className={css.kbd}>
            {names[k] ?? (k.length === 1 ? k : k)}
          </kbd>
        ))}
    </span>
  );
}

/** Lists the keys that work on this page. */
export function KeyboardHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const registry = useKeyRegistry();
  const all = opened ? registry.all() : [];
  const unique = [...new Map(all.map((b) => [b.keys, b])).values()];
  const groups = [...new Set(unique.map((b) => b.group))];
  return (
    <Modal opened={opened} onClose={onClose} title="Keyboard" size="lg" closeButtonProps={{ "aria-label": "Close" }}>
      <div className={css.helpGrid}>
        {groups.map((g) => (
          <section key={g}>
            <h3 className={css.helpGroup}>{g}</h3>
            {unique
              .filter((b) => b.group === g)
              .map((b) => (
                <div key={b.keys} className={css.helpRow}>
                  <span>{b.label}</span>
                  <Keys keys={b.keys} />
                </div>
              ))}
          </section>
        ))}
        <section>
          <h3 className={css.helpGroup}>Charts</h3>
          <div className={css.helpRow}>
            <span>Move the cursor (focused chart)</span>
            <Keys keys="ArrowLeft ArrowRight" />
          </div>
          <div className={css.helpRow}>
            <span>Zoom in</span>
            <span className="faint">drag</span>
          </div>
          <div className={css.helpRow}>
            <span>Zoom out</span>
            <span className="faint">double click</span>
          </div>
        </section>
      </div>
    </Modal>
  );
}
