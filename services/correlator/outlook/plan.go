package outlook

import (
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// found is a series of the store.
type found struct {
	id     uint64
	metric uint32
	name   string
	labels []model.Label
}

// target is what is forecast.
type target struct {
	id       uint64
	kind     string
	resource string
	entity   model.Entity
	signal   model.SignalRef
	// series are what is read: one for a stock, all that are added up for a load. instances has for each whose it is.
	series    []found
	instances []string
	// rate says that the values of a load are rates and not those of counters.
	rate    bool
	measure measure
	// limit is the series with the limit, for measureUsed.
	limit found
}

// planner turns series into targets. It is pure, and its result does not depend on the order of the series.
type planner struct {
	maxStocks, maxLoads int
}

// plan returns the targets that there are, and how many were left out for want of room.
func (p planner) plan(all []found) (out []target, left int) {
	slices.SortFunc(all, func(a, b found) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return compareLabels(a.labels, b.labels)
	})
	byName := map[string][]found{}
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	stocks := p.stocks(all, byName)
	loads := p.loads(all)
	for _, l := range []struct {
		list []target
		most int
	}{{stocks, p.maxStocks}, {loads, p.maxLoads}} {
		left += max(len(l.list)-l.most, 0)
		out = append(out, l.list[:min(len(l.list), l.most)]...)
	}
	return out, left
}

// readOnly are types of file systems that are full by nature.
var readOnly = []string{"squashfs", "iso9660", "erofs", "cramfs", "ramfs"}

func (p planner) stocks(all []found, byName map[string][]found) []target {
	var out []target
	for _, f := range all {
		s, ok := stockOf(f.name)
		if !ok || !countable(f.labels) {
			continue
		}
		t := target{
			kind: store.ForecastExhaustion, resource: s.resource, entity: entityOf(f), measure: s.measure, series: []found{f},
			signal: model.SignalRef{SeriesID: f.id, Name: f.name, Labels: f.labels, Role: model.RoleUtilization},
		}
		if s.measure == measureUsed {
			if t.limit, ok = limitOf(f, s.limits, byName); !ok {
				continue
			}
			t.signal.Role = model.RoleUsage
		}
		t.id = model.Hash64(store.ForecastExhaustion + "\x00" + identity(f.name, f.labels))
		out = append(out, t)
	}
	return bestTold(out)
}

// countable reports whether a series is about something that can fill up: not a read-only file system, and of several states the used one.
func countable(labels []model.Label) bool {
	for _, l := range labels {
		n := strings.ToLower(l.Name)
		switch {
		case (strings.HasSuffix(n, "fstype") || strings.HasSuffix(n, "filesystem_type")) && slices.Contains(readOnly, l.Value):
			return false
		case strings.HasSuffix(n, "filesystem_mode") && l.Value == "ro":
			return false
		case (n == "state" || strings.HasSuffix(n, "_state")) && l.Value != "used":
			return false
		}
	}
	return true
}

// bestTold drops targets of which another says the same by a better measure: a share knows its limit.
func bestTold(all []target) []target {
	type thing struct {
		resource, place string
		entity          model.Entity
	}
	of := func(t *target) thing { return thing{t.resource, place(t.signal.Labels), t.entity} }
	groups := map[thing][]*target{}
	for i := range all {
		groups[of(&all[i])] = append(groups[of(&all[i])], &all[i])
	}
	drop := map[uint64]bool{}
	for i := range all {
		t := &all[i]
		if t.measure != measureLeft && t.measure != measureUsed {
			continue
		}
		for _, o := range groups[of(t)] {
			if o.measure == measureShare || o.measure == t.measure && betterName(o.signal.Name, t.signal.Name) || o.measure == measureLeft && t.measure == measureUsed {
				drop[t.id] = true
				break
			}
		}
	}
	return slices.DeleteFunc(all, func(t target) bool { return drop[t.id] })
}

// betterName prefers what is available to what is free, since some of that is reserved.
func betterName(a, b string) bool {
	return hasAny(parts(a), "avail", "available") && hasAny(parts(b), "free")
}

// placeLabels tell things of one entity apart, the first that is there: the mount point, the device, the volume, the queue, the instance.
var placeLabels = []string{"mountpoint", "persistentvolumeclaim", "device", "volume", "queue", "topic", "pool", "area", "pod", "container", "service_instance_id", "instance"}

