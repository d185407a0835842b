// Package datadoglogs takes logs as Datadog's intake does, from its agent, its libraries and forwarders. Tags become attributes, those that name
// where a log comes from the resource.
package datadoglogs

import (
	"bytes"
	"context"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles requests. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// maxTags bounds the tags of one log.
const maxTags = 128

// Meta is what the query of a request says of all its logs.
type Meta struct {
	Source, Tags, Host, Service string
}

// JSON publishes a log, or a list of them.
func (r *Receiver) JSON(ctx context.Context, req *intake.Request, body []byte, m Meta) error {
	var sc fastjson.Scanner // It reads one log a line as well, which the first version of the intake takes.
	sc.InitBytes(bytes.TrimSpace(body))
	w := event.New(r.core, req, event.Options{})
	defer w.Close()
	for sc.Next() {
		v := sc.Value()
		logs := []*fastjson.Value{v}
		if v.Type() == fastjson.TypeArray {
			logs = v.GetArray()
		}
		for _, l := range logs {
			if err := one(ctx, w, l, m); err != nil {
				return err
			}
		}
	}
	if err := sc.Error(); err != nil {
		return errs.New(errs.Invalid, "datadog logs: %w", err)
	}
	return w.Flush(ctx)
}

// Text publishes one log a line.
func (r *Receiver) Text(ctx context.Context, req *intake.Request, body []byte, m Meta) error {
	w := event.New(r.core, req, event.Options{})
	defer w.Close()
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		w.Begin()
		w.SetBody(line)
		meta(w, m)
		if _, err := w.End(ctx, nil); err != nil {
			return err
		}
	}
	return w.Flush(ctx)
}

func one(ctx context.Context, w *event.Writer, v *fastjson.Value, m Meta) error {
	o, err := v.Object()
	if err != nil {
		return errs.New(errs.Invalid, "datadog logs: a log is not an object")
	}
	if o.Len() == 0 {
		return nil // The agent asks whether we are there.
	}
	w.Begin()
	o.Visit(func(k []byte, f *fastjson.Value) {
		text, number := event.AppendText(nil, f)
		switch string(k) {
		case "ddsource":
			w.SetResource("datadog.source", text)
		case "ddtags":
			tags(w, string(text))
		case "status":
			w.Set([]byte("level"), text, number)
		case "message":
			w.SetBody(text) // What is structured within it stays text.
		default:
			if child, err := f.Object(); err == nil {
				w.Object(child, string(k))
				return
			}
			w.Set(k, text, number)
		}
	})
	meta(w, m)
	_, err = w.End(ctx, v.MarshalTo(nil))
	return err
}

func meta(w *event.Writer, m Meta) {
	w.DefaultResource("datadog.source", []byte(m.Source))
	w.DefaultResource(model.AttrHostName, []byte(m.Host))
	w.DefaultResource(model.AttrServiceName, []byte(m.Service))
	if m.Tags != "" {
		tags(w, m.Tags)
	}
}

// identities are tags that say where a log comes from, under OpenTelemetry's names.
var identities = map[string]string{
	"service": model.AttrServiceName, "env": "deployment.environment.name", "version": "service.version", "host": model.AttrHostName,
	"container_id": model.AttrContainerID, "container_name": "container.name", "kube_namespace": "k8s.namespace.name", "pod_name": "k8s.pod.name",
	"kube_deployment": "k8s.deployment.name", "kube_container_name": "k8s.container.name", "kube_cluster_name": "k8s.cluster.name",
}

// tags reads "name:value,name:value"; a tag without a value is an attribute that is true.
func tags(w *event.Writer, list string) {
	n := 0
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag == "" {
			continue
		}
		if n++; n > maxTags {
			return
		}
		name, value, ok := strings.Cut(tag, ":")
		if !ok {
			value = "true"
		}
		if id := identities[name]; id != "" {
			w.DefaultResource(id, []byte(value))
			continue
		}
		w.SetAttribute(intake.Valid(name), []byte(value))
	}
}
