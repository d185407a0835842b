package embedded

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
)

// logger passes the server's log to slog. What the server notes about its own start is a detail here.
type logger struct {
	log *slog.Logger
}

func (l *logger) Noticef(format string, v ...any) { l.print(slog.LevelDebug, format, v) }
func (l *logger) Warnf(format string, v ...any)   { l.print(slog.LevelWarn, format, v) }
func (l *logger) Errorf(format string, v ...any)  { l.print(slog.LevelError, format, v) }
func (l *logger) Debugf(format string, v ...any)  { l.print(slog.LevelDebug, format, v) }
func (l *logger) Tracef(format string, v ...any)  { l.print(slog.LevelDebug, format, v) }

// Fatalf is for what makes the server stop; it must not end this process.
func (l *logger) Fatalf(format string, v ...any) { l.print(slog.LevelError, format, v) }

func (l *logger) print(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats-server says", slog.String("line", fmt.Sprintf(format, v...)))
	}
}

// usedBytes sums up the files below dir; what cannot be read counts nothing, since it only softens a default.
func usedBytes(dir string) int64 {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return sum
}
