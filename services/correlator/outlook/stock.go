package outlook

import (
	"strings"
)

// Resources that run out.
const (
	resourceDisk        = "disk"
	resourceInodes      = "inodes"
	resourceMemory      = "memory"
	resourceDescriptors = "descriptors"
	resourceConnections = "connections"
	resourceQueue       = "queue"
	resourceQuota       = "quota"
	resourceCertificate = "certificate"
	resourceEntries     = "entries" // Tables of the kernel: tracked connections, processes.
)

// Resources that are loaded.
const (
	resourceRequests = "requests"
	resourceCPU      = "cpu"
)

// measure says how the values of a series tell how much there is.
type measure uint8

const (
	measureNone   measure = iota
	measureShare          // A share of what there is; it ends at 1, or at 100 where values are above 1.
	measureLeft           // What is left; it ends at 0.
	measureUsed           // What is used; another series has the limit.
	measureMoment         // The Unix time, in seconds, at which it ends.
	measureRest           // Seconds until it ends.
	measureDays           // Days until it ends.
)

// stock is what a name says of something that runs out.
type stock struct {
	resource string
	measure  measure
	// limits are the names that the limit may have, for measureUsed.
	limits []string
}

// resourceWords give a resource to names, the first with a word in the name wins. Words match whole parts.
var resourceWords = []struct {
	resource string
	words    []string
}{
	{resourceCertificate, []string{"cert", "certs", "certificate", "certificates", "ssl", "tls", "x509"}},
	{resourceQuota, []string{"quota", "resourcequota"}},
	{resourceInodes, []string{"inodes", "inode", "filesystem_files"}},
	{resourceDescriptors, []string{"fds", "fd", "filefd", "descriptors", "file_descriptor", "file_descriptors"}},
	{resourceQueue, []string{"queue", "lag", "backlog"}},
	{resourceEntries, []string{"conntrack", "pids", "processes"}},
	{resourceConnections, []string{"connections", "connection", "conns", "threads_connected", "clients", "numbackends", "sessions"}},
	{resourceDisk, []string{"filesystem", "disk", "fs", "volume", "storage", "tablespace", "pvc"}},
	{resourceMemory, []string{"memory", "mem", "heap", "working_set", "rss"}},
}

// knownLimits are pairs of names that do not follow from each other.
var knownLimits = map[string]string{
	"container_memory_working_set_bytes":    "container_spec_memory_limit_bytes",
	"mysql_global_status_threads_connected": "mysql_global_variables_max_connections",
	"redis_connected_clients":               "redis_config_maxclients",
	"node_filefd_allocated":                 "node_filefd_maximum",
	"pg_stat_database_numbackends":          "pg_settings_max_connections",
	"node_processes_pids":                   "node_processes_max_processes",
}

// usedWords are parts of a name that say "how much", each with those that say "of how much" in the same place.
var usedWords = []struct {
	used   string
	limits []string
}{
	{"used", []string{"max", "limit", "total", "capacity", "size", "hard"}},
	{"usage", []string{"limit", "max", "capacity"}},
	{"open", []string{"max", "limit"}},
	{"active", []string{"max", "limit"}},
	{"current", []string{"max", "limit"}},
	{"count", []string{"max", "limit"}},
	{"entries", []string{"entries_limit", "max_entries"}},
}

// stockOf returns what a name says of something that runs out; ok is false for other names.
func stockOf(name string) (s stock, ok bool) {
	p := parts(name)
	for _, r := range resourceWords {
		if hasAny(p, r.words...) {
			s.resource = r.resource
			break
		}
	}
	switch {
	case hasAny(p, "expiry", "expires", "expire", "expiration", "not_after", "notafter", "valid_until"):
		if s.resource == "" {
			s.resource = resourceCertificate
		}
		s.measure = endOf(p)
		return s, true
	case s.resource == "" || s.resource == resourceCertificate || hasAny(p, "pressure", "io", "bucket", "sum"):
		return s, false
	case hasAny(p, "utilization", "utilisation", "used_percent", "usage_percent", "percent_used", "used_ratio", "usage_ratio", "fill_ratio"):
		s.measure = measureShare
		return s, true
	case hasAny(p, "avail", "available", "free", "remaining", "left"):
		// Memory that is free is not what is available: caches give way.
		if s.resource == resourceMemory && !hasAny(p, "avail", "available", "remaining") {
			return s, false
		}
		s.measure = measureLeft
		return s, !strings.HasSuffix(p, "_total_")
	}
	if s.limits = limitNames(name); len(s.limits) > 0 && !strings.HasSuffix(p, "_total_") {
		s.measure = measureUsed
		return s, true
	}
	return s, false
}

// endOf tells the forms in which an end is given. A number of seconds may be either; its size tells.
func endOf(p string) measure {
	switch {
	case hasAny(p, "days"):
		return measureDays
	case hasAny(p, "in", "left", "remaining", "until"):
		return measureRest
	}
	return measureMoment
}

// leastMoment is the least number of seconds that is taken for a moment: the year 2001. A certificate is not valid for thirty years.
const leastMoment = 1e9

// limitNames returns names under which the limit of a name may be found.
func limitNames(name string) []string {
	var out []string
	if l, ok := knownLimits[name]; ok {
		out = append(out, l)
	}
	p := "_" + name + "_"
	for _, w := range usedWords {
		if !strings.Contains(p, "_"+w.used+"_") {
			continue
		}
		for _, l := range w.limits {
			out = append(out, strings.Trim(strings.Replace(p, "_"+w.used+"_", "_"+l+"_", 1), "_"))
		}
	}
	return out
}

// rateSuffix ends the names of our own series of requests, which are rates already; see docs/formats/derived.md. Those of operations and of
// calls are parts of what a service takes.
const rateSuffix = "_requests_per_second"

// loadOf returns what load a name tells of, and whether its values are rates and not those of a counter; ok is false for other names.
func loadOf(name string) (resource string, rate, ok bool) {
	p := parts(name)
	counter := strings.HasSuffix(p, "_total_") || strings.HasSuffix(p, "_count_")
	switch {
	case strings.HasSuffix(name, rateSuffix) && !strings.HasPrefix(name, "operation_") && !strings.HasPrefix(name, "edge_"):
		return resourceRequests, true, true
	case !counter || hasAny(p, "error", "errors", "failed", "failures", "dropped", "rejected", "retries", "gc", "scrape", "sum", "bucket"):
		return "", false, false
	case hasAny(p, "cpu") && hasAny(p, "seconds", "time", "usage"):
		return resourceCPU, false, true
	case hasAny(p, "requests", "request", "calls", "queries", "messages", "rpc", "rpcs", "transactions", "handled", "sessions", "orders"):
		return resourceRequests, false, true
	}
	return "", false, false
}

// parts cuts a name into lower-case parts at separators and where a small letter is followed by a capital, with one underscore between them and at
// both ends.
func parts(name string) string {
	b := make([]byte, 1, len(name)+8)
	b[0] = '_'
	last := byte('_')
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if last >= 'a' && last <= 'z' {
				b = append(b, '_')
			}
			b = append(b, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b = append(b, c)
		case b[len(b)-1] != '_':
			b = append(b, '_')
		}
		last = c
	}
	if b[len(b)-1] != '_' {
		b = append(b, '_')
	}
	return string(b)
}

func hasAny(p string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(p, "_"+w+"_") {
			return true
		}
	}
	return false
}
