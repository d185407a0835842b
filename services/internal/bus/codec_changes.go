package bus

import (
	"google.golang.org/protobuf/proto"

	telemetryv1 "github.com/faultline-io/faultline/proto/gen/faultline/telemetry/v1"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxChanges bounds one batch; changes are few.
const maxChanges = 10_000

// EncodeChanges encodes a batch. Errors: errs.Invalid when it has what the store could not take.
func EncodeChanges(c *model.Changes) ([]byte, error) {
	if err := checkChanges(c); err != nil {
		return nil, err
	}
	p := &telemetryv1.ChangesBatch{Changes: make([]*telemetryv1.Change, len(c.Changes))}
	for i := range c.Changes {
		x := &c.Changes[i]
		p.Changes[i] = &telemetryv1.Change{
			Id: validUTF8(x.ID), TimeNs: uint64(x.TimeNS), EndNs: uint64(x.EndNS), Kind: validUTF8(x.Kind), Title: validUTF8(x.Title), Text: validUTF8(x.Text),
			Status: validUTF8(x.Status), Service: validUTF8(x.Service), Host: validUTF8(x.Host), Environment: validUTF8(x.Environment), Version: validUTF8(x.Version),
			PreviousVersion: validUTF8(x.PreviousVersion), Actor: validUTF8(x.Actor), Url: validUTF8(x.URL), Source: validUTF8(x.Source), Attributes: validLabels(x.Attributes),
		}
	}
	body, err := proto.Marshal(p)
	if err != nil {
		return nil, errs.New(errs.Invalid, "encode changes batch: %w", err)
	}
	return seal(nil, body), nil
}

// DecodeChanges opens a batch of EncodeChanges into c, replacing its contents and keeping its header. Bytes from anywhere are safe:
// they give errs.Invalid.
func DecodeChanges(data []byte, c *model.Changes) error {
	body, err := open(data)
	if err != nil {
		return err
	}
	var p telemetryv1.ChangesBatch
	if err := proto.Unmarshal(body, &p); err != nil {
		return errs.New(errs.Invalid, "decode changes batch: %w", err)
	}
	c.Changes = make([]model.Change, len(p.Changes))
	for i, x := range p.Changes {
		c.Changes[i] = model.Change{
			ID: x.Id, TimeNS: int64(x.TimeNs), EndNS: int64(x.EndNs), Kind: x.Kind, Title: x.Title, Text: x.Text, Status: x.Status,
			Service: x.Service, Host: x.Host, Environment: x.Environment, Version: x.Version, PreviousVersion: x.PreviousVersion,
			Actor: x.Actor, URL: x.Url, Source: x.Source, Attributes: labelsFromProto(x.Attributes),
		}
	}
	return checkChanges(c)
}

// checkChanges refuses a batch that the store could not take.
func checkChanges(c *model.Changes) error {
	if len(c.Changes) > maxChanges {
		return errs.New(errs.Invalid, "changes batch has %d changes, more than %d", len(c.Changes), maxChanges)
	}
	for i := range c.Changes {
		switch x := &c.Changes[i]; {
		case x.ID == "":
			return errs.New(errs.Invalid, "change %d has no id", i)
		case x.TimeNS <= 0:
			return errs.New(errs.Invalid, "change %q has no time", x.ID)
		case x.EndNS < 0 || x.EndNS > 0 && x.EndNS < x.TimeNS:
			return errs.New(errs.Invalid, "change %q ends before it begins", x.ID)
		}
	}
	return nil
}
