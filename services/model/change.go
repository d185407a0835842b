package model

// Change is something that was done to a system and may explain what the system does since: a deployment, a configuration, a
// package, a scaling. Senders tell of one change several times (begun, done): of two with one ID the one received later stands.
type Change struct {
	// ID names the change within its tenant.
	ID     string
	TimeNS int64
	// EndNS is 0 for a moment, and while the change lasts.
	EndNS int64
	// Kind is a word: one of ChangeKinds, or the sender's own.
	Kind  string
	Title string
	// Text says more, in as many lines as it takes.
	Text string
	// Status is the sender's word for how far it is or how it ended: success, failure, in_progress.
	Status string
	// Service, Host and Environment say what was changed, as telemetry names it; empty where the sender did not say.
	Service     string
	Host        string
	Environment string
	// Version is what runs after the change, PreviousVersion before it.
	Version         string
	PreviousVersion string
	// Actor is who did it, URL where it can be read, Source what told of it (github, argocd, api).
	Actor      string
	URL        string
	Source     string
	Attributes []Label
}

// Changes is one batch of changes.
type Changes struct {
	Header
	Changes []Change
}

// Len returns the number of changes.
func (c *Changes) Len() int { return len(c.Changes) }

// ChangeKinds are the kinds that have a meaning of their own to readers; a sender may use other words.
func ChangeKinds() []string {
	return []string{"deploy", "rollback", "release", "pipeline", "push", "config", "flag", "scale", "package", "unit", "certificate", "infrastructure", "annotation", "event"}
}

// ShardHash returns the hash by which the change is spread over shards: that of the entity it speaks of.
func (c *Change) ShardHash() uint64 {
	switch {
	case c.Service != "":
		return Hash64("service:" + c.Service)
	case c.Host != "":
		return Hash64("host:" + c.Host)
	}
	return Hash64(c.ID)
}

// AnnotationID returns the number by which clients of Grafana's annotations know a change: 53 bits of a hash, since that is what their
// numbers hold exactly.
func AnnotationID(changeID string) uint64 { return Hash64(changeID) >> 11 }
