package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// apiClient asks a running server: that of this machine's data folder, or another one by its address.
type apiClient struct {
	url, user, passwordFile string

	base, password string
	http           *http.Client
}

// flags adds the flags that say which server and who asks.
func (c *apiClient) flags(f *pflag.FlagSet) {
	f.StringVar(&c.url, "server", "", "address of the server; empty is that of http_addr")
	f.StringVar(&c.user, "user", auth.AdminUser, "user to sign in as")
	f.StringVar(&c.passwordFile, "password-file", "", "file with the password; empty is that of the data folder")
}

// open finds the address and the password.
func (c *apiClient) open(cfg config.Config) error {
	c.base = strings.TrimSuffix(c.url, "/")
	if c.base == "" {
		c.base = cfg.Scheme() + "://" + local(cfg.HTTPAddr)
	}
	path := c.passwordFile
	if path == "" {
		path = cfg.AdminPasswordPath()
	}
	password, err := os.ReadFile(path)
	if err != nil {
		return errs.WithHint(errs.Invalid, "name the data folder of the server by --data-dir, or a file by --password-file", "read the password: %v", err)
	}
	c.password = strings.TrimSpace(string(password))
	c.http = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust(cfg)}}
	return nil
}

// maxAnswer bounds an answer of the API.
const maxAnswer = 64 << 20

// do sends a request and reads the JSON of the answer into out, when it is not nil. A refusal is an error with the server's words.
func (c *apiClient) do(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return errs.New(errs.Invalid, "the address of the server: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(c.user, c.password)
	resp, err := c.http.Do(req)
	if err != nil {
		return errs.WithHint(errs.Unavailable, "is the server running? name its address by --server", "ask the server: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return errs.New(errs.Internal, "read the answer: %w", err)
	}
	return nil
}
