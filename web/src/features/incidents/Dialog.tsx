import { Modal } from "@mantine/core";
import type { ReactNode } from "react";
import css from "./incidents.module.css";

/** A dialog with its title as a heading; Mantine's own header would be a second banner of the page. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  return (
    <Modal.Root opened onClose={onClose}>
      <Modal.Overlay />
      <Modal.Content aria-label={title}>
        <Modal.Body>
          <h2 className={css.dialogTitle}>{title}</h2>
          {children}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
