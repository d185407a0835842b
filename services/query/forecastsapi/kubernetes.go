package forecastsapi

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Of Kubernetes' external metrics API (k8s.io/metrics/pkg/apis/external_metrics/v1beta1).
const (
	// KubernetesPrefix is where it is.
	KubernetesPrefix = "/apis/external.metrics.k8s.io"
	groupVersion     = "external.metrics.k8s.io/v1beta1"
	// maxSelector bounds a label selector.
	maxSelector = 4096
)

func (h *handlers) registerKubernetes(r gin.IRouter) {
	r.GET(KubernetesPrefix+"/v1beta1", h.resources)
	r.GET(KubernetesPrefix+"/v1beta1/namespaces/:namespace/:metric", h.external)
}

// resource is an entry of an APIResourceList.
type resource struct {
	Name         string   `json:"name"`
	SingularName string   `json:"singularName"`
	Namespaced   bool     `json:"namespaced"`
	Kind         string   `json:"kind"`
	Verbs        []string `json:"verbs"`
}

// resources says which metrics there are, as kubectl get --raw and the discovery of the API server ask.
func (h *handlers) resources(c *gin.Context) {
	list := make([]resource, 0, 3)
	for _, n := range []string{nameLoad, namePeak, nameSeconds} {
		list = append(list, resource{Name: n, Namespaced: true, Kind: "ExternalMetricValueList", Verbs: []string{"get"}})
	}
	c.JSON(http.StatusOK, gin.H{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": list})
}

// metricValue is an ExternalMetricValue.
type metricValue struct {
	Name      string            `json:"metricName"`
	Labels    map[string]string `json:"metricLabels"`
	Timestamp time.Time         `json:"timestamp"`
	Value     string            `json:"value"`
}

// external answers an HPA: the values of a name whose labels fit the selector. The labels are those of the published series. The namespace says
// nothing here: what is forecast does not lie in one.
func (h *handlers) external(c *gin.Context) {
	name := c.Param("metric")
	text := c.Query("labelSelector")
	selector, err := labels.Parse(text)
	switch {
	case name != nameLoad && name != namePeak && name != nameSeconds:
		refuse(c, http.StatusNotFound, "NotFound", "there is no external metric "+name)
		return
	case err != nil || len(text) > maxSelector:
		refuse(c, http.StatusBadRequest, "BadRequest", "labelSelector cannot be read")
		return
	}
	rows, err := h.latest(c.Request.Context(), clickhouse.ForecastFilter{}, name)
	if err != nil {
		p := problem.From(err, "")
		refuse(c, p.Status, "ServiceUnavailable", p.Detail)
		return
	}
	items := []metricValue{}
	for i := range rows {
		items = append(items, h.values(&rows[i], name, selector)...)
	}
	c.JSON(http.StatusOK, gin.H{"kind": "ExternalMetricValueList", "apiVersion": groupVersion, "metadata": gin.H{}, "items": items})
}

// values returns the values of a forecast that fit a selector: for each quantile and, for loads, each distance.
func (h *handlers) values(r *store.ForecastRow, name string, selector labels.Selector) []metricValue {
	aheads := []string{"15m", "30m", "1h", "2h", "6h", "12h", "24h", "168h"}
	if want, ok := selector.RequiresExactMatch("ahead"); ok {
		aheads = []string{want}
	}
	if name == nameSeconds {
		aheads = []string{""}
	}
	now := h.now()
	var out []metricValue
	for _, a := range aheads {
		ahead := time.Duration(0)
		if a != "" {
			var err error
			if ahead, err = timeparam.Duration(a); err != nil {
				continue
			}
		}
		for _, q := range []string{"0.025", "0.1", "0.5", "0.9", "0.975"} {
			set := labels.Set{"target": idOf(r.TargetID), "metric": r.Signal.Name, "resource": r.Resource, "quantile": q, "entity_kind": string(r.Entity.Kind), "entity": r.Entity.Name}
			for _, l := range r.Signal.Labels {
				if _, taken := set[l.Name]; !taken {
					set[l.Name] = l.Value
				}
			}
			if a != "" {
				set["ahead"] = a
			}
			if !selector.Matches(set) {
				continue
			}
			if v, ok := valueOf(r, name, q, ahead, now); ok {
				out = append(out, metricValue{Name: name, Labels: set, Timestamp: time.UnixMilli(r.MadeMS).UTC(), Value: quantity(v)})
			}
		}
	}
	return out
}

// quantity writes a number as Kubernetes does: whole, or in thousandths with an m.
func quantity(v float64) string {
	switch {
	case math.IsNaN(v):
		return "0"
	case math.Abs(v) >= 1e15:
		return strconv.FormatInt(int64(min(max(v, -9e18), 9e18)), 10)
	case v == math.Trunc(v):
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatInt(int64(math.Round(v*1000)), 10) + "m"
}

// refuse answers with a Status, as Kubernetes' clients read errors.
func refuse(c *gin.Context, code int, reason, message string) {
	c.JSON(code, gin.H{"kind": "Status", "apiVersion": "v1", "metadata": gin.H{}, "status": "Failure", "message": message, "reason": reason, "code": code})
}
