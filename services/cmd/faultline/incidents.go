package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
)

// maxIncidentAnswer bounds what is read of an answer: an incident with all its frozen data is some hundred kilobytes.
const maxIncidentAnswer = 32 << 20

// incidentsTimeout is more than the server waits for the brain.
const incidentsTimeout = time.Minute

// incidentsClient asks a running server about incidents.
type incidentsClient struct {
	url, user, passwordFile string
	asJSON                  bool
	cfg                     config.Config
	out                     io.Writer
}

// incidentsCommand shows incidents of a running server and acts on them.
func incidentsCommand(flags *launch.Flags) *cobra.Command {
	c := &incidentsClient{}
	var list listFlags
	cmd := &cobra.Command{
		Use: "incidents", Short: "Show incidents of a running server, and act on them", Args: cobra.NoArgs,
		Long: "Lists incidents of the server of this machine's data folder, or of --server. Without a command it lists those that are not over.",
		Example: "  faultline incidents\n  faultline incidents list --state resolved --since 7d\n  faultline incidents show 5f2c9e1a7b3d\n" +
			"  faultline incidents ack 5f2c9e1a7b3d 'looking at it'",
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.Load()
			c.cfg, c.out = cfg, cmd.OutOrStdout()
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.list(cmd.Context(), list) },
	}
	p := cmd.PersistentFlags()
	p.StringVar(&c.url, "server", "", "address of the server; empty is that of http_addr")
	p.StringVar(&c.user, "user", auth.AdminUser, "user to sign in as")
	p.StringVar(&c.passwordFile, "password-file", "", "file with the password; empty is that of the data folder")
	p.BoolVar(&c.asJSON, "json", false, "print JSON")
	list.bind(cmd)
	cmd.AddCommand(c.listCommand(), c.showCommand())
	for _, a := range []struct{ use, action, short string }{
		{"ack", incidents.ActionAcknowledge, "Say that somebody looks at it"},
		{"unack", incidents.ActionUnacknowledge, "Take an acknowledgement back"},
		{"resolve", incidents.ActionResolve, "Say that it is over"},
		{"reopen", incidents.ActionReopen, "Say that it is not over"},
		{"comment", incidents.ActionComment, "Add a comment"},
		{"assign", incidents.ActionAssign, "Give it to somebody; without a name to nobody"},
	} {
		cmd.AddCommand(c.actCommand(a.use, a.action, a.short))
	}
	return cmd
}

// listFlags narrow a list.
type listFlags struct {
	state, severity, entity, query, since string
	limit                                 int
}

func (l *listFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.state, "state", "open,quiet", "states, separated by commas: open, quiet, resolved, merged")
	f.StringVar(&l.severity, "severity", "", "severities, separated by commas: critical, high, medium, low")
	f.StringVar(&l.entity, "entity", "", "concerning this entity, as service:checkout")
	f.StringVar(&l.query, "query", "", "text in title, cause or entities")
	f.StringVar(&l.since, "since", "7d", "that lasted at any time since so long ago")
	f.IntVar(&l.limit, "limit", 50, "at most so many, 500 at most")
}

func (c *incidentsClient) listCommand() *cobra.Command {
	var l listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List incidents, the latest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.list(cmd.Context(), l) },
	}
	l.bind(cmd)
	return cmd
}

func (c *incidentsClient) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an incident with its causes and their evidence", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.show(cmd.Context(), args[0]) },
	}
}

func (c *incidentsClient) actCommand(use, action, short string) *cobra.Command {
	return &cobra.Command{
		Use: use + " ID [text]", Short: short, Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{}
			switch text := strings.Join(args[1:], " "); {
			case action == incidents.ActionAssign:
				body["assignee"] = text
			case text != "":
				body["text"] = text
			case action == incidents.ActionComment:
				return errs.WithHint(errs.Invalid, "faultline incidents comment ID 'what is seen'", "a comment needs a text")
			}
			return c.act(cmd.Context(), args[0], action, body)
		},
	}
}

