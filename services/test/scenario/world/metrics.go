package world

// Which series there are: names, types and units as the usual instrumentation has them.

// hostGauges are what an agent measures of its machine.
func (w *World) hostGauges(h *host) []*gauge {
	if all := w.senders.hostSeries[h]; all != nil {
		return all
	}
	c := w.catalog("host_id", h.name, "host_name", h.name)
	c.gauge("system_cpu_utilization_ratio", "1", 0.02, func() float64 { return h.busy })
	c.counter("system_cpu_time_seconds_total", "s", func() float64 { return h.cpuSec }, "state", "user")
	c.gauge("system_cpu_load_average_1m", "", 0.02, func() float64 { return h.load })
	c.gauge("system_memory_utilization_ratio", "1", 0.003, func() float64 { return min(1, h.memory/h.Memory) })
	c.gauge("system_memory_usage_bytes", "By", 0.003, func() float64 { return min(h.Memory, h.memory) }, "state", "used")
	c.exact("system_memory_limit_bytes", "By", func() float64 { return h.Memory })
	c.exact("system_filesystem_usage_bytes", "By", h.diskUsed, "mountpoint", "/", "state", "used")
	c.exact("system_filesystem_utilization_ratio", "1", func() float64 { return h.diskUsed() / h.Disk }, "mountpoint", "/")
	c.counter("system_disk_io_time_seconds_total", "s", func() float64 { return h.ioSec }, "system_device", "sda")
	c.counter("system_disk_operations_total", "{operation}", func() float64 { return h.ioOps }, "system_device", "sda", "disk_io_direction", "write")
	c.counter("system_network_io_bytes_total", "By", func() float64 { return h.netBytes }, "network_interface_name", "eth0", "network_io_direction", "transmit")
	c.counter("system_network_errors_total", "{error}", func() float64 { return h.netErrors }, "network_interface_name", "eth0")
	c.counter("system_network_retransmits_total", "{segment}", func() float64 { return h.retransmits })
	c.counter("system_linux_oom_kills_total", "{kill}", func() float64 { return h.oomKills })
	c.gauge("system_process_count", "{process}", 0.01, func() float64 { return 140 + 3*h.hogCPU })
	c.gauge("system_clock_offset_seconds", "s", 0.2, func() float64 { return 0.0004 + float64(h.skewMS)/1000 })
	for _, p := range w.parts {
		for _, i := range p.instances {
			if i.host == h && p.Kind == Service && !w.spec.Sends.Pods {
				c.counter("container_restarts_total", "{restart}", func() float64 { return i.restarts }, "service_name", p.name, "service_instance_id", i.name)
			}
		}
	}
	w.senders.hostSeries[h] = c.out
	return c.out
}

// instanceGauges are what a process tells of itself.
func (w *World) instanceGauges(i *instance) []*gauge {
	if i.series == nil {
		if i.part.Kind == Service {
			i.series = w.serviceGauges(i)
		} else {
			i.series = w.serverGauges(i)
		}
	}
	return i.series
}

// serviceGauges are OpenTelemetry's.
func (w *World) serviceGauges(i *instance) []*gauge {
	p := i.part
	labels := []string{"host_name", i.host.name, "instance", i.name, "job", p.name, "service_name", p.name, "service_version", i.version}
	if w.spec.Sends.Pods {
		labels = append(labels, "k8s_node_name", i.host.name, "k8s_pod_name", i.name)
	}
	c := w.catalog(labels...)
	for k, o := range p.ops {
		f := &i.flow[k]
		if p.queue != nil {
			c.counter("messaging_client_consumed_messages_total", "{message}", func() float64 { return f.good + f.bad }, "messaging_destination_name", p.queue.name)
			c.counter("messaging_client_failed_messages_total", "{message}", func() float64 { return f.bad }, "messaging_destination_name", p.queue.name)
			c.times("messaging_process_duration_seconds", func() float64 { return f.good + f.bad }, func() float64 { return f.sum }, "messaging_destination_name", p.queue.name)
			continue
		}
		c.times("http_server_request_duration_seconds", func() float64 { return f.good }, nil, "http_route", o.Name, "http_response_status_code", "200")
		c.times("http_server_request_duration_seconds", func() float64 { return f.bad }, nil, "http_route", o.Name, "http_response_status_code", "500")
		// The time is known by route: senders that keep it by code too make sums of errors, which nothing here needs.
		c.add("http_server_request_duration_seconds_sum", "http_server_request_duration_seconds", "histogram", "s", func() float64 { return f.sum }, "http_route", o.Name, "http_response_status_code", "200")
	}
	c.gauge("http_server_active_requests", "{request}", 0.1, func() float64 { return i.inflight })
	w.processGauges(c, i)
	for k, x := range p.pools {
		c.gauge("db_client_connection_count", "{connection}", 0.05, func() float64 { return min(x.size, i.poolUse[k]*max(x.size-i.connsLeaked, 0)+i.connsLeaked) }, "db_client_connection_pool_name", x.to.name, "db_client_connection_state", "used")
		c.exact("db_client_connection_max", "{connection}", func() float64 { return x.size }, "db_client_connection_pool_name", x.to.name)
		c.gauge("db_client_connection_wait_time_seconds", "s", 0.1, func() float64 { return i.poolWait[k] }, "db_client_connection_pool_name", x.to.name)
	}
	if p.Managed {
		c.gauge("jvm_memory_used_bytes", "By", 0.002, func() float64 { return i.memory }, "jvm_memory_type", "heap")
		c.exact("jvm_memory_limit_bytes", "By", func() float64 { return p.Limit }, "jvm_memory_type", "heap")
		c.times("jvm_gc_duration_seconds", func() float64 { return i.gcRuns }, func() float64 { return i.gcSec })
	}
	return c.out
}

