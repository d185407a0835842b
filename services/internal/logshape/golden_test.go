package logshape

// goldens calls f with lines and their hashes under version 1.
func goldens(f func(line string, want uint64)) {
	f("10.1.2.3 - - [20/Nov/2026:10:00:00 +0000] \"GET /api/v1/orders/12 HTTP/1.1\" 200 512 \"-\" \"curl/8.5.0\" rt=0.080 uct=0.002 urt=0.070", 0x35b06ad219037d74)
	f("{\"ts\":\"2026-11-20T00:00:00.123456789Z\",\"level\":\"info\",\"msg\":\"order placed\",\"trace_id\":\"af\",\"user_id\":7,\"http\":{\"method\":\"POST\",\"status\":200}}", 0x9cd3b836da2778d0)
	f("{\"ts\":\"2026-11-20T00:00:01Z\",\"level\":\"info\",\"msg\":\"payment authorised\",\"trace_id\":\"af\",\"user_id\":7,\"http\":{\"method\":\"POST\",\"status\":200}}", 0x9fe2f15c05d9f495)
	f("{\"ts\":\"2026-11-20T00:00:01Z\",\"level\":\"error\",\"msg\":\"payment authorised\",\"trace_id\":\"af\",\"user_id\":7,\"http\":{\"method\":\"POST\",\"status\":200}}", 0xf6e2bc22601a49c4)
	f("{\"msg\":\"read 5 rows\",\"ids\":[1,2,3]}", 0x334d7b8b0751ba61)
	f("time=2026-11-20T00:00:00.1Z level=info component=worker queue=payments msg=\"job finished\" job_id=00ff12ab attempt=1 took=0.123s rows=17", 0xfcc1681c2dcd7616)
	f("time=2026-11-20T00:00:00.1Z level=info component=worker queue=payments msg=\"job failed\" job_id=00ff12ab attempt=1 took=0.123s rows=17", 0x20c085a4489961f7)
	f("2026-11-20 00:00:00.000 INFO  [http-nio-8080-exec-12] c.e.b.InvoiceController : invoice 12 rendered in 40 ms for tenant root", 0x613797b3edabd381)
	f("Nov 20 00:00:00 web sshd[2000]: Failed password for invalid user admin from 10.0.0.1 port 1024 ssh2", 0xfafbc7ed6c156554)
	f("Nov 20 00:00:00 web sshd[2]: Accepted publickey for git from 10.0.0.1 port 1024 ssh2: ED25519 SHA256:abcdef0123456789abcdef0123456789abcdef01234", 0xf8ef6eeda43608a0)
	f("kernel: [100000.000001] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56 SRC=10.0.0.1 LEN=40 SYN URGP=0", 0x5410e00ee1b03fef)
	f("request 550e8400-e29b-41d4-a716-446655440000 done in -5 ms", 0x5489de33b7969e8b)
	f("values 1, 2, 3 read", 0xed4ece111c16171d)
	f("open \"/var/lib/a b\": denied", 0x16c0c3d93b4afe0c)
	f("GET https://example.com/users/12 took 3ms", 0x63258a5a4fe9220d)
	f("=====", 0x9664500b0294b3a9)
	f("", 0xa355bc9f49cfc1a0)
	f("checkpoint complete", 0xcbb6ae4b5015f3b1)
	f("commit deadbeefcafe pushed", 0x423a5c7b94bdfaa1)
	f("it's the user's fault", 0xcef27915db06e68d)
}
