package incidents_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/incidentstest"
	"github.com/faultline-io/faultline/services/model"
)

func TestIncidentsComeBackWhole(t *testing.T) {
	f := func(name string, in *model.Incident) {
		t.Run(name, func(t *testing.T) {
			data, err := incidents.Encode(in)
			if err != nil {
				t.Fatal(err)
			}
			if name == "empty" && strings.Contains(string(data), "null") {
				t.Errorf("a list is null: %s", data)
			}
			got, err := incidents.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(in, got, cmpopts.EquateNaNs()); d != "" {
				t.Error(d)
			}
		})
	}
	f("empty", &model.Incident{ID: "x", Tenant: 1})
	f("full", incidentstest.Incident(1))
}

// Every field of the model is set in the example, so that one that is added and forgotten shows.
func TestTheExampleHasEveryField(t *testing.T) {
	for _, v := range []any{*incidentstest.Incident(1), incidentstest.Finding(1), incidentstest.Command(1)} {
		for _, path := range unset(reflect.TypeOf(v).Name(), reflect.ValueOf(v)) {
			t.Errorf("%s is not set", path)
		}
	}
}

// unset returns the fields that have no value; of a list those that none of its elements has.
func unset(path string, v reflect.Value) (out []string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, unset(path+"."+v.Type().Field(i).Name, v.Field(i))...)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return []string{path}
		}
		out = unset(path, v.Index(0))
		for i := 1; i < v.Len(); i++ {
			next := unset(path, v.Index(i))
			out = slices.DeleteFunc(out, func(p string) bool { return !slices.Contains(next, p) })
		}
	case reflect.Pointer:
		if v.IsNil() {
			return []string{path}
		}
		out = unset(path, v.Elem())
	default:
		if v.IsZero() {
			return []string{path}
		}
	}
	return out
}

func TestFindingsComeBackWhole(t *testing.T) {
	in := []model.Finding{incidentstest.Finding(1), incidentstest.Finding(2)}
	in[1].Low, in[1].Value = math.NaN(), math.NaN()
	data, err := incidents.EncodeFindings(in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := incidents.DecodeFindings(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, got, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
	in[0].High, in[0].Score = math.Inf(1), math.NaN() // What JSON has no number for does not break it.
	if data, err = incidents.EncodeFindings(in); err != nil || !strings.Contains(string(data), `"high":null`) {
		t.Errorf("%s %v", data, err)
	}
}

func TestCommandsComeBackWhole(t *testing.T) {
	in := incidentstest.Command(1)
	data, err := incidents.EncodeCommand(&in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"finding:ffffffffffffffff"`) {
		t.Errorf("the target is not written as ids are: %s", data)
	}
	got, err := incidents.DecodeCommand(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, got); d != "" {
		t.Error(d)
	}
}

func TestBadBytesAreInvalid(t *testing.T) {
	f := func(s string) {
		t.Helper()
		_, err1 := incidents.Decode([]byte(s))
		_, err2 := incidents.DecodeFindings([]byte(s))
		_, err3 := incidents.DecodeCommand([]byte(s))
		for _, err := range []error{err1, err2, err3} {
			if errs.KindOf(err) != errs.Invalid {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	f("")
	f("{")
	f(`"x"`)
	for _, id := range []string{"", "1", "zzzzzzzzzzzzzzzz", "00000000000000001", "-000000000000001", "+000000000000001"} {
		if _, err := incidents.ParseID(id); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := incidents.Decode([]byte(`{"members":[{"finding_id":"12"}]}`)); errs.KindOf(err) != errs.Invalid {
		t.Errorf("bad member: %v", err)
	}
}

func TestHeadsAreSmall(t *testing.T) {
	in := incidentstest.Incident(1)
	for i := range 3000 {
		m := in.Members[0]
		m.FindingID, m.Open = uint64(i+10), i%2 == 0
		in.Members = append(in.Members, m)
		in.Comments = append(in.Comments, model.PersonAct{Text: "c"})
		in.History = append(in.History, model.Revision{Text: "h"})
	}
	for i := range in.Verdict.Candidates {
		for range 20 {
			in.Verdict.Candidates[i].For = append(in.Verdict.Candidates[i].For, in.Verdict.Candidates[i].For[0])
		}
	}
	whole, err := incidents.Encode(in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := incidents.EncodeHead(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 30<<10 || len(data) > len(whole)/10 {
		t.Errorf("the head has %d bytes of %d", len(data), len(whole))
	}
	head, err := incidents.DecodeHead(data)
	if err != nil {
		t.Fatal(err)
	}
	if head.MemberCount != 3001 || head.OpenCount != 1501 || head.Members[len(head.Members)-1].FindingID != incidents.ID(3009) {
		t.Errorf("%d members, %d open, last %+v", head.MemberCount, head.OpenCount, head.Members[len(head.Members)-1])
	}
	if len(in.Verdict.Candidates[0].For[0].Values) == 0 {
		t.Error("the head took the data out of the incident itself")
	}
}

func TestSummarySaysTheCauseAndTheJudgements(t *testing.T) {
	w := incidents.Of(incidentstest.Incident(1))
	s := incidents.BriefOf(&w)
	if s.Cause == nil || s.Cause.Kind != "deploy" || s.Cause.Entity.String() != "service:checkout" || s.Confirmed != 1 || s.Rejected != 0 || s.EntityCount != len(w.Entities) {
		t.Errorf("%+v", s)
	}
	w.Verdict.Candidates = nil
	if s = incidents.BriefOf(&w); s.Cause != nil {
		t.Errorf("a cause without a candidate: %+v", s.Cause)
	}
}

func TestOutcomes(t *testing.T) {
	c := incidentstest.Command(1)
	f := func(err error, state, kind string) {
		t.Helper()
		data, encodeErr := incidents.OutcomeOf(&c, "i1", 1000, err).Encode()
		if encodeErr != nil {
			t.Fatal(encodeErr)
		}
		o, decodeErr := incidents.DecodeOutcome(data)
		if decodeErr != nil || o.State != state || o.Kind != kind || o.Command != c.ID || o.Incident != "i1" {
			t.Errorf("%+v %v", o, decodeErr)
		}
	}
	f(nil, incidents.Applied, "")
	f(errs.New(errs.Conflict, "is over"), incidents.Refused, "conflict")
	f(errors.New("plain"), incidents.Refused, "internal")
}

func FuzzDecode(f *testing.F) {
	data, err := incidents.Encode(incidentstest.Incident(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := incidents.Decode(data)
		if err != nil {
			return
		}
		again, err := incidents.Encode(in)
		if err != nil {
			t.Skip() // Years that RFC 3339 cannot write.
		}
		back, err := incidents.Decode(again)
		if err != nil {
			t.Fatalf("%v of %s", err, again)
		}
		if d := cmp.Diff(in, back, cmpopts.EquateNaNs()); d != "" {
			t.Error(d)
		}
	})
}