// place returns what tells a thing from others of its entity, "" where nothing does.
func place(labels []model.Label) string {
	for _, suffix := range placeLabels {
		for _, l := range labels {
			if n := strings.ToLower(l.Name); n == suffix || strings.HasSuffix(n, "_"+suffix) {
				return l.Value
			}
		}
	}
	return ""
}

// limitOf finds the series with the limit of f: of one of the names, with no label that says otherwise, the one with most labels in common.
func limitOf(f found, names []string, byName map[string][]found) (found, bool) {
	for _, n := range names {
		best, most := found{}, -1
		for _, c := range byName[n] {
			common := 0
			for _, l := range c.labels {
				if v := model.Lookup(f.labels, l.Name); v == l.Value {
					common++
				} else {
					common = -1
					break
				}
			}
			if common > most {
				best, most = c, common
			}
		}
		if most > 0 {
			return best, true
		}
	}
	return found{}, false
}

// loads adds the counters of one name up by service, or by host for what is about machines.
func (p planner) loads(all []found) []target {
	var out []target
	index := map[uint64]int{}
	for _, f := range all {
		resource, rate, ok := loadOf(f.name)
		if !ok || idle(f.labels) {
			continue
		}
		e := entityOf(f)
		instance := e.Name
		if s := model.ResolveService(f.labels); e.Kind == model.KindInstance && s != "" {
			e = model.Entity{Kind: model.KindService, Name: s}
		} else if v := model.Lookup(f.labels, model.LabelInstance); v != "" && e.Kind == model.KindService {
			instance = v
		} else if rate {
			instance = "" // Of the whole service.
		}
		if e.Kind != model.KindService && !(e.Kind == model.KindHost && resource == resourceCPU) {
			continue
		}
		id := model.Hash64(store.ForecastLoad + "\x00" + e.String() + "\x00" + f.name)
		i, ok := index[id]
		if !ok {
			i = len(out)
			index[id] = i
			out = append(out, target{
				id: id, kind: store.ForecastLoad, resource: resource, entity: e, rate: rate,
				signal: model.SignalRef{Name: f.name, Labels: entityLabels(e), Role: model.RoleTraffic, Unit: "1/s"},
			})
		}
		if len(out[i].series) < maxAdded {
			out[i].series, out[i].instances = append(out[i].series, f), append(out[i].instances, instance)
		}
	}
	// A service that counts its requests under many names is told by the first of them.
	slices.SortStableFunc(out, func(a, b target) int {
		if c := a.entity.Compare(b.entity); c != 0 {
			return c
		}
		return strings.Compare(a.signal.Name, b.signal.Name)
	})
	return perEntity(out)
}

// Bounds of loads.
const (
	// maxAdded is how many series one load adds up.
	maxAdded = 2000
	// maxPerEntity is how many loads of one resource an entity has.
	maxPerEntity = 3
)

func perEntity(in []target) []target {
	n := map[string]int{}
	return slices.DeleteFunc(in, func(t target) bool {
		key := t.entity.String() + "\x00" + t.resource
		n[key]++
		return n[key] > maxPerEntity
	})
}

// idle reports whether a series counts time in which nothing was done.
func idle(labels []model.Label) bool {
	for _, l := range labels {
		if (strings.HasSuffix(l.Name, "mode") || strings.HasSuffix(l.Name, "state")) && (l.Value == "idle" || l.Value == "iowait") {
			return true
		}
	}
	return false
}

func entityOf(f found) model.Entity { return model.EntityOf(f.name, f.labels) }

// entityLabels are the labels of a load's series.
func entityLabels(e model.Entity) []model.Label {
	return []model.Label{{Name: string(e.Kind), Value: e.Name}}
}

func identity(name string, labels []model.Label) string {
	b := model.AppendIdentity(nil, model.LabelName, name)
	for _, l := range labels {
		b = model.AppendIdentity(b, l.Name, l.Value)
	}
	return string(b)
}

func compareLabels(a, b []model.Label) int {
	return slices.CompareFunc(a, b, func(x, y model.Label) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return strings.Compare(x.Value, y.Value)
	})
}
