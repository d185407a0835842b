package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-io/faultline/services/internal/config"
)

// Bounds of the machine's checks.
const (
	// leastMemory is what the all-in-one takes when idle, goodMemory what it takes under load.
	leastMemory = 600 << 20
	goodMemory  = 2 << 30
	// The engine has a few files open for each part of each table.
	leastFiles = 4096
	goodFiles  = 65536
	dialWithin = 3 * time.Second
)

// ports checks that the addresses can be listened on.
func (r *Report) ports(ctx context.Context, cfg config.Config, running bool) {
	for _, p := range []struct{ key, addr string }{
		{"http_addr", cfg.HTTPAddr}, {"otlp_grpc_addr", cfg.OTLPGRPCAddr}, {"otlp_http_addr", cfg.OTLPHTTPAddr}, {"nats_listen", cfg.NATS.Listen},
	} {
		if p.addr == "" {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.addr)
		switch {
		case err == nil:
			if err := l.Close(); err != nil {
				r.addErr("port", err)
				continue
			}
			r.add(Item{"port", OK, p.addr + " is free (" + p.key + ")", ""})
		case running && errors.Is(err, syscall.EADDRINUSE):
			r.add(Item{"port", OK, p.addr + " is in use, as it should be while an instance runs (" + p.key + ")", ""})
		case errors.Is(err, syscall.EADDRINUSE):
			r.add(Item{"port", Fail, p.addr + " is taken by another program (" + p.key + ")", "see which one with `ss -ltnp`, stop it, or choose another --" +
				strings.ReplaceAll(p.key, "_", "-")})
		case errors.Is(err, syscall.EACCES):
			r.add(Item{"port", Fail, p.addr + " may not be used by this user (" + p.key + ")", "choose a port above 1023"})
		default:
			r.add(Item{"port", Fail, fmt.Sprintf("%s: %v (%s)", p.addr, err, p.key), "choose an address of this machine"})
		}
	}
}

// engine checks the library of the embedded ClickHouse.
func (r *Report) engine(ctx context.Context, cfg config.Config, deps Deps) {
	if !cfg.ClickHouseEmbedded() || deps.ProbeEngine == nil {
		return
	}
	start := time.Now()
	path, err := deps.ProbeEngine(ctx, cfg)
	if err != nil {
		r.addErr("engine", err)
		return
	}
	r.add(Item{"engine", OK, fmt.Sprintf("%s fits %s/%s and loads in %s", path, runtime.GOOS, runtime.GOARCH, time.Since(start).Round(time.Millisecond)), ""})
}

// backend checks that a server elsewhere can be reached.
func (r *Report) backend(ctx context.Context, cfg config.Config, key, address, port string) {
	if address == config.Embedded {
		return
	}
	u, err := url.Parse(address)
	if err != nil {
		r.add(Item{key, Fail, "the address cannot be read", ""})
		return
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), port)
	}
	conn, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, "tcp", host)
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		r.add(Item{key, Fail, err.Error(), "check the address and that the server runs"})
		return
	}
	r.add(Item{key, OK, host + " can be reached", ""})
}

// memory checks what is free.
func memory(cfg config.Config) Item {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Item{"memory", OK, "not known on " + runtime.GOOS, ""}
	}
	var free int64
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return Item{"memory", Warn, "cannot read /proc/meminfo", ""}
			}
			free = kib << 10
		}
	}
	need := max(goodMemory, cfg.Engine.MemoryBytes)
	detail := gib(free) + " available"
	switch {
	case free < leastMemory:
		return Item{"memory", Fail, detail, "Faultline takes 600 MB when idle; free memory or use a larger machine"}
	case free < need:
		return Item{"memory", Warn, detail + ", " + gib(need) + " would be better under load", "lower --engine-memory or free memory"}
	}
	return Item{"memory", OK, detail, ""}
}

// files checks how many files may be open.
func files() Item {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return Item{"open files", Warn, err.Error(), ""}
	}
	detail := fmt.Sprintf("up to %d", lim.Max)
	const hint = "raise it: `ulimit -n 65536`, or LimitNOFILE=65536 in the service unit"
	switch {
	case lim.Max < leastFiles:
		return Item{"open files", Fail, detail, hint}
	case lim.Max < goodFiles:
		return Item{"open files", Warn, detail, hint}
	}
	return Item{"open files", OK, detail, ""}
}

// logs checks whether the agent may read what it would collect.
func logs(cfg config.Config) Item {
	const check = "log files"
	var denied []string
	for _, g := range cfg.Agent.LogGlobs {
		paths, err := filepath.Glob(g)
		if err != nil {
			return Item{check, Fail, fmt.Sprintf("agent.log_globs: %q is no pattern", g), ""}
		}
		for _, p := range paths {
			f, err := os.Open(p)
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				denied = append(denied, p)
			}
		}
	}
	if cfg.Agent.Journal {
		for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
			if _, err := os.ReadDir(dir); errors.Is(err, os.ErrPermission) {
				denied = append(denied, dir)
			}
		}
	}
	if len(denied) > 0 {
		return Item{check, Warn, "may not be read: " + strings.Join(denied, ", "), "add the user to the groups adm and systemd-journal"}
	}
	return Item{check, OK, "can be read", ""}
}
