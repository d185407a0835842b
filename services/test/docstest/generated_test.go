package docstest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

var update = flag.Bool("update", false, "write the generated documents")

const configurationHead = `# Configuration

Every setting has a key in the YAML file, a variable and a flag; a flag wins over a variable, and that over the file. The file is named by
` + "`--config` or `FAULTLINE_CONFIG`" + `. Dots in a key are levels in the file. Unknown keys and variables are errors. This page is written by
` + "`go test ./services/test/docstest -update`" + ` from the table in ` + "`services/internal/config`" + `.

The agent as a process of its own (` + "`faultline-agent`, `faultline agent`" + `) has settings of its own: [agent.md](agent.md).

Durations are written as ` + "`90s`, `10m`, `36h`, `30d`, `52w`" + `, sizes as ` + "`512KiB`, `64MiB`, `10GiB`" + `, ratios from 0 to 1.

| key | variable | flag | kind | default | what |
|---|---|---|---|---|---|
`

const configurationTail = `
A file with some of them:

` + "```yaml" + `
http_addr: 127.0.0.1:9090
retention:
  logs: 14d
  spans: 7d
limits:
  max_series: 500000
scrape_config: /etc/faultline/prometheus.yml
` + "```" + `
`

// configuration returns the page of settings.
func configuration() string {
	var b strings.Builder
	b.WriteString(configurationHead)
	c := config.Default()
	for _, o := range c.Options() {
		value := "`" + o.Value() + "`"
		switch {
		case o.Key == "data_dir":
			value = "`/var/lib/faultline` for root, else `~/.local/share/faultline`"
		case o.Value() == "":
			value = ""
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s | %s |\n", o.Key, o.Env(), o.Flag(), o.Type(), value, strings.ReplaceAll(o.Usage, "|", `\|`))
	}
	b.WriteString(configurationTail)
	return b.String()
}

func TestConfigurationPageIsUpToDate(t *testing.T) {
	path, want := filepath.Join(root, "docs", "configuration.md"), configuration()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/configuration.md is not what the code says; run go test ./services/test/docstest -update:\n%s", diff)
	}
}

var (
	tableName  = regexp.MustCompile(`CREATE TABLE IF NOT EXISTS ([a-z0-9_]+)`)
	columnLine = regexp.MustCompile(`(?m)^    ([a-z][a-z0-9_]*) +[A-Z]`)
)

// TestEveryColumnIsDescribed holds the pages about tables against the migrations.
func TestEveryColumnIsDescribed(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"tables.md", "logs.md", "spans.md", "changes.md", "incidents.md"} {
		b, err := os.ReadFile(filepath.Join(root, "docs", "formats", name))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	words := map[string]bool{}
	for _, w := range regexp.MustCompile(`[a-z][a-z0-9_]*`).FindAllString(text.String(), -1) {
		words[w] = true
	}
	all, err := migrations.All()
	if err != nil {
		t.Fatal(err)
	}
	tables, columns := 0, 0
	for _, m := range all {
		for _, s := range m.Statements {
			name := tableName.FindStringSubmatch(s)
			if name == nil {
				continue
			}
			tables++
			if !words[name[1]] {
				t.Errorf("table %s is not described", name[1])
			}
			for _, c := range columnLine.FindAllStringSubmatch(s, -1) {
				columns++
				if !words[c[1]] {
					t.Errorf("column %s of %s is not described", c[1], name[1])
				}
			}
		}
	}
	if tables < 10 || columns < 80 {
		t.Errorf("found %d tables with %d columns: the test reads the migrations wrongly", tables, columns)
	}
}
