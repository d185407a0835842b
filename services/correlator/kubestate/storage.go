package kubestate

import (
	"strings"
)

// storage looks at claims that get no volume, and says in what they differ from the volumes that are there.
func (d *diagnosis) storage() {
	for i := range d.Claims {
		c := &d.Claims[i]
		if c.Bound {
			continue
		}
		who := d.owner(c)
		for k := range d.Volumes {
			v := &d.Volumes[k]
			switch {
			case v.Claim != "" && v.Claim != c.Name:
				d.add(KindWorkload, who, VolumeTaken, weightRefused, "%s has no volume, and %s belongs to %s", c.Name, v.Name, v.Claim)
			case c.Class != v.Class:
				d.add(KindWorkload, who, ClaimClass, weightRefused, "%s wants class %q, and %s is of class %q", c.Name, c.Class, v.Name, v.Class)
			case c.Size > v.Size && v.Size > 0:
				d.add(KindWorkload, who, ClaimSize, weightRefused, "%s wants %d bytes, and %s has %d", c.Name, c.Size, v.Name, v.Size)
			case c.Modes != "" && !within(c.Modes, v.Modes):
				d.add(KindWorkload, who, ClaimModes, weightRefused, "%s wants %s, and %s gives %s", c.Name, c.Modes, v.Name, v.Modes)
			case c.Selector:
				d.add(KindWorkload, who, ClaimSelector, weightRefused, "%s selects by labels, and %s would fit in all else", c.Name, v.Name)
			}
		}
	}
}

// owner returns the workload that waits for a claim.
func (d *diagnosis) owner(c *Claim) string {
	for _, p := range c.UsedBy {
		for i := range d.Pods {
			if d.Pods[i].Name == p {
				return d.Pods[i].Workload
			}
		}
	}
	for i := range d.Pods {
		if p := &d.Pods[i]; p.Phase == "Pending" && strings.HasPrefix(c.Name, p.Workload) {
			return p.Workload
		}
	}
	return ""
}

// within reports whether all modes of a list are in another.
func within(want, have string) bool {
	for _, m := range strings.Split(want, ",") {
		if !strings.Contains(have, strings.TrimSpace(m)) {
			return false
		}
	}
	return true
}
