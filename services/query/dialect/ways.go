package dialect

import (
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// unknown is the error of a function that PromQL does not have, with the way to say it where there is one.
func unknown(name string) error {
	if way, ok := ways(name); ok {
		return refuse(name, way)
	}
	return errs.New(errs.Invalid, "%s is a function of MetricsQL that PromQL does not have", name)
}

// ways says how PromQL puts what MetricsQL has a function for. None of these is exact in all cases, or they would be translated.
func ways(name string) (string, bool) {
	const whole = "over the range of the graph, for example "
	switch {
	case strings.HasPrefix(name, "rollup"):
		return rollupWay(name), true
	case strings.HasPrefix(name, "topk_"), strings.HasPrefix(name, "bottomk_"):
		k, by, _ := strings.Cut(name, "_")
		return "a and " + k + "(5, " + by + "_over_time(a[1h] @ end()))", true
	case name == "range_quantile", name == "range_median":
		return "quantile_over_time(0.5, (a)[1h:1m] @ end()) " + whole + "1h by 1m", true
	case strings.HasPrefix(name, "range_"):
		of := strings.TrimPrefix(name, "range_")
		switch of {
		case "avg", "min", "max", "sum", "first", "last", "stddev", "stdvar", "mad":
			return of + "_over_time((a)[1h:1m] @ end()) " + whole + "1h by 1m", true
		}
	case strings.HasPrefix(name, "running_"):
		switch of := strings.TrimPrefix(name, "running_"); of {
		case "avg", "min", "max", "sum":
			return of + "_over_time((a)[1h:1m]) over the time behind each point", true
		}
	}
	way, ok := simple[name]
	return way, ok
}

func rollupWay(name string) string {
	switch name {
	case "rollup_rate":
		return "min_over_time(rate(a[1m])[1h:1m]), and avg_over_time and max_over_time of the same"
	case "rollup_increase", "rollup_delta", "rollup_deriv":
		f := strings.TrimPrefix(name, "rollup_")
		return "min_over_time(" + f + "(a[1m])[1h:1m]), and avg_over_time and max_over_time of the same"
	}
	return "min_over_time(a[5m]), avg_over_time(a[5m]) and max_over_time(a[5m])"
}

// simple are single functions.
var simple = map[string]string{
	"union":               "a or b",
	"alias":               `label_replace(a, "__name__", "the_name", "", "")`,
	"label_set":           `label_replace(a, "label", "value", "", "")`,
	"label_del":           "an aggregation: max without(label) (a)",
	"label_keep":          "an aggregation: max by(label) (a)",
	"label_copy":          `label_replace(a, "to", "$1", "from", "(.*)")`,
	"label_move":          `label_replace of label_replace, with "$1" and "(.*)"`,
	"label_transform":     `label_replace(a, "label", "...$1...", "label", "(.*)")`,
	"label_match":         `a selector: a{label=~"..."}`,
	"label_mismatch":      `a selector: a{label!~"..."}`,
	"label_value":         "count_values or a join; PromQL does not read numbers from labels",
	"increase_pure":       "increase(a[5m])",
	"increase_prometheus": "increase(a[5m])",
	"delta_prometheus":    "delta(a[5m])",
	"rate_prometheus":     "rate(a[5m])",
	"rate_over_sum":       "sum_over_time(a[5m]) / 300",
	"default_rollup":      "last_over_time(a[5m])",
	"median_over_time":    "quantile_over_time(0.5, a[5m])",
	"count_eq_over_time":  "count_over_time((a == 1)[5m:15s])",
	"count_ne_over_time":  "count_over_time((a != 1)[5m:15s])",
	"count_gt_over_time":  "count_over_time((a > 1)[5m:15s])",
	"count_le_over_time":  "count_over_time((a <= 1)[5m:15s])",
	"share_gt_over_time":  "avg_over_time((a > bool 1)[5m:15s])",
	"share_le_over_time":  "avg_over_time((a <= bool 1)[5m:15s])",
	"share_eq_over_time":  "avg_over_time((a == bool 1)[5m:15s])",
	"range_over_time":     "max_over_time(a[5m]) - min_over_time(a[5m])",
	"integrate":           "avg_over_time(a[1h]) * 3600",
	"lag":                 "time() - timestamp(a)",
	"tlast_over_time":     "ts_of_last_over_time(a[5m])",
	"tfirst_over_time":    "ts_of_first_over_time(a[5m])",
	"tmax_over_time":      "ts_of_max_over_time(a[5m])",
	"tmin_over_time":      "ts_of_min_over_time(a[5m])",
	"timestamp_with_name": "timestamp(a)",
	"any":                 "limitk(1, a) by (label)",
	"share":               "a / on() group_left sum(a)",
	"zscore":              "(a - on() group_left avg(a)) / on() group_left stddev(a)",
	"distinct":            `count(count_values("v", a))`,
	"geomean":             "exp(avg(ln(a)))",
	"sum2":                "sum(a ^ 2)",
	"quantiles":           "quantile(0.5, a), and one more for each",
	"histogram_quantiles": "histogram_quantile(0.5, a), and one more for each",
	"histogram_share":     "histogram_fraction(0, 0.1, a) of native histograms, or a_bucket{le=\"0.1\"} / ignoring(le) a_count",
	"now":                 "time(), which is the time of each point",
	"ru":                  "clamp_min(max - free, 0) / max * 100",
}
