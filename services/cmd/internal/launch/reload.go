package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// reloads are what the parts of a process do when their files are to be read again.
type reloads struct {
	// mu guards list, and is held during a reload: two at once would race for which file counts.
	mu   sync.Mutex
	list []reload
}

type reload struct {
	name string
	f    func() error
}

func (r *reloads) add(name string, f func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, reload{name, f})
}

// run reloads all, also when one of them fails.
func (r *reloads) run() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []error
	for _, x := range r.list {
		if err := x.f(); err != nil {
			all = append(all, fmt.Errorf("reload %s: %w", x.name, err))
		}
	}
	return errors.Join(all...)
}

// service reloads at SIGHUP.
func (r *reloads) service(log *slog.Logger) app.Service {
	return app.Func("reload", func(ctx context.Context) error {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
			}
			if err := r.run(); err != nil {
				log.ErrorContext(ctx, "the configuration stays as it was", slog.String("error", err.Error()), slog.String("hint", errs.HintOf(err)))
				continue
			}
			log.InfoContext(ctx, "configuration read again")
		}
	})
}

// handler reloads on request, for who is on this machine or has the admin's password.
func (r *reloads) handler(store *auth.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !local(req) {
			user, password, _ := req.BasicAuth()
			if err := store.VerifyPassword(req.RemoteAddr, user, password); err != nil {
				w.Header().Set("WWW-Authenticate", `Basic realm="faultline", charset="UTF-8"`)
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
		}
		if err := r.run(); err != nil {
			http.Error(w, "the configuration stays as it was: "+err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, "configuration read again")
	})
}

// local reports whether a request comes from a program on this machine: not through a proxy, and not from a page in a browser.
func local(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "Origin", "Sec-Fetch-Site"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && config.IsLoopback(host)
}
