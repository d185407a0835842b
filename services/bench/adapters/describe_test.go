package adapters

import (
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/kubestate"
)

const madeDeployment = `Name:                   pay
Labels:                 app=pay
Replicas:               2 desired | 2 updated | 2 total | 1 available | 1 unavailable
Pod Template:
  Labels:           app=pay
                    tier=back
  Service Account:  pay
  Containers:
   server:
    Image:      registry.example/pay:1
    Ports:      7000/TCP (grpc), 7001/TCP
    Limits:
      cpu:     200m
      memory:  5Mi
    Liveness:   grpc <pod>:7002  delay=1s timeout=1s period=1s #success=1 #failure=1
    Environment:
      DB_ADDR:  db:5432
      MODE:     fast
  Node-Selectors:  disk=ssd
Events:
  Type     Reason        Age                From                   Message
  ----     ------        ----               ----                   -------
  Warning  FailedCreate  12s (x3 over 29s)  replicaset-controller  exceeded quota
`

func TestDescribeDeployment(t *testing.T) {
	d := readDescription(madeDeployment)
	w := d.workload()
	c := w.Containers[0]
	if w.Name != "pay" || w.Desired != 2 || w.Ready != 1 || w.Labels["tier"] != "back" || !w.NodeSelector || len(w.Containers) != 1 {
		t.Errorf("%+v", w)
	}
	if len(c.Ports) != 2 || c.Ports[1] != 7001 || c.PortNames[0] != "grpc" || c.MemoryLimit != 5<<20 || c.Env["DB_ADDR"] != "db:5432" || c.Liveness == nil ||
		*c.Liveness != (kubestate.Probe{Kind: "grpc", Port: 7002, DelayS: 1, PeriodS: 1, Failures: 1}) {
		t.Errorf("%+v %+v", c, c.Liveness)
	}
	if e := d.events(); len(e) != 1 || e[0].Reason != "FailedCreate" || e[0].Message != "exceeded quota" {
		t.Errorf("%+v", e)
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(madeDeployment)
	f.Add("Name: x\nPort:\nTargetPort: http/TCP\nEndpoints:  <none>\nEvents:\n")
	f.Add("Conditions:\n  Ready  False  x y\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := readDescription(text)
		d.workload()
		d.pod()
		d.service()
		d.node()
		d.volume()
		d.claim()
		d.quotas()
		for _, e := range append(d.events(), eventTable(text)...) {
			if e.Reason == "" || strings.Contains(e.Reason, "\n") {
				t.Errorf("%+v", e)
			}
		}
		manifest(&kubestate.Cluster{Claims: []kubestate.Claim{{Name: "x"}}}, text)
	})
}
