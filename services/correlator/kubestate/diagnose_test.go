package kubestate_test

import (
	"testing"

	"github.com/faultline-io/faultline/services/correlator/kubestate"
)

// shop is a healthy cluster: front calls pay.
func shop() *kubestate.Cluster {
	c := &kubestate.Cluster{Namespace: "shop"}
	for i, name := range []string{"front", "pay"} {
		port := 7000 + i
		w := kubestate.Workload{Name: name, Desired: 1, Ready: 1, Labels: map[string]string{"app": name}, Account: name,
			Containers: []kubestate.Container{{Name: "server", Ports: []int{port}, Env: map[string]string{}, Liveness: &kubestate.Probe{Kind: "grpc", Port: port}, Readiness: &kubestate.Probe{Kind: "grpc", Port: port}}}}
		c.Workloads = append(c.Workloads, w)
		c.Pods = append(c.Pods, kubestate.Pod{Name: name + "-1-a", Workload: name, Node: "n1", Phase: "Running", Ready: true})
		c.Services = append(c.Services, kubestate.Service{Name: name, Selector: map[string]string{"app": name}, Ports: []kubestate.ServicePort{{Port: port, Target: port, Protocol: "TCP"}}, Endpoints: 1})
	}
	c.Workloads[0].Containers[0].Env["PAY_ADDR"] = "pay:7001"
	c.Nodes = []kubestate.Node{{Name: "m", Ready: true, Cordoned: true, ControlPlane: true}, {Name: "n1", Ready: true}, {Name: "n2", Ready: true}}
	return c
}

// pending takes pay's pod off its machine, with what the scheduler said.
func pending(c *kubestate.Cluster, said string) {
	c.Workloads[1].Ready = 0
	c.Pods[1].Node, c.Pods[1].Phase, c.Pods[1].Ready = "", "Pending", false
	if said != "" {
		c.Events = append(c.Events, kubestate.Event{Kind: "pod", Object: c.Pods[1].Name, Workload: "pay", Reason: "FailedScheduling", Message: said})
	}
}

// event adds one about pay's pod, and refused one about its pods that were not made.
func event(c *kubestate.Cluster, reason, message string) {
	c.Events = append(c.Events, kubestate.Event{Kind: "pod", Object: c.Pods[1].Name, Workload: "pay", Reason: reason, Message: message})
}

func refused(c *kubestate.Cluster, message string) {
	c.Workloads[1].Ready = 0
	c.Pods = c.Pods[:1]
	c.Events = append(c.Events, kubestate.Event{Kind: "replicaset", Object: "pay-1", Workload: "pay", Reason: "FailedCreate", Message: message})
}

