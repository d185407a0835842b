//go:build linux || darwin

package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Times of the supervisor.
const (
	// staleChildWait is how long a start waits for the child of a killed parent; it is longer than that child's stopGrace.
	staleChildWait = 30 * time.Second
	// firstStarts is how often the first start is tried: a crash may be bad luck, three are a reason to tell somebody.
	firstStarts = 3
	minBackoff  = 100 * time.Millisecond
	maxBackoff  = 10 * time.Second
	// stableAfter is the life after which a crash counts as the first again.
	stableAfter = time.Minute
	// readyPoll is short: the engine needs a quarter of a second, and everybody waits for it.
	readyPoll = 20 * time.Millisecond
	// slowStart is when a start is reported as slow; loading many parts may take minutes, so nothing is killed.
	slowStart = 15 * time.Second
	// pingEvery and pingFailures: an engine that does not answer for a minute is stuck and gets killed.
	pingEvery    = 5 * time.Second
	pingFailures = 12
	// killAfter is how long an orderly stop may take; it is longer than what the child allows itself.
	killAfter = 25 * time.Second
)

// child is one running engine process.
type child struct {
	cmd      *exec.Cmd
	lifeline *os.File
	ended    chan struct{} // Closed after the process ended and its output was read.
	err      error         // What Wait said; to be read after ended.
	started  time.Time
}

// supervise keeps a child running until ctx ends.
func (e *Engine) supervise(ctx context.Context, lock *datadir.Lock) error {
	// The kernel sends the parent-death signal when the thread that forked ends, so this goroutine keeps one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	backoff, everReady := minBackoff, false
	for attempt := 1; ; attempt++ {
		c, err := e.start(lock)
		if err != nil {
			return err
		}
		ready, err := e.watch(ctx, c)
		e.up.Store(false)
		e.pid.Store(0)
		if ctx.Err() != nil {
			return err
		}
		everReady = everReady || ready
		if !everReady && attempt >= firstStarts {
			return errs.WithHint(errs.Unavailable, "run `faultline doctor`; the whole output is in the log at level debug",
				"the ClickHouse engine does not start: %s%s", why(c, err), e.output.quote())
		}
		e.log.WarnContext(ctx, "engine ended, starting it again", slog.String("exit", c.exit()), slog.Duration("after", time.Since(c.started)),
			slog.Duration("backoff", backoff), slog.Any("reason", err), slog.String("output", strings.TrimPrefix(e.output.quote(), "; ")))
		if time.Since(c.started) > stableAfter {
			backoff = minBackoff
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff/2 + rand.N(backoff/2)):
		}
		backoff = min(2*backoff, maxBackoff)
		e.restarts.Add(1)
	}
}

