package template

// Adopt is Learn for a shape whose template is known from before under an id, as after a restart. Shapes must come in the order in which
// they were first seen; then templates form as they did, and keep their ids.
func (m *Miner) Adopt(service string, shape, id uint64, line string) *Template {
	t := m.Learn(service, shape, line)
	if t == nil || id == 0 || t.ID == id {
		return t
	}
	if t.Shapes == 1 {
		t.ID = id // The first of its kind in this life; its name comes from an earlier one.
	}
	return t
}
