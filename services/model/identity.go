package model

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Attribute and label names that carry identity.
const (
	AttrHostID          = "host.id"
	AttrHostName        = "host.name"
	AttrServiceName     = "service.name"
	AttrServiceNS       = "service.namespace"
	AttrServiceInstance = "service.instance.id"
	AttrContainerID     = "container.id"
	LabelName           = "__name__"
	LabelJob            = "job"
	LabelInstance       = "instance"
)

// hashSeed keeps the identity hashes apart from other users of the same function.
const hashSeed = 0x9e3779b97f4a7c15

// MetricID returns the identity of a metric name: the upper half of its hash. Samples are sorted by it first, so that the series
// of one metric lie together on disk. Two names that share it are still told apart by their series' labels.
func MetricID(name string) uint32 { return uint32(Hash64(name) >> 32) }

// Hash64 returns a stable 64-bit hash of s. It is FNV-1a with a final mix (SplitMix64's), good enough for identities that are
// few; the gateway hashes whole label sets of series with a faster function (package gateway/series).
func Hash64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return mix64(h ^ hashSeed)
}

func mix64(z uint64) uint64 {
	z ^= z >> 30
	z *= 0xbf58476d1ce4e5b9
	z ^= z >> 27
	z *= 0x94d049bb133111eb
	return z ^ z>>31
}

// ResourceHash returns the identity of a set of attributes, independent of their order.
func ResourceHash(attrs []Label) uint64 {
	sorted := slices.Clone(attrs)
	slices.SortFunc(sorted, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	var buf []byte
	for _, a := range sorted {
		buf = AppendIdentity(buf, a.Name, a.Value)
	}
	return Hash64(string(buf))
}

// AppendIdentity appends one name and value, each with its length, so that no two label sets share an encoding.
func AppendIdentity(dst []byte, name, value string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	dst = append(dst, name...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// ResolveHost returns the host that attrs speak of: host.id, else host.name, else instance without its port, else "".
func ResolveHost(attrs []Label) string {
	for _, n := range []string{AttrHostID, AttrHostName, "host_id", "host_name", "host", "hostname"} {
		if v := Lookup(attrs, n); v != "" {
			return v
		}
	}
	return stripPort(Lookup(attrs, LabelInstance))
}

// HostDisplayName returns the name to show for the host of attrs: host.name where there is one, else ResolveHost.
func HostDisplayName(attrs []Label) string {
	for _, n := range []string{AttrHostName, "host_name", "host", "hostname"} {
		if v := Lookup(attrs, n); v != "" {
			return v
		}
	}
	return ResolveHost(attrs)
}

// ResolveService returns "namespace/name" or "name" of the service that attrs speak of, else the job, else "".
func ResolveService(attrs []Label) string {
	name := Lookup(attrs, AttrServiceName)
	for _, n := range []string{"service_name", "service", "app", LabelJob} {
		if name == "" {
			name = Lookup(attrs, n)
		}
	}
	if ns := Lookup(attrs, AttrServiceNS); ns != "" && name != "" {
		return ns + "/" + name
	}
	return name
}

// Lookup returns the value of the first label called name, or "".
func Lookup(labels []Label, name string) string {
	for i := range labels {
		if labels[i].Name == name {
			return labels[i].Value
		}
	}
	return ""
}

func stripPort(s string) string {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s
	}
	if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return s // a bare IPv6 address
	}
	return strings.Trim(s[:i], "[]")
}
