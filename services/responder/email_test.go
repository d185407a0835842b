package responder_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// mailServer is a small SMTP server that keeps what it gets.
type mailServer struct {
	addr string
	mu   sync.Mutex
	mail []string
}

func startMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailServer{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { m.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return m
}

func (m *mailServer) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 test")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
		case "EHLO", "HELO":
			say("250 test")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			m.mu.Lock()
			m.mail = append(m.mail, text.String())
			m.mu.Unlock()
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (m *mailServer) with(text string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.mail {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

func TestMailTellsBeginningAndEnd(t *testing.T) {
	f := newFixture(t, fmt.Sprintf(downRule, "0s"))
	m := startMailServer(t)
	f.write(t, f.routing(), fmt.Sprintf(`
global: {smtp_smarthost: '%s', smtp_from: faultline@example.org, smtp_require_tls: false}
route: {receiver: mail, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: mail
  email_configs: [{to: ops@example.org, send_resolved: true}]
`, m.addr))
	f.world.set("up == 0", one("instance", "a"))
	f.start(t)
	eventually(t, "the mail of the beginning", func() (bool, string) { return m.with("Subject: [FIRING:1] Down") == 1, fmt.Sprint(m.mail) })
	if m.with("instance") == 0 {
		t.Errorf("the mail has no labels: %s", m.mail)
	}
	f.world.set("up == 0", nil)
	eventually(t, "the mail of the end", func() (bool, string) { return m.with("Subject: [RESOLVED] Down") == 1, fmt.Sprint(len(m.mail)) })
}
