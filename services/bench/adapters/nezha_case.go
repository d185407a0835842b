package adapters

import (
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

const (
	// nezhaAfter is how long after the injection a case is looked at: the three minutes of the fault, and one for what lags behind.
	nezhaAfter = 240_000
	// nezhaPast is how much of the day before a case is shown.
	nezhaPast = 4 * 3_600_000
)

// NezhaCases returns a case for each fault, given the time of injection.
func NezhaCases(dir string, o Options) ([]quality.CauseCase, error) {
	days, err := Nezha(dir, o)
	if err != nil {
		return nil, err
	}
	var out []quality.CauseCase
	for _, d := range days {
		for _, f := range d.Faults {
			onset := o.Renamer.Time(f.InjectUnix * 1000)
			c := quality.CauseCase{
				Name: o.Renamer.Name(f.ID), System: "nezha-" + f.System, Fault: f.Fault, Truth: []string{o.Renamer.Name(f.Service)},
				Input: rootcause.Input{OnsetMS: onset, NowMS: onset + nezhaAfter, Edges: d.edges, Windows: within(d.windows, onset-nezhaPast, onset+nezhaAfter)},
			}
			switch f.Fault {
			case "network_delay":
				c.Roles = []model.Role{model.RoleGap}
			case "cpu_contention", "cpu_consumed":
				for _, n := range []string{"CpuUsage", "CpuUsageRate"} {
					c.Indicators = append(c.Indicators, o.Renamer.Name(n))
				}
				c.Roles = []model.Role{model.RoleSelfTime}
			}
			out = append(out, c)
		}
	}
	return out, nil
}
