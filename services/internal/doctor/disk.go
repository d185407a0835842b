package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of the disk checks.
const (
	// leastFree is what merges and the transport need to work at all; goodFree is a few days of a small installation.
	leastFree = 1 << 30
	goodFree  = 10 << 30
	// probeBytes is written to measure the speed: enough to leave the disk's own cache behind on most, and done in a second or so.
	probeBytes = 64 << 20
	// A disk below leastSpeed cannot take what the gateway accepts, and one above slowSync makes sync=always crawl.
	leastSpeed = 50e6
	slowSync   = 20 * time.Millisecond
)

// dataDir checks the folder and its lock, and reports whether an instance runs on it.
func (r *Report) dataDir(cfg config.Config) (running bool) {
	dir := cfg.DataDir
	if err := datadir.Make(dir); err != nil {
		r.addErr("data folder", err)
		return false
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		r.add(Item{"data folder", Fail, fmt.Sprintf("cannot write to %s: %v", dir, err), "give the user that runs faultline the folder: chown -R USER " + dir})
		return false
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		r.addErr("data folder", err)
		return false
	}
	item := Item{"data folder", OK, dir, ""}
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		item = Item{"data folder", Warn, fmt.Sprintf("%s can be read by other users (mode %04o)", dir, info.Mode().Perm()), "chmod 700 " + dir}
	}
	r.add(item)
	return r.lock(filepath.Join(dir, "faultline.lock"))
}

// lock checks whether another instance runs. That is no mistake, but explains the ports.
func (r *Report) lock(path string) (running bool) {
	if _, err := os.Stat(path); err != nil {
		r.add(Item{"lock", OK, "no other instance uses the data folder", ""})
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l, err := datadir.Acquire(ctx, path)
	if err == nil {
		err = l.Release()
	}
	switch {
	case err == nil:
		r.add(Item{"lock", OK, "no other instance uses the data folder", ""})
		return false
	case errs.KindOf(err) == errs.Conflict:
		r.add(Item{"lock", Warn, "an instance is running on this data folder", "fine if you know it; a second one cannot be started"})
		return true
	}
	r.addErr("lock", err)
	return false
}

// diskSpace checks the file system of the data folder.
func diskSpace(cfg config.Config) Item {
	// The same figures as the disk guard's, so that doctor and console agree.
	_, totalBytes, usedBytes, freeBytes, err := datadir.Usage(cfg.DataDir)
	if err != nil {
		return Item{"disk space", Fail, err.Error(), ""}
	}
	free, total := int64(freeBytes), int64(totalBytes)
	used := 0.0
	if usedBytes+freeBytes > 0 {
		used = float64(usedBytes) / float64(usedBytes+freeBytes)
	}
	detail := fmt.Sprintf("%s free of %s (%.0f %% used)", gib(free), gib(total), used*100)
	const hint = "free space, choose another --data-dir, or shorten --retention-metrics and --retention-logs"
	switch {
	case free < leastFree || used >= cfg.Disk.DropRatio:
		return Item{"disk space", Fail, detail, hint}
	case free < goodFree || used >= cfg.Disk.WarnRatio:
		return Item{"disk space", Warn, detail, hint}
	}
	return Item{"disk space", OK, detail, ""}
}

// diskSpeed writes and flushes a file in the data folder.
func diskSpeed(dir string) (item Item) {
	const check = "disk speed"
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return Item{check, Fail, err.Error(), ""}
	}
	defer func() {
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil && item.State == OK {
			item = Item{check, Warn, err.Error(), ""}
		}
	}()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 31) // Not zeros, which some file systems do not store.
	}
	start := time.Now()
	for n := 0; n < probeBytes; n += len(block) {
		if _, err := f.Write(block); err != nil {
			return Item{check, Fail, err.Error(), ""}
		}
	}
	if err := f.Sync(); err != nil {
		return Item{check, Fail, err.Error(), ""}
	}
	speed := probeBytes / time.Since(start).Seconds()
	const flushes = 10
	start = time.Now()
	for range flushes {
		if _, err := f.WriteAt(block[:4096], 0); err != nil {
			return Item{check, Fail, err.Error(), ""}
		}
		if err := f.Sync(); err != nil {
			return Item{check, Fail, err.Error(), ""}
		}
	}
	flush := time.Since(start) / flushes
	detail := fmt.Sprintf("writes %.0f MB/s, one flush takes %s", speed/1e6, flush.Round(10*time.Microsecond))
	if speed < leastSpeed || flush > slowSync {
		return Item{check, Warn, detail, "use a local SSD for --data-dir; keep nats_sync on interval"}
	}
	return Item{check, OK, detail, ""}
}

// gib formats bytes.
func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
