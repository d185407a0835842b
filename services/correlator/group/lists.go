package group

import "github.com/faultline-io/faultline/services/model"

// Open returns copies of the incidents that are not over, by start and id.
func (g *Grouper) Open() []*model.Incident {
	var out []*model.Incident
	for _, i := range g.sorted() {
		if i.M.State == model.IncidentOpen || i.M.State == model.IncidentQuiet {
			out = append(out, clone(&i.M))
		}
	}
	return out
}

// PartOf returns the newest incident that was split from another, "" for none.
func (g *Grouper) PartOf(id string) string {
	part := ""
	for _, i := range g.sorted() {
		if i.M.SplitFrom == id {
			part = i.M.ID
		}
	}
	return part
}