func (w *World) processGauges(c *catalog, i *instance) {
	c.counter("process_cpu_time_seconds_total", "s", func() float64 { return i.cpuSec })
	c.gauge("process_memory_usage_bytes", "By", 0.003, func() float64 { return i.memory })
	c.exact("process_memory_limit_bytes", "By", func() float64 { return i.part.Limit })
	c.gauge("process_thread_count", "{thread}", 0.02, i.threadCount)
	c.gauge("process_open_file_descriptor_count", "{file}", 0.02, i.files)
	c.exact("process_file_descriptor_limit", "{file}", func() float64 { return maxFiles })
	c.exact("process_uptime_seconds", "s", func() float64 { return float64(w.nowMS-i.startMS) / 1000 })
}

// serverGauges are what an exporter tells of a database, a cache or a queue. The first one is up.
func (w *World) serverGauges(i *instance) []*gauge {
	p := i.part
	c := w.catalog("host", i.host.name, "instance", i.name+":9187", "job", p.name)
	c.exact("up", "", func() float64 {
		if i.up {
			return 1
		}
		return 0
	})
	switch p.Kind {
	case Database:
		for k, o := range p.ops {
			f := &i.flow[k]
			c.counter("db_queries_total", "", func() float64 { return f.good + f.bad }, "query", o.Name)
			c.counter("db_query_errors_total", "", func() float64 { return f.bad }, "query", o.Name)
			c.add("db_query_duration_seconds_sum", "db_query_duration_seconds", "summary", "s", func() float64 { return f.sum }, "query", o.Name)
			c.add("db_query_duration_seconds_count", "db_query_duration_seconds", "summary", "s", func() float64 { return f.good + f.bad }, "query", o.Name)
		}
		c.gauge("db_connections_active", "", 0.05, func() float64 { return min(p.threads, i.inflight+i.stuck) })
		c.exact("db_connections_limit", "", func() float64 { return p.threads })
		c.gauge("db_queries_waiting", "", 0.05, func() float64 { return i.backlog })
		c.gauge("db_locks_held", "", 0.1, func() float64 { return 3 + i.stuck })
	case Cache:
		c.counter("cache_hits_total", "", func() float64 { return p.hits })
		c.counter("cache_misses_total", "", func() float64 { return p.misses })
		c.gauge("cache_items", "", 0.005, func() float64 { return 200_000 * p.hit })
	case Queue:
		c.exact("queue_messages_ready", "", func() float64 { return p.ready })
		c.counter("queue_messages_published_total", "", func() float64 { return p.published })
		c.counter("queue_messages_delivered_total", "", func() float64 { return p.delivered })
	}
	c.counter("process_cpu_seconds_total", "seconds", func() float64 { return i.cpuSec })
	c.gauge("process_resident_memory_bytes", "bytes", 0.003, func() float64 { return i.memory })
	c.gauge("process_open_fds", "", 0.02, i.files)
	return c.out
}

// partGauges are those of a part as a whole: what a prober sees of an entry point, and its certificate.
func (w *World) partGauges(p *part) []*gauge {
	if all, ok := w.senders.partSeries[p]; ok {
		return all
	}
	c := w.catalog("job", "probe", "service_name", p.name)
	if p.Certificate {
		c.exact("probe_ssl_earliest_cert_expiry", "", func() float64 { return float64(p.expiryMS / 1000) })
	}
	if l := w.loadOf(p); l != nil {
		c.exact("probe_success", "", func() float64 {
			if p.expired || w.look.Float64() < l.op.fail {
				return 0
			}
			return 1
		})
		c.gauge("probe_duration_seconds", "", 0.1, func() float64 {
			if p.expired {
				return handshake
			}
			return min(10, l.op.resp)
		})
	}
	w.senders.partSeries[p] = c.out
	return c.out
}

func (w *World) loadOf(p *part) *load {
	for _, l := range w.loads {
		if l.op.part == p {
			return l
		}
	}
	return nil
}

// edgeGauges are what a mesh tells of a pair.
func (w *World) edgeGauges(e *edge) []*gauge {
	if all := w.senders.edgeSeries[e]; all != nil {
		return all
	}
	c := w.catalog("job", "mesh", "source_workload", e.from.name, "destination_workload", e.to.name)
	c.counter("mesh_requests_total", "", func() float64 { return e.good }, "response_code", "200")
	c.counter("mesh_requests_total", "", func() float64 { return e.bad }, "response_code", "503")
	c.add("mesh_request_duration_seconds_sum", "mesh_request_duration_seconds", "histogram", "s", func() float64 { return e.seconds })
	c.add("mesh_request_duration_seconds_count", "mesh_request_duration_seconds", "histogram", "s", func() float64 { return e.good + e.bad })
	w.senders.edgeSeries[e] = c.out
	return c.out
}
