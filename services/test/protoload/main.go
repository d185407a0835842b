// Command protoload sends the same telemetry over one of many protocols, as fast as a server takes it, and prints what that cost the
// server: items a second and CPU seconds per million items, by process. It is the load of `make bench`, for ours and for rivals that speak
// the protocol. It knows wire formats only and links nothing of the product. Linux only, since it reads /proc.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// gatherTime is how long a server may gather what came without a request before it is accepted.
const gatherTime = 2 * time.Second

// options are the flags.
type options struct {
	protocol string
	target   string
	items    int
	perBody  int
	conns    int
	pids     string
	settled  string
	user     string
	label    string
}

func main() {
	var o options
	flag.StringVar(&o.protocol, "protocol", "", "one of: "+strings.Join(names(), ", "))
	flag.StringVar(&o.target, "target", "", "URL for protocols over HTTP, host:port for the others")
	flag.IntVar(&o.items, "items", 1_000_000, "how many samples, records or spans to send")
	flag.IntVar(&o.perBody, "per-body", 0, "items of one request; 0 is what senders of the protocol use")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.StringVar(&o.pids, "pids", "", "processes of the server, as name=pid,name=pid")
	flag.StringVar(&o.settled, "ledger", "", "URL of Faultline's ledger: the cost is taken when everything that was accepted is stored")
	flag.StringVar(&o.user, "user", "", "user:password for the ledger")
	flag.StringVar(&o.label, "label", "", "what to call the server in the output")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "protoload:", err)
		os.Exit(1)
	}
}

func names() []string {
	var out []string
	for n := range protocols {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func run(o options) error {
	p, ok := protocols[o.protocol]
	if !ok {
		return fmt.Errorf("-protocol %q is not one of %s", o.protocol, strings.Join(names(), ", "))
	}
	if o.target == "" || o.items <= 0 || o.conns <= 0 {
		return fmt.Errorf("-target is needed, -items and -conns must be positive")
	}
	if o.perBody <= 0 {
		o.perBody = p.perBody
	}
	procs, err := parseProcs(o.pids)
	if err != nil {
		return err
	}
	before := cpuOf(procs)
	start := time.Now()
	sent, bytesSent, err := push(o, p)
	if err != nil {
		return err
	}
	took := time.Since(start)
	if p.network != "" {
		time.Sleep(gatherTime)
	}
	if o.settled != "" {
		if err := awaitSettled(o.settled, o.user); err != nil {
			return err
		}
	}
	report(o, procs, before, sent, bytesSent, took)
	return nil
}

func report(o options, procs []proc, before []float64, sent, bytesSent int64, took time.Duration) {
	fmt.Printf("%s %s: %d items in %.1f s, %.0f items/s, %.1f MB/s of bodies", o.label, o.protocol, sent, took.Seconds(), float64(sent)/took.Seconds(), float64(bytesSent)/took.Seconds()/1e6)
	sum := 0.0
	for i, after := range cpuOf(procs) {
		perMillion := (after - before[i]) / float64(sent) * 1e6
		sum += perMillion
		fmt.Printf("; %s %.2f", procs[i].name, perMillion)
	}
	if len(procs) > 0 {
		fmt.Printf("; together %.2f CPU s per million", sum)
	}
	fmt.Println()
}

// push sends all items and returns how many the server took, and the bytes of their bodies before compression.
func push(o options, p protocol) (items, size int64, err error) {
	var next, sent, raw atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for c := range o.conns {
		wg.Go(func() {
			s, err := newSender(o, p)
			if err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			defer s.close()
			b := &body{gen: newGenerator(c)}
			for failed.Load() == nil {
				first := int(next.Add(int64(o.perBody))) - o.perBody
				if first >= o.items {
					return
				}
				n := min(o.perBody, o.items-first)
				b.reset(first, n)
				data := p.build(b)
				if err := s.send(data); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				sent.Add(int64(n))
				raw.Add(int64(b.text))
			}
		})
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return 0, 0, *e
	}
	return sent.Load(), raw.Load(), nil
}

// sender is one connection.
type sender struct {
	send  func(data []byte) error
	close func()
}

func newSender(o options, p protocol) (sender, error) {
	if p.network != "" {
		c, err := net.Dial(p.network, o.target)
		if err != nil {
			return sender{}, err
		}
		return sender{
			send:  func(data []byte) error { _, err := c.Write(data); return err },
			close: func() { _ = c.Close() },
		}, nil
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	return sender{send: func(data []byte) error { return post(client, o.target, p, data) }, close: client.CloseIdleConnections}, nil
}

// post sends a body until it is taken: a full server says so and is asked again.
func post(client *http.Client, url string, p protocol, data []byte) error {
	for range 600 {
		req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(data))
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(p.headers); i += 2 {
			req.Header.Set(p.headers[i], p.headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		switch {
		case err != nil:
			return err
		case resp.StatusCode/100 == 2:
			return nil
		case resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("%s: %s %.300s", url, resp.Status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s is full for a minute", url)
}
