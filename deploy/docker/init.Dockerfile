# Makes the passwords and keys of the multi-service shape, once. See init.sh.
FROM alpine:3.22.2
COPY deploy/docker/init.sh /usr/local/bin/init.sh
# A named volume takes its owner from the folder in the image it is first mounted over.
RUN mkdir /out /out/nats /out/nats-data /out/clickhouse /out/migrate /out/gateway /out/query /out/agent && chown -R 10001:10001 /out && chmod 0750 /out/*
USER 10001:10001
ENTRYPOINT ["/bin/sh", "/usr/local/bin/init.sh"]
