package engine

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// requestTimeout bounds each request of the supervisor.
const requestTimeout = 5 * time.Second

// client speaks HTTP with the engine, for the supervisor's own few statements. Data goes over the native protocol.
type client struct {
	addr  string
	users passwords
}

// ping asks for a sign of life, without signing in.
func (c *client) ping(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "/ping", "", "")
	return err
}

// query runs one statement under a role and returns the answer as text.
func (c *client) query(ctx context.Context, role, sql string) (string, error) {
	pass, _ := c.users.of(role)
	return c.do(ctx, http.MethodPost, "/?query="+url.QueryEscape(sql), role, pass)
}

// do runs one request and returns the body.
func (c *client) do(ctx context.Context, method, path, user, pass string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, http.NoBody)
	if err != nil {
		return "", err
	}
	if user != "" {
		req.Header.Set("X-ClickHouse-User", user)
		req.Header.Set("X-ClickHouse-Key", pass)
	}
	// No proxy from the environment and no kept connection: this is our own child.
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errs.New(errs.Unavailable, "engine answered %s: %s", resp.Status, strings.TrimSpace(string(b)))
	}
	return string(b), nil
}
