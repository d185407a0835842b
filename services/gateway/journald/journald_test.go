package journald

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func free(int64) error { return nil }

func binaryField(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

var export = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1764042000000005\n_SOURCE_REALTIME_TIMESTAMP=1764042000000001\nPRIORITY=3\n_HOSTNAME=web1\n_MACHINE_ID=m1\n_SYSTEMD_UNIT=nginx.service\n_PID=77\n_UID=0\nMESSAGE=one\n\n" +
	"__REALTIME_TIMESTAMP=1764042001000000\nPRIORITY=6\nSYSLOG_IDENTIFIER=su\n" + binaryField("MESSAGE", "two\nlines") + binaryField("BLOB", strings.Repeat("\x00=\n", 700_000)) + "\n" +
	"__REALTIME_TIMESTAMP=1764042002000000\nCODE_FILE=x.c\n\n" + // without a message
	"__REALTIME_TIMESTAMP=1764042003000000\nPRIORITY=6\n_COMM=app\nMESSAGE=ERROR three=3\n"

func TestUpload(t *testing.T) {
	core, kept := intaketest.Keep(t)
	if err := New(core).Upload(context.Background(), intaketest.Request(core), iotest.HalfReader(strings.NewReader(export)), free); err != nil {
		t.Fatal(err)
	}
	rows := kept.Rows()
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	want := intaketest.Row{Body: "one", Service: "nginx", Host: "m1", TimeNS: 1764042000000001000, Severity: 17, Attrs: map[string]string{"process.pid": "77", "_UID": "0"},
		Res: map[string]string{"host.name": "web1", "host.id": "m1", "service.name": "nginx", "systemd.unit": "nginx.service"}}
	if d := cmp.Diff(want, rows[0]); d != "" {
		t.Error(d)
	}
	if r := rows[1]; r.Body != "two\nlines" || r.Service != "su" || r.Severity != 9 || len(r.Attrs["BLOB"]) != 16<<10 {
		t.Errorf("%.200v", r)
	}
	if r := rows[2]; r.Body != "ERROR three=3" || r.Severity != 17 || r.Service != "app" {
		t.Errorf("%+v", r)
	}
}

func TestRefusals(t *testing.T) {
	for name, in := range map[string]string{
		"garbage": strings.Repeat("garbage ", 100) + "\n", "early": "MESSAGE\n\x01\x00", "length": "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff", "short": binaryField("MESSAGE", "abc")[:17],
		"no end": binaryField("MESSAGE", "abc")[:19] + "x", "name": strings.Repeat("N", 100) + "=x\n",
	} {
		core, _ := intaketest.Keep(t)
		if err := New(core).Upload(context.Background(), intaketest.Request(core), strings.NewReader("MESSAGE=before\n\n"+in), free); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte(export[:600]))
	f.Add([]byte(binaryField("MESSAGE", "a") + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		if err := New(core).Upload(context.Background(), intaketest.Request(core), bytes.NewReader(b), free); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
	})
}

func BenchmarkUpload(b *testing.B) {
	var body strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&body, "__CURSOR=s=%d\n__REALTIME_TIMESTAMP=17640420000%05d\nPRIORITY=6\n_HOSTNAME=web1\n_MACHINE_ID=m1\n_SYSTEMD_UNIT=nginx.service\n_PID=77\n_UID=0\n_COMM=nginx\nMESSAGE=GET /api/v1/orders/%d took 12.5 ms\n\n", i, i, i)
	}
	core, _ := intaketest.Core(b)
	b.ReportAllocs()
	b.SetBytes(int64(body.Len()))
	for range b.N {
		if err := New(core).Upload(context.Background(), intaketest.Request(core), strings.NewReader(body.String()), free); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
