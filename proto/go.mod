module github.com/faultline-io/faultline/proto

go 1.26.6

require google.golang.org/protobuf v1.36.12
