//go:build linux

package rig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Limit is the deadline of everything that a test waits for, long enough for a machine that is busy with other tests.
const Limit = 60 * time.Second

// Server is an all-in-one in its own process group. Its addresses stay the same when it is killed and started again.
type Server struct {
	DataDir  string
	URL      string // Console, API, remote write and Loki push.
	OTLPHTTP string // Base address of OTLP over HTTP.
	GRPC     string // host:port of OTLP over gRPC.

	bin  Binaries
	args []string
	tls  *http.Client // Trusts the server's own authority; nil without TLS, and until the authority is there.
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // Closed after the process ended.
}

// output keeps what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// tail returns the last bytes.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf.Bytes()
	return string(b[max(0, len(b)-4000):])
}

// New prepares a server on dir without starting it. It ends with the test, by force if it must.
func New(t *testing.T, bin Binaries, dir string, args ...string) *Server {
	t.Helper()
	web, otlpHTTP, grpc := freeAddr(t), freeAddr(t), freeAddr(t)
	s := &Server{DataDir: dir, URL: "http://" + web, OTLPHTTP: "http://" + otlpHTTP, GRPC: grpc, bin: bin}
	s.args = append([]string{
		"--data-dir", dir, "--http-addr", web, "--otlp-http-addr", otlpHTTP, "--otlp-grpc-addr", grpc,
		"--engine-path", bin.Library, "--agent-enabled=false",
	}, args...)
	t.Cleanup(func() {
		if s.running() {
			s.Kill(t)
		}
		if t.Failed() && s.out != nil {
			t.Logf("the server's last words:\n%s", s.out.tail())
		}
	})
	return s
}

// Secure turns TLS on, with the certificate that the server makes for itself. It is called before the start.
func (s *Server) Secure() {
	s.args = append(s.args, "--tls", "on")
	s.URL, s.OTLPHTTP = strings.Replace(s.URL, "http:", "https:", 1), strings.Replace(s.OTLPHTTP, "http:", "https:", 1)
}

// Authority returns the file with the certificate that a sender over TLS must trust.
func (s *Server) Authority() string { return filepath.Join(s.DataDir, "tls", "ca.pem") }

// client returns what speaks to the server.
func (s *Server) client() (*http.Client, error) {
	if !strings.HasPrefix(s.URL, "https:") {
		return http.DefaultClient, nil
	}
	if s.tls != nil {
		return s.tls, nil
	}
	b, err := os.ReadFile(s.Authority())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	s.tls = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return s.tls, nil
}

// Start prepares a server on dir, starts it and waits until it is ready.
func Start(t *testing.T, bin Binaries, dir string, args ...string) *Server {
	t.Helper()
	s := New(t, bin, dir, args...)
	s.Start(t)
	return s
}

// freeAddr returns an address on loopback that nobody listens on. The server needs the same one after a restart, so port 0 will not do.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Launch starts the process and does not wait for it to be ready.
func (s *Server) Launch(t *testing.T) {
	t.Helper()
	s.cmd, s.out, s.done = exec.Command(s.bin.Server, s.args...), &output{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.Env = s.out, s.out, Environ()
	// A test that is ended by its time limit must not leave servers behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, done := s.cmd, s.done
	go func() {
		defer close(done)
		_ = cmd.Wait() // How it ended is in its state.
	}()
}

// Start starts the process, waits until it is ready and returns how long that took.
func (s *Server) Start(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	s.Launch(t)
	s.WaitReady(t)
	return time.Since(began)
}

// WaitReady waits until readiness is 200.
func (s *Server) WaitReady(t *testing.T) {
	t.Helper()
	Eventually(t, "the server is ready", func() (bool, string) {
		if !s.running() {
			t.Fatalf("the server ended (%s):\n%s", s.cmd.ProcessState, s.out.tail())
		}
		client, err := s.client()
		if err != nil {
			return false, err.Error()
		}
		resp, err := client.Get(s.URL + "/-/ready")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

// running reports whether the process lives.
func (s *Server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Alive fails the test when the process has ended.
func (s *Server) Alive(t *testing.T) {
	t.Helper()
	if !s.running() {
		t.Fatalf("the server ended (%s)", s.cmd.ProcessState)
	}
}

// PID returns the process id of the server itself.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the process with SIGKILL and waits until it and its engine are gone.
func (s *Server) Kill(t *testing.T) {
	t.Helper()
	child := childOf(s.PID())
	if err := s.cmd.Process.Kill(); err != nil {
		t.Logf("kill: %v", err)
	}
	<-s.done
	if child == 0 {
		return
	}
	_ = syscall.Kill(child, syscall.SIGCONT) // A test may have stopped it.
	Eventually(t, "the engine ends with its parent", func() (bool, string) {
		return !isEngine(child), fmt.Sprintf("pid %d lives", child)
	})
}

// Interrupt sends SIGINT, as Ctrl-C does, and returns the exit status and how long the stop took.
func (s *Server) Interrupt(t *testing.T) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	return s.Wait(t), time.Since(began)
}

// Wait waits for the end of the process and returns its exit status, -1 for a signal.
func (s *Server) Wait(t *testing.T) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(Limit):
		t.Fatalf("still running after %s:\n%s", Limit, s.out.tail())
	}
	return s.cmd.ProcessState.ExitCode()
}

// Output returns the last lines that the process printed.
func (s *Server) Output() string { return s.out.tail() }

// Password returns the first password of the user admin.
func (s *Server) Password(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.DataDir, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// Eventually asks f until it says true; what it says beside false is in the failure. It fails the test after Limit.
func Eventually(t *testing.T, what string, f func() (bool, string)) {
	t.Helper()
	deadline := time.After(Limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, why := f()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not after %s: %s", what, Limit, why)
		case <-tick.C:
		}
	}
}
