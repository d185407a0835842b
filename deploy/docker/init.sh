#!/bin/sh
# Makes random passwords and the configuration files that hold them, one folder (volume) a service, so that each sees its own only.
# Runs once before the other services; what exists already is kept, so a restart changes nothing.
set -eu
umask 027
out=${1:-/out}
[ -e "$out/agent/agent.yaml" ] && { echo 'secrets exist already'; exit 0; }

token() { head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
sha256() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }
nats_gateway=$(token) nats_query=$(token) nats_correlator=$(token)
ch_migrate=$(token) ch_gateway=$(token) ch_query=$(token) ch_correlator=$(token)
ingest_key=flk_$(token)

cat >"$out/nats/nats.conf" <<NATS
listen: 0.0.0.0:4222
http: 127.0.0.1:8222
max_payload: 8MB
max_pending: 64MB
jetstream { store_dir: /data, max_memory_store: 64MB }
authorization {
  users = [
    { user: gateway, password: "$nats_gateway" }
    { user: query, password: "$nats_query" }
    { user: correlator, password: "$nats_correlator" }
  ]
}
NATS

# The users of the server: its own default one is removed. The gateway packs samples and drops old days, hence ALL on the database.
cat >"$out/clickhouse/faultline.xml" <<CLICKHOUSE
<clickhouse>
  <profiles>
    <faultline_reader><readonly>2</readonly><max_execution_time>60</max_execution_time></faultline_reader>
  </profiles>
  <users>
    <default remove="remove"/>
    <migrate>
      <password_sha256_hex>$(sha256 "$ch_migrate")</password_sha256_hex>
      <networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <grants>
        <query>GRANT ALL ON faultline.*</query><query>GRANT ALL ON faultline_all.*</query><query>GRANT SELECT ON system.*</query>
        <query>GRANT TABLE ENGINE ON *</query><query>GRANT CLUSTER ON *.*</query><query>GRANT REMOTE ON *.*</query>
      </grants>
    </migrate>
    <gateway>
      <password_sha256_hex>$(sha256 "$ch_gateway")</password_sha256_hex>
      <networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT ALL ON faultline.*</query><query>GRANT SELECT ON system.*</query></grants>
    </gateway>
    <correlator>
      <password_sha256_hex>$(sha256 "$ch_correlator")</password_sha256_hex>
      <networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SELECT, INSERT ON faultline.*</query></grants>
    </correlator>
    <query>
      <password_sha256_hex>$(sha256 "$ch_query")</password_sha256_hex>
      <networks><ip>::/0</ip></networks><profile>faultline_reader</profile><quota>default</quota>
      <grants>
        <query>GRANT SELECT ON faultline.*</query><query>GRANT SELECT ON system.parts</query><query>GRANT SELECT ON system.disks</query>
        <query>GRANT SELECT ON system.processes</query><query>GRANT SELECT ON system.asynchronous_metrics</query>
      </grants>
    </query>
  </users>
</clickhouse>
CLICKHOUSE

process() { # folder, user, NATS password, ClickHouse password
  cat >"$out/$1/faultline.yaml" <<YAML
nats_url: nats://$2:$3@nats:4222
clickhouse_url: clickhouse://$2:$4@clickhouse:9000/faultline
YAML
}
process gateway gateway "$nats_gateway" "$ch_gateway"
process query query "$nats_query" "$ch_query"
process correlator correlator "$nats_correlator" "$ch_correlator"
printf 'clickhouse_url: clickhouse://migrate:%s@clickhouse:9000/faultline\n' "$ch_migrate" >"$out/migrate/faultline.yaml"
printf '%s\n' "$ingest_key" | tee "$out/gateway/ingest-key" >"$out/query/ingest-key"
token >"$out/query/admin-password"
cp "$out/query/admin-password" "$out/gateway/admin-password"
cp "$out/query/admin-password" "$out/correlator/admin-password"
# Last, since it says that all is there.
printf 'endpoint: http://gateway:4318\nkey: %s\n' "$ingest_key" >"$out/agent/agent.yaml"
echo 'secrets made'
