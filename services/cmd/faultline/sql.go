package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// sqlClient asks a running server.
type sqlClient struct {
	url, user, passwordFile, format string
}

// maxStdin bounds a statement from standard input; the server takes less.
const maxStdin = 1 << 20

// sqlCommand answers a statement by a running server.
func sqlCommand(flags *launch.Flags) *cobra.Command {
	var c sqlClient
	cmd := &cobra.Command{
		Use: "sql [statement]", Short: "Ask a running server in ClickHouse's SQL", Args: cobra.MaximumNArgs(1),
		Long: "Answers one read-only statement, given as the argument or on standard input, from the server of this machine's data folder or from --server.\n" +
			"Formats: pretty, json, json_objects, ndjson, csv, tsv, parquet, arrow.",
		Example: "  faultline sql 'SELECT service, count() FROM sql_logs WHERE ts > now() - INTERVAL 1 HOUR GROUP BY service'\n" +
			"  faultline sql --format parquet 'SELECT * FROM sql_spans' > spans.parquet",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.Load()
			if err != nil {
				return err
			}
			statement := strings.Join(args, "")
			if statement == "" || statement == "-" {
				b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxStdin))
				if err != nil {
					return fmt.Errorf("read the statement: %w", err)
				}
				statement = string(b)
			}
			return c.ask(cmd.Context(), cfg, statement, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&c.url, "server", "", "address of the server; empty is that of http_addr")
	cmd.Flags().StringVar(&c.user, "user", auth.AdminUser, "user to sign in as")
	cmd.Flags().StringVar(&c.passwordFile, "password-file", "", "file with the password; empty is that of the data folder")
	cmd.Flags().StringVar(&c.format, "format", "pretty", "format of the answer")
	return cmd
}

// ask sends the statement and copies the answer to w.
func (c sqlClient) ask(ctx context.Context, cfg config.Config, statement string, w io.Writer) error {
	base := c.url
	if base == "" {
		base = cfg.Scheme() + "://" + local(cfg.HTTPAddr)
	}
	path := c.passwordFile
	if path == "" {
		path = cfg.AdminPasswordPath()
	}
	password, err := os.ReadFile(path)
	if err != nil {
		return errs.WithHint(errs.Invalid, "name the data folder of the server by --data-dir, or a file by --password-file", "read the password: %v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(base, "/")+"/api/v1/sql?format="+url.QueryEscape(c.format), strings.NewReader(statement))
	if err != nil {
		return errs.New(errs.Invalid, "the address of the server: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain")
	req.SetBasicAuth(c.user, strings.TrimSpace(string(password)))
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust(cfg)}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return errs.WithHint(errs.Unavailable, "is the server running? name its address by --server", "ask the server: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return errs.WithHint(errs.Unavailable, "a limit was met: ask for less, or see the server's log", "the answer broke off: %v", err)
	}
	return nil
}

// refusal turns the server's problem into an error.
func refusal(resp *http.Response) error {
	var p struct {
		Detail string `json:"detail"`
		Hint   string `json:"hint"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p); err != nil || p.Detail == "" {
		return errs.New(errs.Invalid, "the server answers %s", resp.Status)
	}
	return errs.WithHint(errs.Invalid, p.Hint, "%s", p.Detail)
}

// local turns a listening address into one that this machine can ask.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// trust returns the system's authorities and the installation's own, when it has one.
func trust(cfg config.Config) *tls.Config {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if ca, err := os.ReadFile(filepath.Join(cfg.DataDir, "tls", "ca.pem")); err == nil {
		pool.AppendCertsFromPEM(ca)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