func TestDiagnose(t *testing.T) {
	pay, shopName := "pay", "shop"
	for name, x := range map[string]struct {
		harm   func(c *kubestate.Cluster)
		object string
		cause  kubestate.Cause
	}{
		"healthy": {func(*kubestate.Cluster) {}, "", ""},
		"account": {func(c *kubestate.Cluster) {
			refused(c, `error looking up service account shop/pai: serviceaccount "pai" not found`)
		}, pay, kubestate.AccountMissing},
		"cpu quota": {func(c *kubestate.Cluster) {
			refused(c, `error looking up service account shop/pay: serviceaccount "pay" not found`)
			refused(c, `exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=9,requests.memory=1Gi, limited: requests.cpu=10`)
		}, shopName, kubestate.QuotaCPU},
		"pod quota": {func(c *kubestate.Cluster) {
			refused(c, `exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10`)
		}, shopName, kubestate.QuotaPods},
		"service quota": {func(c *kubestate.Cluster) { c.Services = c.Services[:1] }, shopName, kubestate.QuotaServices},
		"storage quota": {func(c *kubestate.Cluster) {
			pending(c, `0/3 nodes are available: persistentvolumeclaim "pay-data" not found. preemption: no`)
		}, shopName, kubestate.QuotaStorage},
		"no replicas": {func(c *kubestate.Cluster) { c.Workloads[1].Desired, c.Workloads[1].Ready = 0, 0 }, pay, kubestate.NoReplicas},
		"kubelet": {func(c *kubestate.Cluster) {
			c.Units = []kubestate.Unit{{Node: "n1", Name: "kubelet"}, {Node: "n2", Name: "kubelet", Active: true}}
		}, "n1", kubestate.KubeletDown},
		"runtime without units": {func(c *kubestate.Cluster) {
			c.Nodes[1].Ready, c.Nodes[1].Reason = false, "KubeletNotReady container runtime is down"
		}, "n1", kubestate.RuntimeDown},
		"scheduler": {func(c *kubestate.Cluster) { pending(c, "") }, "m", kubestate.SchedulerDown},
		"no cpu": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: 0/3")
		}, pay, kubestate.NoCPU},
		"selector": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3")
			c.Pods[1].NodeSelector = true
		}, pay, kubestate.NodeSelector},
		"affinity": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector.")
		}, pay, kubestate.NodeAffinity},
		"taint on the one it may go to": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 1 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity/selector.")
		}, pay, kubestate.Taint},
		"closed": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 2 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity/selector.")
		}, pay, kubestate.Cordoned},
		"anti affinity": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod anti-affinity rules.")
		}, pay, kubestate.AntiAffinity},
		"image name": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].Waiting = false, "ImagePullBackOff"
			event(c, "Failed", `Failed to pull image "r.example/pay:9": rpc error: code = NotFound`)
		}, pay, kubestate.ImageName},
		"registry": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].Waiting = false, "ErrImagePull"
			event(c, "Failed", `Failed to pull image "r.example/pay:9": dial tcp: lookup r.example: no such host`)
		}, pay, kubestate.ImageRegistry},
		"credentials": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].Waiting = false, "ErrImagePull"
			event(c, "Failed", `Failed to pull image "r.example/pay:9": failed to authorize: 403 Forbidden`)
		}, pay, kubestate.ImageCredentials},
		"memory": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].LastReason, c.Pods[1].Restarts = false, "OOMKilled", 3
		}, pay, kubestate.OutOfMemory},
		"volume": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].Waiting, c.Pods[1].Restarts = false, "CrashLoopBackOff", 4
			c.Logs = []kubestate.Log{{Workload: pay, Text: "can't open /data/log: Permission denied"}}
		}, pay, kubestate.VolumePermission},
		"liveness port": {func(c *kubestate.Cluster) {
			c.Workloads[1].Containers[0].Liveness.Port = 7009
			c.Pods[1].Restarts = 2
			event(c, "Unhealthy", `Liveness probe failed: failed to connect service "10.0.0.9:7009" within 1s`)
		}, pay, kubestate.LivenessPort},
		"readiness protocol": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready = false
			event(c, "Unhealthy", `Readiness probe failed: Get "http://10.0.0.9:7001/": malformed HTTP response`)
		}, pay, kubestate.ReadinessProtocol},
		"liveness timing": {func(c *kubestate.Cluster) {
			c.Pods[1].Ready, c.Pods[1].Restarts, c.Pods[1].Waiting = false, 4, "CrashLoopBackOff"
			event(c, "Unhealthy", `Liveness probe failed: failed to connect service "10.0.0.9:7001" within 1s`)
			event(c, "Killing", `Container server failed liveness probe, will be restarted`)
		}, pay, kubestate.LivenessTiming},
		"a probe that failed while it started": {func(c *kubestate.Cluster) {
			event(c, "Unhealthy", `Readiness probe failed: failed to connect service "10.0.0.9:7001" within 1s`)
		}, "", ""},
		"selects nothing": {func(c *kubestate.Cluster) { c.Services[1].Selector["app"] = "pai" }, pay, kubestate.ServiceSelector},
		"port":            {func(c *kubestate.Cluster) { c.Services[1].Ports[0].Target = 7005 }, pay, kubestate.ServicePortWrong},
		"named port": {func(c *kubestate.Cluster) {
			c.Services[1].Ports[0].Target, c.Services[1].Ports[0].TargetName = 0, "grpc"
		}, pay, kubestate.ServicePortWrong},
		"protocol": {func(c *kubestate.Cluster) { c.Services[1].Ports[0].Protocol = "UDP" }, pay, kubestate.ServiceProtocol},
		"address":  {func(c *kubestate.Cluster) { c.Workloads[0].Containers[0].Env["PAY_ADDR"] = "pay-old:7001" }, "front", kubestate.ServiceAddress},
		"claim size": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
			c.Claims = []kubestate.Claim{{Name: "pay-data", Size: 20, Modes: "RWO", UsedBy: []string{c.Pods[1].Name}}}
			c.Volumes = []kubestate.Volume{{Name: "v", Size: 10, Modes: "RWO"}}
		}, pay, kubestate.ClaimSize},
		"claim class": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
			c.Claims = []kubestate.Claim{{Name: "pay-data", Class: "fast", UsedBy: []string{c.Pods[1].Name}}}
			c.Volumes = []kubestate.Volume{{Name: "v"}}
		}, pay, kubestate.ClaimClass},
		"volume taken": {func(c *kubestate.Cluster) {
			pending(c, "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
			c.Claims = []kubestate.Claim{{Name: "pay-data", UsedBy: []string{c.Pods[1].Name}}}
			c.Volumes = []kubestate.Volume{{Name: "v", Claim: "other"}}
		}, pay, kubestate.VolumeTaken},
	} {
		t.Run(name, func(t *testing.T) {
			c := shop()
			x.harm(c)
			got := kubestate.Diagnose(c)
			switch {
			case x.cause == "" && len(got) > 0:
				t.Errorf("a reason without trouble: %+v", got)
			case x.cause != "" && (len(got) == 0 || got[0].Name != x.object || got[0].Cause != x.cause || got[0].Why == ""):
				t.Errorf("%+v, want %s of %s", got, x.cause, x.object)
			}
		})
	}
}
