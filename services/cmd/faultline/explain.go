package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// explainLimit bounds an answer: a plan has a step for each part of a query, and a query is a few kilobytes.
const explainLimit = 4 << 20

// explainTimeout is more than a query may run.
const explainTimeout = 5 * time.Minute

// explainOptions are the flags of explain.
type explainOptions struct {
	url, user, passwordFile string
	start, end, step        string
	asJSON                  bool
}

// explainCommand asks a running server how it evaluates a query.
func explainCommand(flags *launch.Flags) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use: "explain '<promql>'", Short: "Run a PromQL query and show how it was evaluated, what was read, and how long it took", Args: cobra.ExactArgs(1),
		Example: "  faultline explain 'sum by (instance) (rate(node_cpu_seconds_total[5m]))' --start -6h --step 60s",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.Load()
			if err != nil {
				return err
			}
			return explain(cmd.Context(), cfg, o, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "address of the query API; default is that of the configuration")
	f.StringVar(&o.user, "user", "admin", "user to sign in as")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; default is that of the data folder")
	f.StringVar(&o.start, "start", "-1h", "first time: Unix seconds, RFC 3339, or how long before now")
	f.StringVar(&o.end, "end", "0s", "last time, in the same forms")
	f.StringVar(&o.step, "step", "60s", "step of the range; 0 asks for the end only")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

// explanation is the part of the server's answer that is printed.
type explanation struct {
	Status, Error string
	Data          struct {
		ResultType   string `json:"result_type"`
		ResultSeries int    `json:"result_series"`
		Plan         struct {
			Mode, Reason string
			EngineMS     float64 `json:"engine_ms"`
			ElapsedMS    float64 `json:"elapsed_ms"`
			Steps        []struct {
				Expr, Reason           string
				Native                 bool
				Points, Series, Groups int
				Samples                int64
				LoadMS                 float64 `json:"load_ms"`
				EvalMS                 float64 `json:"eval_ms"`
			}
			Read struct {
				Statements, Bytes int64
				SeriesKept        int64 `json:"series_kept"`
				SeriesRead        int64 `json:"series_read"`
				BlocksKept        int64 `json:"blocks_kept"`
				BlocksRead        int64 `json:"blocks_read"`
				RecentSamples     int64 `json:"recent_samples"`
			}
		}
	}
	Warnings, Infos []string
}

func explain(ctx context.Context, cfg config.Config, o explainOptions, query string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	raw, err := askExplain(ctx, cfg, o, query)
	if err != nil {
		return err
	}
	if o.asJSON {
		_, err = fmt.Fprintln(out, strings.TrimSpace(string(raw)))
		return err
	}
	var e explanation
	if err := json.Unmarshal(raw, &e); err != nil {
		return errs.New(errs.Unavailable, "read the server's answer: %w", err)
	}
	return e.print(out)
}

// askExplain posts the query and returns the answer of a server that could evaluate it.
func askExplain(ctx context.Context, cfg config.Config, o explainOptions, query string) ([]byte, error) {
	if o.url == "" {
		o.url = cfg.Scheme() + "://" + cfg.HTTPAddr
	}
	if o.passwordFile == "" {
		o.passwordFile = cfg.AdminPasswordPath()
	}
	password, err := os.ReadFile(o.passwordFile)
	if err != nil {
		return nil, &errs.Error{Kind: errs.Unauthenticated, Hint: "name the data folder with --data-dir, or a file with --password-file", Err: fmt.Errorf("read the password: %w", err)}
	}
	form := url.Values{"query": {query}, "end": {moment(o.end)}, "time": {moment(o.end)}}
	if o.step != "0" && o.step != "0s" && o.step != "" {
		form.Set("start", moment(o.start))
		form.Set("step", o.step)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(o.url, "/")+"/api/v1/explain", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errs.New(errs.Invalid, "--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(o.user, strings.TrimSpace(string(password)))
	resp, err := explainClient(cfg).Do(req)
	if err != nil {
		return nil, &errs.Error{Kind: errs.Unavailable, Hint: "start Faultline, or name its address with --url", Err: fmt.Errorf("ask the server: %w", err)}
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	raw, err := io.ReadAll(io.LimitReader(resp.Body, explainLimit))
	if err != nil {
		return nil, errs.New(errs.Unavailable, "read the server's answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return raw, nil
	}
	var e explanation
	if json.Unmarshal(raw, &e) == nil && e.Error != "" {
		return nil, errs.New(errs.Invalid, "%s", e.Error)
	}
	return nil, errs.New(errs.Unavailable, "the server answers %s", resp.Status)
}

// explainClient trusts the installation's own authority beside the system's.
func explainClient(cfg config.Config) *http.Client {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if pem, err := os.ReadFile(filepath.Join(cfg.DataDir, "tls", "ca.pem")); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
}

// moment turns a duration before now into a time; everything else is the server's to read.
func moment(s string) string {
	if d, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return time.Now().Add(-d).UTC().Format(time.RFC3339Nano)
	}
	return s
}

func (e *explanation) print(out io.Writer) error {
	p, read := &e.Data.Plan, &e.Data.Plan.Read
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%.1f ms, %d series out", p.Mode, p.ElapsedMS, e.Data.ResultSeries)
	if p.Reason != "" {
		fmt.Fprintf(w, " (%s)", p.Reason)
	}
	fmt.Fprintln(w)
	for _, s := range p.Steps {
		fmt.Fprintf(w, "\n%s\n", s.Expr)
		if !s.Native {
			fmt.Fprintf(w, "\tby Prometheus' engine: %s\n", s.Reason)
			continue
		}
		fmt.Fprintf(w, "\t%d series, %d samples, %d points in time → %d series\n", s.Series, s.Samples, s.Points, s.Groups)
		fmt.Fprintf(w, "\tload %.1f ms, evaluate %.1f ms\n", s.LoadMS, s.EvalMS)
	}
	if p.EngineMS > 0 {
		fmt.Fprintf(w, "\nthe rest\tby Prometheus' engine, %.1f ms\n", p.EngineMS)
	}
	fmt.Fprintf(w, "\nstatements\t%d\n", read.Statements)
	fmt.Fprintf(w, "series\t%d looked through in memory, %d read\n", read.SeriesKept, read.SeriesRead)
	fmt.Fprintf(w, "packed blocks\t%d in memory, %d read\n", read.BlocksKept, read.BlocksRead)
	fmt.Fprintf(w, "recent samples\t%d read\n", read.RecentSamples)
	fmt.Fprintf(w, "bytes read\t%d\n", read.Bytes)
	for _, n := range append(e.Warnings, e.Infos...) {
		fmt.Fprintf(w, "note\t%s\n", n)
	}
	return w.Flush()
}