func (c *incidentsClient) list(ctx context.Context, l listFlags) error {
	q := url.Values{"limit": {fmt.Sprint(l.limit)}, "start": {"now-" + l.since}}
	for name, v := range map[string]string{"state": l.state, "severity": l.severity, "entity": l.entity, "q": l.query} {
		if v != "" {
			q.Set(name, v)
		}
	}
	var page struct {
		Items      []incidents.Brief `json:"items"`
		NextCursor string            `json:"next_cursor"`
	}
	if done, err := c.ask(ctx, http.MethodGet, "?"+q.Encode(), nil, &page); err != nil || done {
		return err
	}
	if len(page.Items) == 0 {
		_, err := fmt.Fprintln(c.out, "no incident")
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSEVERITY\tSTATE\tBEGAN\tLASTS\tWHO\tCAUSE\tTITLE")
	for i := range page.Items {
		b := &page.Items[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.ID, b.Severity, b.State, stamp(b.Start), lasted(b.Start, b.End), who(b), causeText(b), plain(b.Title))
	}
	if page.NextCursor != "" {
		fmt.Fprintln(w, "and more: ask for a shorter time or a larger --limit")
	}
	return w.Flush()
}

func (c *incidentsClient) show(ctx context.Context, id string) error {
	var in incidents.Incident
	if done, err := c.ask(ctx, http.MethodGet, "/"+url.PathEscape(id), nil, &in); err != nil || done {
		return err
	}
	b := incidents.BriefOf(&in)
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n%s, %s, began %s, lasts %s\n", plain(in.Title), in.Severity, in.State, stamp(in.Start), lasted(in.Start, in.End))
	fmt.Fprintf(w, "id\t%s\nwho\t%s\n", in.ID, who(&b))
	if in.MergedInto != "" {
		fmt.Fprintf(w, "part of\t%s\n", in.MergedInto)
	}
	fmt.Fprintf(w, "\nroot cause\t%s\n", plain(in.Verdict.Sentence))
	for i := range in.Verdict.Candidates {
		x := &in.Verdict.Candidates[i]
		fmt.Fprintf(w, "  %d\t%s\t%s\t%.0f %%\t%s\n", i+1, plain(x.Entity.String()), x.Kind, 100*x.Confidence, plain(x.Why))
		printEvidence(w, "    for", x.For)
		printEvidence(w, "    against", x.Against)
	}
	if len(in.Verdict.Candidates) == 0 {
		fmt.Fprintln(w, "  no clear cause; checked: "+plain(strings.Join(in.Verdict.Checked, ", ")))
	}
	printEvidence(w, "first failure", in.Verdict.FirstFailure)
	printEvidence(w, "impact", in.Verdict.Impact)
	fmt.Fprintf(w, "\nmembers\t%d, %d still last\n", in.MemberCount, in.OpenCount)
	for _, m := range in.Members {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", plain(m.Entity.String()), plain(m.Name), plain(m.Reason))
	}
	for _, p := range in.Comments {
		fmt.Fprintf(w, "comment\t%s\t%s\t%s\n", stamp(p.At), plain(p.Who), plain(p.Text))
	}
	return w.Flush()
}

func printEvidence(w io.Writer, what string, es []incidents.Evidence) {
	for i := range es {
		fmt.Fprintf(w, "%s\t%s\n", what, plain(es[i].Text))
	}
}

func (c *incidentsClient) act(ctx context.Context, id, action string, body map[string]string) error {
	var a struct {
		Status   string           `json:"status"`
		Incident *incidents.Brief `json:"incident"`
	}
	if done, err := c.ask(ctx, http.MethodPost, "/"+url.PathEscape(id)+"/"+action, body, &a); err != nil || done {
		return err
	}
	text := a.Status
	if a.Status == "queued" {
		text += ": the brain does not answer now and does it when it is back"
	} else if a.Incident != nil {
		text += ": " + a.Incident.ID + " is " + a.Incident.State + ", " + who(a.Incident)
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}

// ask sends a request and reads the answer into v; done says that it was printed as JSON.
func (c *incidentsClient) ask(ctx context.Context, method, path string, body any, v any) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, incidentsTimeout)
	defer cancel()
	base, file := c.url, c.passwordFile
	if base == "" {
		base = c.cfg.Scheme() + "://" + local(c.cfg.HTTPAddr)
	}
	if file == "" {
		file = c.cfg.AdminPasswordPath()
	}
	password, err := os.ReadFile(file)
	if err != nil {
		return false, errs.WithHint(errs.Invalid, "name the data folder of the server by --data-dir, or a file by --password-file", "read the password: %v", err)
	}
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return false, errs.New(errs.Invalid, "write the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+"/api/v1/incidents"+path, bytes.NewReader(payload))
	if err != nil {
		return false, errs.New(errs.Invalid, "the address of the server: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(c.user, strings.TrimSpace(string(password)))
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust(c.cfg)}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return false, errs.WithHint(errs.Unavailable, "is the server running? name its address by --server", "ask the server: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		return false, refusal(resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxIncidentAnswer))
	if err != nil {
		return false, errs.New(errs.Unavailable, "read the answer: %w", err)
	}
	if c.asJSON {
		_, err = fmt.Fprintln(c.out, strings.TrimSpace(string(raw)))
		return true, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, errs.New(errs.Unavailable, "read the answer: %w", err)
	}
	return false, nil
}

// plain makes text of telemetry and people safe for a terminal: one line without control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func lasted(start time.Time, end *time.Time) string {
	if end == nil {
		return time.Since(start).Truncate(time.Second).String()
	}
	return end.Sub(start).Truncate(time.Second).String()
}

func who(b *incidents.Brief) string {
	switch {
	case b.Assignee != "":
		return plain(b.Assignee)
	case b.Acknowledged != nil:
		return "acknowledged by " + plain(b.Acknowledged.Who)
	}
	return "nobody"
}

func causeText(b *incidents.Brief) string {
	switch {
	case b.Cause != nil:
		return fmt.Sprintf("%s (%s, %.0f %%)", plain(b.Cause.Entity.Name), b.Cause.Kind, 100*b.Cause.Confidence)
	case b.Unknown:
		return "no clear cause"
	}
	return "-"
}