// why says in one line how a child ended that never got ready.
func why(c *child, err error) string {
	if err == nil {
		return c.exit()
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// start launches a child. The lock travels with it.
func (e *Engine) start(lock *datadir.Lock) (*child, error) {
	e.output.forget()
	data := filepath.Join(e.cfg.Dir, "data")
	if err := datadir.Make(data); err != nil {
		return nil, err
	}
	life, lifeline, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	defer life.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start engine: %w", err), lifeline.Close())
	}
	defer outW.Close()
	cmd := exec.Command(e.exe, SubCommand, "--library="+e.library, "--config="+e.configPath(), "--data="+data, "--listen="+e.cfg.ListenHost,
		"--tcp-port="+strconv.Itoa(e.ports.tcp), "--http-port="+strconv.Itoa(e.ports.http))
	cmd.Dir = e.cfg.Dir
	cmd.Env = childEnv(os.Environ())
	cmd.Stdout, cmd.Stderr = outW, outW
	cmd.ExtraFiles = []*os.File{life, lock.File()}
	cmd.SysProcAttr = processAttributes()
	c := &child{cmd: cmd, lifeline: lifeline, ended: make(chan struct{}), started: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start engine %q: %w", e.exe, err), lifeline.Close(), outR.Close())
	}
	e.pid.Store(int64(cmd.Process.Pid))
	read := make(chan struct{})
	go func() {
		defer close(read)
		e.output.read(outR)
		outR.Close() // Nothing was written, so nothing can be lost.
	}()
	go func() {
		c.err = cmd.Wait()
		<-read
		close(c.ended)
	}()
	return c, nil
}

// watch sees a child through its life. It returns after the child ended; ready tells whether it ever answered.
func (e *Engine) watch(ctx context.Context, c *child) (ready bool, err error) {
	defer c.lifeline.Close()
	if err := e.awaitReady(ctx, c); err != nil {
		return false, errors.Join(err, c.stop(ctx))
	}
	if c.hasEnded() {
		return false, nil
	}
	e.announce(ctx, c)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for failures := 0; ; {
		select {
		case <-c.ended:
			return true, nil
		case <-ctx.Done():
			return true, c.stop(ctx)
		case <-tick.C:
			if e.http.ping(ctx) == nil {
				failures = 0
				continue
			}
			if failures++; failures >= pingFailures {
				e.log.ErrorContext(ctx, "engine does not answer, killing it", slog.Int("pid", c.cmd.Process.Pid))
				return true, c.kill()
			}
		}
	}
}

// awaitReady polls until the engine answers a query and has the product's database, the child ended, or ctx ends.
func (e *Engine) awaitReady(ctx context.Context, c *child) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	slow := time.NewTimer(slowStart)
	defer slow.Stop()
	for {
		select {
		case <-c.ended:
			return nil
		case <-ctx.Done():
			return nil
		case <-slow.C:
			e.log.WarnContext(ctx, "engine is slow to start, still waiting", slog.Duration("after", time.Since(c.started)))
		case <-tick.C:
			if e.http.ping(ctx) != nil {
				continue
			}
			if _, err := e.http.query(ctx, RoleMigrator, "CREATE DATABASE IF NOT EXISTS "+Database); err != nil {
				return fmt.Errorf("create database: %w", err)
			}
			v, err := e.http.query(ctx, RoleWriter, "SELECT version()")
			if err != nil {
				return fmt.Errorf("first query: %w", err)
			}
			e.mu.Lock()
			e.version, e.readyIn = strings.TrimSpace(v), time.Since(c.started)
			e.mu.Unlock()
			return nil
		}
	}
}

// announce tells the world that the engine answers.
func (e *Engine) announce(ctx context.Context, c *child) {
	if ctx.Err() != nil {
		return
	}
	e.up.Store(true)
	e.readyOnce.Do(func() { close(e.ready) })
	e.log.InfoContext(ctx, "engine ready", slog.String("version", e.Version()), slog.String("addr", e.Addr()), slog.Int("pid", c.cmd.Process.Pid),
		slog.Duration("after", e.ReadyIn()))
}

// stop ends the child in order by closing its lifeline, and by force after killAfter.
func (c *child) stop(ctx context.Context) error {
	err := c.lifeline.Close()
	select {
	case <-c.ended:
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		return err
	case <-time.After(killAfter):
		return errors.Join(errs.New(errs.Timeout, "engine did not stop in %s", killAfter), c.kill())
	}
}

// kill ends the child by force and waits for it.
func (c *child) kill() error {
	err := c.cmd.Process.Kill()
	<-c.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// hasEnded reports whether the process has ended.
func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// exit describes how the process ended.
func (c *child) exit() string {
	if s := c.cmd.ProcessState; s != nil {
		return s.String()
	}
	return "still running"
}

// childEnv keeps what the engine needs of the environment, and none of the product's own variables, which may hold secrets.
func childEnv(env []string) []string {
	kept := []string{"TZ=UTC"}
	for _, kv := range env {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH":
			kept = append(kept, kv)
		}
	}
	return kept
}

// executable returns the program to start as the child.
func executable(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	return exe, nil
}
